/**
 * The whole product as callers use it: an action over HTTP, a person who approves it where it writes, a
 * guest in a cell that sends the requests, and the journal as the Control Plane keeps it.
 */
import { join } from 'node:path';
import type { OperatorRule } from '@portarium/contracts/egress-rule';
import { GrantableOperatorRulesSchema } from '@portarium/contracts/grantable-rules';
import { type RunningStack, startStack } from '@portarium/local/start-stack';
import { callStack, exportBundle, pushPlugin } from '@portarium/local/testing/stack-calls';
import { untilEnded, type WriteAction } from '@portarium/local/testing/write-rig';
import postgres from 'postgres';
import * as v from 'valibot';
import type { readGrants } from '../corpus.ts';
import { type Attacker, type AttackOutcome, SECRET } from './attack.ts';

const PLUGIN = 'requests';
const HEADERS = { 'content-type': 'application/json' };
const WAIT_MS = 60_000;

export interface StackAttacker extends Attacker {
  /** The evidence of everything that was attacked, and the key to pin. */
  evidence(): Promise<{ readonly bundle: Uint8Array; readonly pin: string }>;
}

export async function startStackAttacker(
  folder: string,
  grants: ReturnType<typeof readGrants>,
  authority: string,
): Promise<StackAttacker> {
  const stack = await startStack({ dataDir: join(folder, 'data') });
  const call = async (
    role: Parameters<typeof callStack>[1],
    method: string,
    path: string,
    body?: object,
  ) => {
    const init = body === undefined ? {} : { headers: HEADERS, body: JSON.stringify(body) };
    const response = await callStack(stack, role, method, path, init);
    if (!response.ok) throw new Error(`${method} ${path}: ${await response.text()}`);
    return (await response.json()) as unknown;
  };
  try {
    await pushPlugin(stack, 'plugins/hostile/requests');
    await call('admin', 'POST', '/credentials', {
      name: 'api',
      kind: 'bearer',
      host: 'api.example.com',
      value: SECRET,
    });
    const rules: OperatorRule[] = grants.operator.map((rule) =>
      rule.scheme === 'https' ? { ...rule, caCertificates: [authority] } : rule,
    );
    await call('operator', 'PUT', `/plugins/${PLUGIN}/egress`, {
      rules: rules.filter((rule) => v.is(GrantableOperatorRulesSchema, [rule])),
      networks: [],
    });
    await storeRules(stack, rules);
  } catch (error) {
    await stack.stop();
    throw error;
  }
  return {
    async attack(one): Promise<AttackOutcome> {
      const asked = (await call('operator', 'POST', '/actions', {
        plugin: PLUGIN,
        // What people agree to is a write; it may read as well.
        operation: one.narrowed ? 'write' : one.effect,
        input: { script: JSON.stringify(one.requests) },
      })) as WriteAction;
      if (asked.approval) {
        const { id, digest } = asked.approval;
        await call('approver', 'POST', `/approvals/${id}/decisions`, {
          ...{ decision: 'approve', rationale: 'a hostile request', digest },
          ...(one.narrowed ? { egress: grants.approval } : {}),
        });
      }
      const ended = await untilEnded(stack, asked.id, WAIT_MS);
      const journal = (await call('auditor', 'GET', `/actions/${asked.id}/journal`)) as {
        readonly items: AttackOutcome['records'];
      };
      const records = journal.items;
      const evidence = (await call('auditor', 'GET', `/evidence?action=${asked.id}`)) as {
        readonly items: readonly { readonly entry: { readonly type: string } }[];
      };
      const told = [ended.output, ended.error, ...records.map((record) => record.responseHeaders)];
      const denials = evidence.items.filter(({ entry }) => entry.type === 'egress.denied').length;
      return { records, seen: JSON.stringify(told), denials };
    },
    evidence: () => exportBundle(stack),
    stop: () => stack.stop(),
  };
}

/** As if they had been granted before rules for addresses that are never opened were refused. */
async function storeRules({ services, workspace }: RunningStack, rules: OperatorRule[]) {
  const owner = postgres(services.postgres.ownerUrl, { max: 1 });
  await owner.begin(async (tx) => {
    await tx`SELECT set_config('portarium.workspace', ${workspace}, true)`;
    await tx`UPDATE portarium.plugin_egress SET rules = ${tx.json(rules as never)} WHERE plugin = ${PLUGIN}`;
  });
  await owner.end();
}
