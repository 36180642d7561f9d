/** The steps that take the evidence away and check it. */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { verifyBundle } from '@portarium/contracts/verify-bundle';
import { bunArguments } from '@portarium/local/bun-arguments';
import { runCommand } from '@portarium/local/process/run-command';
import { REPOSITORY_ROOT } from '@portarium/local/repository';
import * as v from 'valibot';
import { type DemoBench, type DemoStep, expect } from './bench.ts';
import { demoEvidence } from './demo-evidence.ts';
import { tamper } from './tamper.ts';

const REPLAY_MS = 120_000;

/** What `portarium replay --json` says of one attempt that agrees. */
const AttemptLine = v.object({
  results: v.array(
    v.object({ engine: v.string(), status: v.literal('agrees'), calls: v.number() }),
  ),
});

export function evidenceSteps({ as, secret, stack, state }: DemoBench): readonly DemoStep[] {
  return [
    {
      name: 'export',
      title: 'export the evidence',
      async run() {
        state.bundle = new Uint8Array(await as('auditor').evidence.exportBundle());
        state.pin = (await as('auditor').evidence.verifierKeys())[0] ?? '';
        const files = demoEvidence(stack.dataDir);
        await mkdir(files.folder, { recursive: true });
        await writeFile(files.bundle, state.bundle);
        await writeFile(files.pin, `${state.pin}\n`);
        return {
          shown: `${(state.bundle.length / 1024).toFixed(0)} KiB`,
          data: { bytes: state.bundle.length },
        };
      },
    },
    {
      name: 'secret',
      title: 'look for the credential’s value in it',
      async run() {
        const bundle = Buffer.from(state.bundle);
        const forms = (['utf8', 'hex', 'base64', 'base64url'] as const).map((encoding) =>
          Buffer.from(secret).toString(encoding),
        );
        expect(!forms.some((form) => bundle.includes(form)), 'the bundle holds the value');
        expect(bundle.includes(state.credential), 'the bundle does not name the credential');
        return { shown: 'it names the credential, and does not hold its value' };
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
        const tampered = tamper(state.bundle);
        expect(tampered?.type === 'approval.granted', 'the bundle does not hold the approval');
        const report = await verifyBundle(tampered.bundle, { pin: state.pin });
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
    {
      name: 'replay',
      title: 'execute the refund again, offline, on two engines',
      async run() {
        const file = join(demoEvidence(stack.dataDir).folder, 'refund.tar');
        await writeFile(file, await as('auditor').evidence.exportBundle({ action: state.refund }));
        const { attempts, calls, engines } = await replay(file, state.pin);
        return {
          shown: `${attempts} attempt(s) with ${calls} call(s) agree on ${engines.join(' and ')}`,
          data: { attempts, calls, engines },
        };
      },
    },
  ];
}

/** As `portarium replay` does it, in a process of its own. @throws Error when anything differs */
async function replay(bundle: string, pin: string) {
  const main = join(REPOSITORY_ROOT, 'cli/src/main.ts');
  const args = bunArguments(main, 'replay', bundle, '--engine', 'both', '--pin', pin, '--json');
  const { ok, output } = await runCommand(process.execPath, args, { timeoutMs: REPLAY_MS });
  expect(ok, `the replay found a difference: ${output}`);
  const lines = output.split('\n').filter((line) => line.startsWith('{'));
  const attempts = lines.slice(0, -1).map((line) => v.parse(AttemptLine, JSON.parse(line)));
  const results = attempts.flatMap((attempt) => attempt.results);
  const engines = [...new Set(results.map(({ engine }) => engine))];
  expect(
    engines.length === 2 && results.length === 2 * attempts.length,
    `not every attempt ran on both engines: ${output}`,
  );
  return { attempts: attempts.length, calls: results[0]?.calls ?? 0, engines };
}
