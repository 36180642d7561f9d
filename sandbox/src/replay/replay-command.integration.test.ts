import { afterAll, beforeAll, expect, setDefaultTimeout, test } from 'bun:test';
import { spawnSync } from 'node:child_process';
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type ActionOrder, ActionOrderSchema } from '@portarium/contracts/action-order';
import { digestOf } from '@portarium/contracts/digest';
import { DEFAULT_LIMITS } from '@portarium/contracts/limits';
import { logKey } from '@portarium/contracts/testing/honest-log';
import { LogBuilder } from '@portarium/contracts/testing/log-builder';
import * as v from 'valibot';
import { prepareCellProgram } from '../host/cell-program.ts';
import { compileGuest, HOST_HEAD } from '../testing/assemblyscript.ts';
import { bundleOf } from '../testing/recorded-bundle.ts';
import { recordRun } from '../testing/recorded-run.ts';

setDefaultTimeout(60_000);

const MAIN = fileURLToPath(new URL('../main.ts', import.meta.url));
const GUEST = `${HOST_HEAD}
export function run(): void { output(clock_time().toString() + " " + hex(random_bytes(8))); }
`;

let folder = '';
let temporary = '';
let order: ActionOrder;
let output = '';

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'portarium-replay-'));
  temporary = await mkdtemp(join(tmpdir(), 'portarium-replay-'));
  const ids = new LogBuilder('acme');
  const module = await compileGuest(GUEST);
  const moduleDigest = await digestOf(module);
  const input = new Uint8Array();
  order = v.parse(ActionOrderSchema, {
    v: 1,
    workspace: 'acme',
    action: ids.id('action'),
    plugin: { name: 'guest', version: '1.0.0', digest: moduleDigest },
    moduleDigest,
    rewriter: 'portarium-rewriter/1',
    operation: { name: 'run', export: 'run', effect: 'read', encoding: 'text' },
    inputDigest: await digestOf(input),
    config: {},
    contract: { plugin: [], operator: [], networks: [], approval: [] },
    limits: DEFAULT_LIMITS,
    seed: '5eed'.repeat(16),
    startTime: '2026-11-23T08:00:00.250Z',
  });
  const program = await prepareCellProgram(process.env.PATH ?? '');
  const run = await recordRun(program, { attempt: ids.id('attempt'), order, module, input });
  await program.remove();
  output = await digestOf(run.output ?? input);
  const story = { order, module, input, runs: [run] };
  await writeFile(join(folder, 'honest.tar'), await bundleOf(story));
  const other = { ...story, order: { ...order, seed: '0'.repeat(64) } };
  await writeFile(join(folder, 'other.tar'), await bundleOf(other));
  const omit = ['application/wasm'];
  await writeFile(join(folder, 'omitted.tar'), await bundleOf({ ...story, omit }));
});

afterAll(async () => {
  await rm(folder, { recursive: true, force: true });
  await rm(temporary, { recursive: true, force: true });
});

function replay(...args: string[]) {
  const { status, stdout, stderr } = spawnSync(process.execPath, ['run', MAIN, 'replay', ...args], {
    cwd: folder,
    encoding: 'utf8',
    env: { PATH: process.env.PATH ?? '', TMPDIR: temporary },
  });
  const lines = stdout.split('\n').filter((line) => line !== '');
  return { status, stderr, lines: lines.map((line) => JSON.parse(line)) };
}

test('it prints a line for each attempt and one for all, and leaves nothing behind', async () => {
  const { verifierKey } = await logKey();
  const { status, lines, stderr } = replay('honest.tar', '--pin', verifierKey, '--json');
  expect(stderr).toBe('');
  expect(lines).toEqual([
    {
      action: order.action,
      attempt: expect.stringMatching(/^att_/),
      number: 1,
      verdict: 'succeeded',
      results: ['bun', 'deno'].map((engine) => ({
        ...{ engine, status: 'agrees', calls: 0, outputDigest: output },
        ms: expect.any(Number),
      })),
    },
    { ok: true, attempts: 1, findings: 0, notReplayable: 0, bundle: 'verified' },
  ]);
  expect(status).toBe(0);
  expect(await readdir(temporary)).toEqual([]);
});

test('one engine is enough when one is asked for, and no key need be pinned', () => {
  const { status, lines } = replay('honest.tar', '--engine', 'deno', '--action', order.action);
  expect(lines[0].results).toHaveLength(1);
  expect(lines[1]).toMatchObject({ ok: true, bundle: 'unpinned' });
  expect(status).toBe(0);
});

test('a difference exits with 1, a file that is no bundle with 2, and what is left out with 3', () => {
  const other = replay('other.tar');
  expect(other.lines[0].results[0].finding).toMatchObject({ kind: 'output', expected: output });
  expect(other.status).toBe(1);
  expect(replay('honest.tar', '--pin', 'nonsense').status).toBe(2);
  expect(replay('missing.tar')).toMatchObject({ status: 2, lines: [] });
  expect(replay('omitted.tar')).toMatchObject({
    status: 3,
    lines: [{ results: [] }, { ok: false }],
  });
});

test('a command line that can not be meant says how it goes', () => {
  for (const args of [
    [],
    ['a.tar', 'b.tar'],
    ['honest.tar', '--engine', 'v8'],
    ['honest.tar', '--action', 'act_1'],
    ['honest.tar', '--nonsense'],
  ]) {
    const { status, stderr } = replay(...args);
    expect([args, status]).toEqual([args, 2]);
    expect(stderr).toContain('usage: bun run sandbox/src/main.ts replay BUNDLE');
  }
});
