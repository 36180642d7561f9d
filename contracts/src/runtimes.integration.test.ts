import { afterAll, expect, test } from 'bun:test';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { denoBinary } from '../../sandbox/src/replay/deno-binary.ts';
import { honestMaterial } from './mutations/honest-material.ts';
import { mutantsOf } from './mutations/mutants.ts';
import type { StoryName } from './testing/honest-log.ts';
import { runCount } from './testing/run-count.ts';
import type { VerifyReport } from './verify-report.ts';

const PROGRAM = join(import.meta.dirname, 'testing/verify-lines.ts');
const folder = mkdtempSync(join(tmpdir(), 'portarium-runtimes-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** What each runtime needs to read the program and the bundles, and no more. */
const RUNTIMES = {
  bun: [process.execPath, 'run', PROGRAM],
  deno: [
    ...[denoBinary(), 'run', '--quiet', '--no-prompt', '--no-remote', '--no-lock'],
    ...['--node-modules-dir=manual', '--allow-read', PROGRAM],
  ],
  // Without the hash of the runtime, as in a browser.
  'bun by Web Crypto': [
    process.execPath,
    '--preload',
    join(import.meta.dirname, 'testing/without-native-hash.ts'),
    PROGRAM,
  ],
} as const;

interface Case {
  readonly file: string;
  readonly pin?: string;
  readonly since?: string;
}

function reports(runtime: keyof typeof RUNTIMES, cases: readonly Case[]): readonly VerifyReport[] {
  const [file, ...args] = RUNTIMES[runtime];
  const input = cases.map((one) => `${JSON.stringify(one)}\n`).join('');
  const { stdout, stderr, status } = spawnSync(file, args, {
    ...({ encoding: 'utf8', maxBuffer: 1 << 28 } as const),
    input,
    env: { PATH: process.env.PATH ?? '', NO_COLOR: '1' },
  });
  if (status !== 0) throw new Error(`${runtime} ended with ${status}: ${stderr}`);
  return stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
}

test('Bun, Deno and Web Crypto give one report of every bundle, honest or changed', async () => {
  const names: readonly StoryName[] = ['approvedWrite', 'refused', 'dryRun', 'narrowed', 'denied'];
  const material = await honestMaterial(names, 3);
  const cases: Case[] = [];
  const add = (tar: Uint8Array, options: Omit<Case, 'file'>) => {
    const file = join(folder, `${cases.length}.tar`);
    writeFileSync(file, tar);
    cases.push({ file, ...options });
  };
  const { whole, ranges, actions, pin, since } = material;
  for (const tar of [whole, ...ranges, ...actions]) add(tar, { pin });
  add(whole, {});
  const honestCount = cases.length;
  const count = runCount(50, 500);
  for await (const mutant of mutantsOf(material, { seed: 20_261_129, count })) {
    add(mutant.tar, mutant.since ? { pin, since } : { pin });
  }
  const [first, ...others] = (Object.keys(RUNTIMES) as (keyof typeof RUNTIMES)[]).map((runtime) =>
    reports(runtime, cases),
  );
  expect(first).toHaveLength(cases.length);
  for (const other of others) expect(other).toEqual(first ?? []);
  for (const [i, { verdict }] of (first ?? []).entries()) {
    if (i < honestCount) expect(verdict).toBe(i === honestCount - 1 ? 'unpinned' : 'verified');
    else expect(['falsified', 'incomplete', 'unreadable']).toContain(verdict);
  }
}, 300_000);
