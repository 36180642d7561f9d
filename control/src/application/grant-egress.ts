/** Sets what an operator allows a plugin to reach. What the plugin's manifest lacks stays refused. */

import { digestOfJson } from '@portarium/contracts/digest';
import type { OperatorEgressSchema } from '@portarium/contracts/egress-rule';
import type { WorkspaceId } from '@portarium/contracts/ids';
import type { InferOutput } from 'valibot';
import { actorOf, type Caller, type Context } from './context.ts';
import { failure, type Result, success } from './failure.ts';
import { timeText } from './ports/clock.ts';
import type { EgressGrantRecord, PluginRecord } from './ports/records.ts';

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

export async function grantEgress(
  context: Context,
  caller: Caller,
  workspace: WorkspaceId,
  name: string,
  wanted: InferOutput<typeof OperatorEgressSchema>,
): Promise<Result<EgressView>> {
  const contractDigest = await digestOfJson([wanted.rules, wanted.networks]);
  return context.store.submit(workspace, async (tx) => {
    const plugin = await tx.findPlugin(name);
    if (!plugin) return failure('not-found', `The workspace has no plugin ${name}.`);
    const before = await tx.findEgressGrant(name);
    const grant = await tx.putEgressGrant({
      plugin: name,
      rules: wanted.rules,
      networks: wanted.networks,
      changedBy: caller.key.id,
      changedAt: timeText(context.clock.nowMs()),
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

function differences(before: EgressGrantRecord | undefined, after: EgressGrantRecord) {
  const old = new Map((before?.rules ?? []).map((rule) => [rule.id, JSON.stringify(rule)]));
  const now = new Map(after.rules.map((rule) => [rule.id, JSON.stringify(rule)]));
  return {
    added: [...now.keys()].filter((id) => !old.has(id)),
    removed: [...old.keys()].filter((id) => !now.has(id)),
    altered: [...now.keys()].filter((id) => old.has(id) && old.get(id) !== now.get(id)),
  };
}
