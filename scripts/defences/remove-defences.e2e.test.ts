import { afterAll, beforeAll, expect, test } from 'bun:test';
import { cp, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { lendServices } from '@portarium/local/testing/shared-services';
import { DEFENCES } from './defences.ts';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
/** Neither sources nor needed: what a checkout gathers. */
const LEFT_OUT = new Set(['.git', 'node_modules', 'docs', '.github']);
const TIMEOUT_MS = 120_000;
const TESTABLE = DEFENCES.filter(({ name, needs }) => {
  const lack = needs?.();
  if (lack !== undefined) console.warn(`skipped: without ${name}: ${lack}`);
  return lack === undefined;
});

/** A copy of the sources, in which a defence can be taken out without anybody noticing here. */
let copy = '';
/** One set of servers for all runs: a run starts none of its own. */
let lent: Readonly<Record<string, string>> = {};
beforeAll(async () => {
  copy = await mkdtemp(join(tmpdir(), 'portarium-defences-'));
  for (const name of await readdir(ROOT)) {
    if (LEFT_OUT.has(name)) continue;
    await cp(join(ROOT, name), join(copy, name), {
      recursive: true,
      filter: (path) => !path.includes('node_modules'),
    });
  }
  await linkModules();
  lent = await lendServices();
}, TIMEOUT_MS);
afterAll(async () => {
  if (copy !== '') await rm(copy, { recursive: true, force: true });
});

/** Packages of others are shared; our own are those of the copy. */
async function linkModules(): Promise<void> {
  const from = join(ROOT, 'node_modules');
  const to = join(copy, 'node_modules');
  await cp(join(from, '@portarium'), join(to, '@portarium'), {
    recursive: true,
    verbatimSymlinks: true,
  });
  for (const name of await readdir(from)) {
    if (name !== '@portarium') await symlink(join(from, name), join(to, name));
  }
}

async function runTests(
  tests: string,
  watching: readonly string[],
  environment: Readonly<Record<string, string>> = {},
): Promise<{ code: number; output: string }> {
  const pattern = watching.map(escaped).join('|');
  const child = Bun.spawn([process.execPath, 'test', tests, '--test-name-pattern', pattern], {
    cwd: copy,
    env: { ...process.env, ...lent, ...environment },
    stdin: 'ignore',
    stdout: 'pipe',
    stderr: 'pipe',
  });
  const output = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
  ]);
  return { code: await child.exited, output: output.join('\n') };
}

const escaped = (text: string) => text.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&');

test(
  'with every defence in its place the same tests pass in the copy',
  async () => {
    for (const [tests, watched] of Map.groupBy(TESTABLE, (defence) => defence.tests)) {
      const names = [...new Set(watched.map(({ watching }) => watching))];
      const { code, output } = await runTests(tests, names, watched[0]?.environment);
      expect([tests, code, output]).toEqual([
        tests,
        0,
        expect.stringMatching(new RegExp(`\\b${names.length} pass`)),
      ]);
    }
  },
  // Each file of tests once.
  8 * TIMEOUT_MS,
);

for (const defence of DEFENCES) {
  test.skipIf(!TESTABLE.includes(defence))(
    `without ${defence.name} the suite fails`,
    async () => {
      const before = new Map<string, string>();
      try {
        for (const { file, source, without } of [
          defence,
          ...(defence.also ? [defence.also] : []),
        ]) {
          const path = join(copy, file);
          const text = await readFile(path, 'utf8');
          if (!before.has(path)) before.set(path, text);
          expect(text.split(source)).toHaveLength(2);
          await writeFile(path, text.replace(source, without));
        }
        const after = await runTests(defence.tests, [defence.watching], defence.environment);
        expect(after.code).not.toBe(0);
        // A failed expectation, not a source that no longer compiles.
        expect(after.output).toContain('(fail)');
        expect(after.output).toMatch(/error: expect\(/);
      } finally {
        for (const [path, text] of before) await writeFile(path, text);
      }
    },
    TIMEOUT_MS,
  );
}
