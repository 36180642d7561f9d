/** Sets what an operator allows a plugin to reach. What the plugin's manifest lacks stays refused. */

import { canonicalText, type JsonValue } from '@portarium/contracts/canonical-json';
import { digestOfJson } from '@portarium/contracts/digest';
import type { OperatorRule } from '@portarium/contracts/egress-rule';
import type { OperatorEgressSchema } from '@portarium/contracts/grantable-rules';
import type { WorkspaceId } from '@portarium/contracts/ids';
import type { InferOutput } from 'valibot';
import { certificateProblems } from './ca-certificates.ts';
import { actorOf, type Caller, type Context } from './context.ts';
import { failure, type Result, success } from './failure.ts';
import { wouldRun } from './plugin-approval.ts';
import { timeText } from './ports/clock.ts';
import type { EgressGrantRecord, PluginRecord } from './ports/records.ts';
import { type Precondition, unmet } from './precondition.ts';
import { submitAs } from './submit-as.ts';

export interface EgressView {
  readonly plugin: PluginRecord;
  readonly grant: EgressGrantRecord | undefined;
  /** Ids of operator rules that this change added, removed or altered. */
  readonly changed?: {
    readonly added: readonly string[];
    readonly removed: readonly string[];
    readonly altered: readonly string[];
  };
}

/** Names the plugin version that asks as well: who grants must have seen what. */
export function egressRevision({ plugin, grant }: Pick<EgressView, 'plugin' | 'grant'>): string {
  return `${grant?.revision ?? 0}-${plugin.digest.slice('sha256:'.length, 'sha256:'.length + 16)}`;
}

export async function grantEgress(
  context: Context,
  caller: Caller,
  workspace: WorkspaceId,
  name: string,
  wanted: InferOutput<typeof OperatorEgressSchema>,
  expected?: Precondition,
): Promise<Result<EgressView>> {
  const errors = certificateProblems(context, wanted.rules);
  if (errors.length > 0) {
    return failure('input.invalid', 'A certificate of the grant can not check any server.', {
      errors,
    });
  }
  const contractDigest = await digestOfJson([wanted.rules, wanted.networks]);
  return submitAs(context, caller, workspace, async (tx): Promise<Result<EgressView>> => {
    const plugin = (await tx.findPlugin(name)) ?? (await wouldRun(tx, name));
    if (!plugin) return failure('not-found', `The workspace has no plugin ${name}.`);
    const before = await tx.lockEgressGrant(name);
    const refused = unmet(expected, egressRevision({ plugin, grant: before }));
    if (refused) return refused;
    const grant = await tx.putEgressGrant({
      plugin: name,
      rules: wanted.rules,
      networks: wanted.networks,
      changedBy: caller.key.id,
      changedAt: timeText(context.clock.nowMs()),
      authors: authorsOf(before, wanted, caller.key.id),
    });
    const changed = differences(before, grant);
    tx.append({
      type: 'egress.granted',
      actor: actorOf(caller),
      subject: { plugin: plugin.digest },
      data: {
        plugin: name,
        revision: grant.revision,
        operatorDigest: contractDigest,
        networks: grant.networks,
        ...changed,
      },
      trace: caller.trace,
    });
    return success({ plugin, grant, changed });
  });
}

/** The database keeps another order of fields than a request has. */
const textOf = (rule: OperatorRule) => canonicalText(rule as unknown as JsonValue);

/** Whoever writes again what stands there already does not become its author, nor frees the author. */
function authorsOf(
  before: EgressGrantRecord | undefined,
  { rules, networks }: Pick<EgressGrantRecord, 'rules' | 'networks'>,
  author: string,
): Record<string, string> {
  const parts = (of: Pick<EgressGrantRecord, 'rules' | 'networks'>): [string, string][] => [
    ...of.rules.map((rule): [string, string] => [`rule ${rule.id}`, textOf(rule)]),
    ...of.networks.map((network): [string, string] => [`network ${network}`, network]),
  ];
  const stood = new Map(before ? parts(before) : []);
  return Object.fromEntries(
    parts({ rules, networks }).map(([name, text]) => [
      name,
      stood.get(name) === text ? (before?.authors[name] ?? before?.changedBy ?? author) : author,
    ]),
  );
}

function differences(before: EgressGrantRecord | undefined, after: EgressGrantRecord) {
  const old = new Map((before?.rules ?? []).map((rule) => [rule.id, textOf(rule)]));
  const now = new Map(after.rules.map((rule) => [rule.id, textOf(rule)]));
  return {
    added: [...now.keys()].filter((id) => !old.has(id)),
    removed: [...old.keys()].filter((id) => !now.has(id)),
    altered: [...now.keys()].filter((id) => old.has(id) && old.get(id) !== now.get(id)),
  };
}
