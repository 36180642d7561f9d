/** The steps that build, upload and read. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { checkGrowth } from '@portarium/client/growth-check';
import type { OperatorEgress } from '@portarium/client/plugins';
import { REPOSITORY_ROOT } from '@portarium/local/repository';
import { buildPlugin } from '@portarium/sdk/build';
import { pointAt } from '@portarium/sdk/derive-manifest';
import {
  type DemoBench,
  type DemoStep,
  expect,
  expectState,
  PLUGINS,
  type PluginName,
  refusalOf,
  STRIPE_HOST,
} from './bench.ts';

export function readSteps(bench: DemoBench): readonly DemoStep[] {
  const { as, built, run, secret, stack, state, stripePort, summarise } = bench;
  return [
    {
      name: 'build',
      title: 'build the plugins from source',
      async run() {
        for (const [name, folder] of Object.entries(PLUGINS)) {
          const out = join(stack.dataDir, 'demo', name);
          built.set(name as PluginName, await buildPlugin(join(REPOSITORY_ROOT, folder), out));
        }
        return { shown: `${built.size} modules`, data: { plugins: [...built.keys()] } };
      },
    },
    {
      name: 'credential',
      title: 'store a credential',
      async run() {
        const stored = await storeCredential(bench);
        expect(!JSON.stringify(stored).includes(secret), 'the answer holds the value');
        state.credential = stored.id;
        return {
          shown: `${stored.name} for ${stored.host}, version ${stored.version}; no answer holds its value`,
          data: { credential: stored.id, version: stored.version },
        };
      },
    },
    {
      name: 'upload',
      title: 'upload them, and grant what stripe-refunds asks for',
      async run() {
        for (const [name, { manifest, module }] of built) {
          const target = { scheme: 'http', host: STRIPE_HOST, port: stripePort } as const;
          const final = name === 'stripe-refunds' ? pointAt(manifest, target) : manifest;
          await upload(bench, final, module);
          if (name === 'csv-insights' || name === 'endless-loop') continue;
          const rules = (final.egress ?? []) as OperatorEgress['rules'];
          await as('operator').plugins.putEgress(name, {
            rules,
            networks: name === 'stripe-refunds' ? ['loopback'] : [],
          });
        }
        return { shown: `${built.size} admitted` };
      },
    },
    {
      name: 'csv',
      title: 'summarise a CSV file in the sandbox',
      async run() {
        state.csv = await readFile(
          join(REPOSITORY_ROOT, PLUGINS['csv-insights'], 'sample.csv'),
          'utf8',
        );
        const action = await summarise();
        expectState(action, 'succeeded');
        const output = action.output as { rows: number; columns: { name: string; type: string }[] };
        expect(output.rows > 0 && output.columns.length > 0, 'the summary is empty');
        return {
          shown: `${output.rows} rows, ${output.columns.length} columns`,
          data: { action: action.id, rows: output.rows },
        };
      },
    },
    {
      name: 'refunds',
      title: 'read refunds from stripe-mock through the egress broker, with the credential',
      async run() {
        const action = await run('stripe-refunds', 'listRefunds', { limit: 3 });
        expectState(action, 'succeeded');
        const { refunds } = action.output as {
          refunds: { id: string; amount: number; currency: string }[];
        };
        const [first] = refunds;
        expect(first !== undefined, 'no refund came back');
        const [call] = await as('operator').actions.journal(action.id);
        expect(
          call?.verdict === 'allowed' && call.status === 200,
          'the journal does not show the call',
        );
        expect(call.credential === state.credential, 'the call went without the credential');
        return {
          shown: `${first.id}: ${first.amount} ${first.currency}; the call went to ${call.address}:${call.port}`,
          data: { action: action.id, refunds: refunds.length },
        };
      },
    },
  ];
}

/**
 * After an earlier demo, another port of stripe-mock is more than what runs: somebody else agrees. Versions
 * for two ports come in no order, so this one is chosen.
 */
async function upload({ as }: DemoBench, manifest: object, module: Uint8Array): Promise<void> {
  const { name, version, state } = await as('author').plugins.push(manifest, module);
  const rationale = 'the stripe-mock of this demo';
  if (state === 'pending-approval') {
    const approver = as('approver');
    const grown = await approver.plugins.version(name, version);
    const { digest } = await checkGrowth(approver, grown);
    await approver.plugins.decide(name, version, { decision: 'approve', rationale, digest });
  }
  await as('operator').plugins.setCurrent(name, version, rationale);
}

/** A second demo on the same data rotates the first one's; what is somebody else's stays. */
async function storeCredential({ as, secret }: DemoBench) {
  const { credentials } = as('admin');
  const wanted = { name: 'stripe', host: STRIPE_HOST, kind: 'bearer', value: secret } as const;
  const before = (await credentials.list()).find(
    ({ name, revokedAt }) => name === wanted.name && !revokedAt,
  );
  if (before === undefined) return credentials.create(wanted);
  expect(
    before.host === STRIPE_HOST,
    `the workspace has a credential stripe for ${before.host}, which the demo leaves alone; give the demo a data folder of its own: --data DIR`,
  );
  const error = await refusalOf(credentials.create(wanted));
  expect(error.code === 'credential.exists', `a second credential stripe: ${error.message}`);
  return credentials.rotate(before.id, secret);
}
