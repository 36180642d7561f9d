import { expect, test } from 'bun:test';
import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';

const root = join(import.meta.dirname, '..');

/** Runs the project's boundary check over a tree of its own. */
function check(files: Readonly<Record<string, string>>): { code: number; out: string } {
  const folder = mkdtempSync(join(tmpdir(), 'portarium-boundaries-'));
  for (const file of ['.dependency-cruiser.cjs', 'tsconfig.json', 'package.json'])
    cpSync(join(root, file), join(folder, file));
  symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'));
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    writeFileSync(join(folder, path), text);
  }
  const ran = spawnSync(
    process.execPath,
    [
      '--bun',
      join(root, 'node_modules/.bin/depcruise'),
      ...new Set(Object.keys(files).map((path) => path.split('/')[0] ?? '')),
    ],
    { cwd: folder, encoding: 'utf8' },
  );
  rmSync(folder, { recursive: true, force: true });
  return { code: ran.status ?? -1, out: ran.stdout + ran.stderr };
}

const value = 'export const value = 1;\n';

test('imports against the table are refused, also of types only and from inside a folder', () => {
  const cases: readonly (readonly [string, string, string])[] = [
    [
      'contracts/src/a.ts',
      "export type { Value } from '../../control/src/b.ts';\n",
      'control/src/b.ts',
    ],
    [
      'control/src/domain/a.ts',
      "import { value } from '../application/b.ts';\nvalue;\n",
      'control/src/application/b.ts',
    ],
    [
      'control/src/application/a.ts',
      "import { value } from '../infrastructure/b.ts';\nvalue;\n",
      'control/src/infrastructure/b.ts',
    ],
    [
      'sandbox/src/a.ts',
      "export const lazy = () => import('../../control/src/b.ts');\n",
      'control/src/b.ts',
    ],
    [
      'control/src/http/a.ts',
      "import { value } from '../infrastructure/b.ts';\nvalue;\n",
      'control/src/infrastructure/b.ts',
    ],
  ];
  for (const [from, text, to] of cases) {
    const { code, out } = check({ [from]: text, [to]: `export type Value = number;\n${value}` });
    expect([from, code > 0, out.includes('boundary')]).toEqual([from, true, true]);
  }
}, 30_000);

test('a pure folder that imports the runtime, and a driver outside infrastructure, are refused', () => {
  expect(
    check({ 'contracts/src/a.ts': "import { readFileSync } from 'node:fs';\nreadFileSync;\n" }).out,
  ).toContain('pure folders import no runtime');
  expect(
    check({ 'control/src/http/a.ts': "import postgres from 'postgres';\npostgres;\n" }).out,
  ).toContain('drivers only in infrastructure');
}, 30_000);

test('imports along the table pass', () => {
  const { code, out } = check({
    'control/src/application/a.ts': "import { value } from '../domain/b.ts';\nvalue;\n",
    'control/src/domain/b.ts': value,
  });
  expect([code, out.includes('no dependency violations')]).toEqual([0, true]);
}, 30_000);
