import { afterAll, beforeAll, expect, test } from 'bun:test';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { denoBinary } from '@portarium/sandbox/replay/deno-binary';
import { build } from 'esbuild';
import { readCorpus } from './corpus.ts';
import { namespaceProblem } from './world/namespace.ts';
import { spawnRun } from './world/spawn-run.ts';

const problem = namespaceProblem();
if (problem !== undefined) console.warn(`skipped: hostile requests: ${problem}`);

const WORLD = join(import.meta.dirname, 'world');
const TIMEOUT_MS = 60_000;

let folder = '';
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'portarium-requests-'));
  await build({
    entryPoints: [join(WORLD, 'broker.ts')],
    outfile: join(folder, 'broker.mjs'),
    bundle: true,
    platform: 'node',
    format: 'esm',
  });
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const BROKERS = {
  Bun: () => [process.execPath],
  Deno: () => [denoBinary(), 'run', '--quiet', '--no-config', '--no-lock', '-A'],
} as const;

const FAMILIES = readCorpus();

test('the corpus has at least 200 requests, no two of a name, and each family a place of its own', () => {
  const names = FAMILIES.flatMap(({ cases }) =>
    cases.map(({ family, name }) => `${family}: ${name}`),
  );
  expect(new Set(names).size).toBe(names.length);
  const hostile = FAMILIES.filter(({ name }) => name !== 'control');
  expect(hostile.flatMap(({ cases }) => cases).length).toBeGreaterThanOrEqual(200);
});

for (const [runtime, broker] of Object.entries(BROKERS)) {
  for (const { name, cases } of FAMILIES) {
    test.skipIf(problem !== undefined)(
      `every request of the family ${name} ends as the corpus says, on ${runtime}`,
      async () => {
        const program = [...broker(), join(folder, 'broker.mjs')];
        const { results } = await spawnRun(folder, [
          `--only=^${name}:`,
          ...program.map((part) => `--broker=${part}`),
        ]);
        expect(results.filter(({ problems }) => problems.length > 0)).toEqual([]);
        expect(results.map((result) => result.name)).toEqual(cases.map((one) => one.name));
      },
      TIMEOUT_MS,
    );
  }
}
