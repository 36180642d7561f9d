/**
 * The steps of the demo: the main job on real input, and what must be refused. Each step asserts
 * what it shows; a step that shows something else fails the demo.
 */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { PortariumClient } from '@portarium/client/portarium-client';
import { verifyBundle } from '@portarium/contracts/verify-bundle';
import { REPOSITORY_ROOT } from '@portarium/local/repository';
import type { StackConnection } from '@portarium/local/running-stack';
import { type BuiltPlugin, buildPlugin } from '@portarium/sdk/build';
import { pointAt } from '@portarium/sdk/derive-manifest';

export interface DemoStep {
  readonly name: string;
  /** What it does, for people. */
  readonly title: string;
  /** @returns what was seen, in one sentence and as data */
  run(): Promise<DemoOutcome>;
}

export interface DemoOutcome {
  readonly shown: string;
  readonly data?: Readonly<Record<string, unknown>>;
}

export interface DemoParts {
  readonly stack: StackConnection;
  /** Port of stripe-mock on loopback. */
  readonly stripePort: number;
}

const PLUGINS = {
  'csv-insights': 'plugins/examples/csv-insights',
  'stripe-refunds': 'plugins/examples/stripe-refunds',
  'phone-home': 'plugins/examples/phone-home',
  'endless-loop': 'plugins/hostile/endless-loop',
} as const;
type PluginName = keyof typeof PLUGINS;

const WAIT_SECONDS = 60;

/** @throws Error with `message` unless `condition` holds */
function expect(condition: boolean, message: string): asserts condition {
  if (!condition) throw new Error(message);
}

export function demoSteps({ stack, stripePort }: DemoParts): readonly DemoStep[] {
  const as = (role: keyof StackConnection['keys']) =>
    new PortariumClient({ url: stack.url, workspace: stack.workspace, key: stack.keys[role] });
  const built = new Map<PluginName, BuiltPlugin>();
  const state = { bundle: new Uint8Array(), pin: '', csv: '' };
  const run = (plugin: PluginName, operation: string, input: unknown) =>
    as('agent').actions.create({ plugin, operation, input }, { waitSeconds: WAIT_SECONDS });
  const summarise = () => run('csv-insights', 'summarise', { csv: state.csv });

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
      name: 'upload',
      title: 'upload them, and grant what stripe-refunds asks for',
      async run() {
        for (const [name, { manifest, module }] of built) {
          const target = { scheme: 'http', host: '127.0.0.1', port: stripePort } as const;
          const final = name === 'stripe-refunds' ? pointAt(manifest, target) : manifest;
          await as('author').plugins.push(final, module);
          if (name === 'csv-insights' || name === 'endless-loop') continue;
          const rules = (final.egress ?? []) as Parameters<
            PortariumClient['plugins']['putEgress']
          >[1]['rules'];
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
        expect(
          action.state === 'succeeded',
          `the action ended ${action.state}: ${JSON.stringify(action.error)}`,
        );
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
      title: 'read refunds from stripe-mock through the egress broker',
      async run() {
        const action = await run('stripe-refunds', 'listRefunds', { limit: 3 });
        expect(
          action.state === 'succeeded',
          `the action ended ${action.state}: ${JSON.stringify(action.error)}`,
        );
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
        return {
          shown: `${first.id}: ${first.amount} ${first.currency}; the call went to ${call.address}:${call.port}`,
          data: { action: action.id, refunds: refunds.length },
        };
      },
    },
    {
      name: 'egress-denied',
      title: 'a plugin calls a host outside its grant',
      async run() {
        const action = await run('phone-home', 'report', {});
        expect(
          action.state === 'failed' && action.error?.code === 'egress.denied',
          `the action ended ${action.state}: ${JSON.stringify(action.error)}`,
        );
        const page = await as('auditor').evidence.page({ action: action.id });
        const denial = page.items.find(({ entry }) => entry.type === 'egress.denied');
        expect(denial !== undefined, 'the denial is not in the evidence');
        const { host, reason } = denial.entry.data as { host: string; reason: string };
        return {
          shown: `refused (${reason}), evidence entry ${denial.seq}`,
          data: { action: action.id, seq: denial.seq, host },
        };
      },
    },
    {
      name: 'deadline',
      title: 'a guest loops for ever while others keep running',
      async run() {
        const loop = run('endless-loop', 'spin', {});
        let loopEnded = false;
        const marked = loop.finally(() => {
          loopEnded = true;
        });
        let others = 0;
        while (!loopEnded) {
          const other = await summarise();
          expect(other.state === 'succeeded', `another action ended ${other.state} meanwhile`);
          if (!loopEnded) others += 1;
        }
        const action = await marked;
        expect(
          action.error?.code === 'limit.deadline',
          `the loop ended ${action.state}: ${JSON.stringify(action.error)}`,
        );
        expect(others > 0, 'no other action finished while the guest looped');
        return {
          shown: `killed at its deadline; ${others} other action(s) finished meanwhile`,
          data: { action: action.id, others },
        };
      },
    },
    {
      name: 'export',
      title: 'export the evidence',
      async run() {
        state.bundle = new Uint8Array(await as('auditor').evidence.exportBundle());
        state.pin = (await as('auditor').evidence.verifierKeys())[0] ?? '';
        return {
          shown: `${(state.bundle.length / 1024).toFixed(0)} KiB`,
          data: { bytes: state.bundle.length },
        };
      },
    },
    {
      name: 'verify',
      title: 'verify it offline under the pinned key',
      async run() {
        const report = await verifyBundle(state.bundle, { pin: state.pin });
        expect(report.verdict === 'verified', `${report.verdict}: ${report.findings[0]?.message}`);
        return {
          shown: `${report.entries} entries, ${report.actions} actions, signed by ${report.signedBy}`,
          data: { entries: report.entries, actions: report.actions },
        };
      },
    },
    {
      name: 'tamper',
      title: 'flip one bit of one entry, and verify again',
      async run() {
        const at = new TextDecoder('latin1').decode(state.bundle).indexOf('"type":"egress.denied"');
        expect(at > 0, 'the bundle does not hold the denial');
        const tampered = state.bundle.slice();
        tampered[at + 8] = (tampered[at + 8] ?? 0) ^ 1;
        const report = await verifyBundle(tampered, { pin: state.pin });
        const named = report.findings.find((finding) => finding.seq !== undefined);
        expect(
          report.verdict === 'falsified' && named !== undefined,
          `the flipped bit was not found: ${report.verdict}`,
        );
        return {
          shown: `falsified: entry ${named.seq}, rule ${named.rule}`,
          data: { seq: named.seq, rule: named.rule },
        };
      },
    },
  ];
}
