/**
 * Everything that CI runs: static checks, all tests on real servers, and the proofs check.
 * Ends with `N passed, N failed`, and `, N skipped` when tests were skipped (each with its reason).
 *
 * usage: bun run scripts/test.ts [--full]
 */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { resolveBinary, resolveServerBinary } from '@portarium/local/binaries/resolve-binary';
import { type BinaryName, SERVER_BINARIES } from '@portarium/local/binaries/server-binary';
import { readEnvironment } from '@portarium/local/environment';
import { MINIO_SERVER } from '@portarium/local/testing/minio-server';
import { VAULT_SERVER } from '@portarium/local/testing/vault-server';
import { progressLines } from '../cli/src/progress-lines.ts';
import { checkProofs } from './check-proofs.ts';
import { parseJunit, type TestResult } from './parse-junit.ts';
import { installBubblewrap } from './tools/install-bubblewrap.ts';
import { installChromium } from './tools/install-chromium.ts';
import { installRustTarget } from './tools/install-rust-target.ts';
import { installSchemathesis } from './tools/install-schemathesis.ts';
import { installSquawk } from './tools/install-squawk.ts';

const CHECKS = ['format', 'lint', 'types', 'boundaries', 'references'] as const;

/** Files that are tested at once: each may start servers of its own. */
const WORKERS = 2;

async function run(
  command: readonly string[],
  environment: Record<string, string> = {},
): Promise<number> {
  const child = Bun.spawn([...command], {
    stdio: ['ignore', 'inherit', 'inherit'],
    env: { ...process.env, ...environment },
  });
  return child.exited;
}

async function runTests(full: boolean): Promise<readonly TestResult[]> {
  const folder = await mkdtemp(join(tmpdir(), 'portarium-junit-'));
  const report = join(folder, 'junit.xml');
  try {
    const { cacheDir } = readEnvironment(process.env);
    const code = await run(
      [
        ...[process.execPath, 'test', '--reporter=junit', `--reporter-outfile=${report}`],
        // Files that took longest the last time begin first; servers are shared within a file.
        ...['--timeout=60000', `--parallel=${WORKERS}`, '--no-isolate'],
        ...[`--timings=${join(cacheDir, 'test-timings.json')}`, '--update-timings'],
      ],
      full ? { PORTARIUM_TEST_FULL: '1' } : {},
    );
    const results = parseJunit(await readFile(report, 'utf8'));
    if (code === 0 || results.some(({ outcome }) => outcome === 'failed')) return results;
    return [
      ...results,
      { file: 'bun test', name: `ends well, not with ${code}`, outcome: 'failed' },
    ];
  } catch (error) {
    console.error(`the test runner left no report: ${String(error)}`);
    return [{ file: 'bun test', name: 'the test runner leaves a report', outcome: 'failed' }];
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** On a fresh machine servers are built for minutes: before the tests, whose time limits do not count that. */
async function installServers(): Promise<void> {
  for (const binary of Object.keys(SERVER_BINARIES) as BinaryName[]) {
    await resolveBinary(binary, { onProgress: progressLines() });
  }
  await resolveServerBinary(VAULT_SERVER, { onProgress: progressLines() });
  await resolveServerBinary(MINIO_SERVER, { onProgress: progressLines() });
  installSchemathesis();
  installSquawk();
  installBubblewrap();
  installChromium();
  installRustTarget();
}

async function main(): Promise<number> {
  const started = performance.now();
  await installServers();
  const full = process.argv.includes('--full');
  const results: TestResult[] = [];
  for (const check of CHECKS) {
    const code = await run([process.execPath, 'run', check]);
    results.push({
      file: 'package.json',
      name: `bun run ${check}`,
      outcome: code === 0 ? 'passed' : 'failed',
    });
  }
  const tests = await runTests(full);
  results.push(...tests);
  const problems = checkProofs(await readFile('docs/reference/proofs.md', 'utf8'), tests);
  for (const problem of problems) console.error(`proofs: ${problem}`);
  results.push({
    file: 'docs/reference/proofs.md',
    name: 'every proof names a test that ran',
    outcome: problems.length === 0 ? 'passed' : 'failed',
  });

  const count = (outcome: TestResult['outcome']) =>
    results.filter((result) => result.outcome === outcome).length;
  for (const result of results) {
    if (result.outcome === 'skipped') console.log(`skipped: ${result.file} › ${result.name}`);
    if (result.outcome === 'failed') console.log(`failed: ${result.file} › ${result.name}`);
  }
  const skipped = count('skipped');
  console.log(`took ${((performance.now() - started) / 1000).toFixed(0)} s`);
  console.log(
    `${count('passed')} passed, ${count('failed')} failed${skipped === 0 ? '' : `, ${skipped} skipped`}`,
  );
  return count('failed') === 0 ? 0 : 1;
}

process.exit(await main());
