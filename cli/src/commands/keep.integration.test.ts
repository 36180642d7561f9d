/** `retention`, `hold` and `dispose` against a Control Plane that keeps everything for seconds. */
import { afterAll, beforeAll, expect, test } from 'bun:test';
import { spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import {
  endedAction,
  pastRetention,
  present,
  short,
} from '@portarium/control/testing/keep-and-dispose';
import { pushLedger } from '@portarium/control/testing/ledger-plugin';
import { startTestInstance, type TestInstance } from '@portarium/control/testing/test-instance';

const MAIN = join(import.meta.dirname, '..', 'main.ts');
const TIMEOUT_MS = 120_000;
let folder = '';
let instance: TestInstance;
let server: ReturnType<typeof Bun.serve>;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'portarium-keep-cli-'));
  instance = await startTestInstance(undefined, {}, short);
  await pushLedger(instance);
  server = Bun.serve({
    hostname: '127.0.0.1',
    port: 0,
    fetch: (request) => instance.app.fetch(request),
  });
}, TIMEOUT_MS);

afterAll(async () => {
  await server?.stop(true);
  await instance?.[Symbol.asyncDispose]();
  await rm(folder, { recursive: true, force: true });
}, TIMEOUT_MS);

async function portarium(role: string, ...args: string[]) {
  const child = spawn(process.execPath, [MAIN, ...args], {
    cwd: folder,
    env: {
      ...{ PATH: process.env.PATH ?? '', HOME: folder, PORTARIUM_WORKSPACE: 'local' },
      ...{ PORTARIUM_URL: `http://127.0.0.1:${server.port}`, PORTARIUM_KEY: instance.keys[role] },
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const ended = new Promise<number | null>((resolve) => child.once('exit', resolve));
  const [stdout, stderr] = await Promise.all([text(child.stdout), text(child.stderr)]);
  return { status: await ended, stdout, stderr };
}

test(
  'a retention is shown, lengthened, and not shortened',
  async () => {
    const set = await portarium('admin', 'retention', '--set', 'compliance=400');
    expect([set.status, set.stderr]).toEqual([0, '']);
    expect(set.stdout).toMatch(/compliance +400 +365/);
    const back = await portarium('admin', 'retention', '--set', 'compliance=399');
    expect([back.status, back.stdout]).toEqual([2, '']);
    expect(back.stderr).toContain('never shortened');
    const less = await portarium('admin', 'retention', '--set', 'forensic=1');
    expect([less.status, less.stderr]).toEqual([2, expect.stringContaining('at least 2555 days')]);
  },
  TIMEOUT_MS,
);

test(
  'holds are placed, listed and lifted, and what they cover is disposed of only then',
  async () => {
    const action = await endedAction(instance);
    const placing = ['hold', 'place', '--action', action.id, '--reason', 'case 4711'];
    expect((await portarium('operator', ...placing)).status).toBe(1);
    const placed = await portarium('auditor', ...placing);
    expect(placed.stderr).toContain('It covers 4 artifacts');
    const id = placed.stdout.trim();
    expect((await portarium('auditor', 'hold', 'list')).stdout).toContain(`action ${action.id}`);
    const two = await portarium('auditor', ...placing, '--plugin', 'ledger');
    expect([two.status, two.stderr]).toEqual([2, expect.stringContaining('exactly one of')]);
    await pastRetention();
    expect((await portarium('auditor', 'dispose', '--reason', 'x')).status).toBe(1);
    expect((await portarium('admin', 'dispose')).status).toBe(2);
    const held = await portarium('admin', 'dispose', '--dry-run', '--limit', '2');
    expect(held.stdout).toContain('under a hold');
    expect(held.stderr).toContain('2 looked at');
    const lift = ['hold', 'lift', id, '--reason', 'the case is closed'];
    expect((await portarium('auditor', ...lift)).stdout).toContain(`${id} lifted`);
    const dry = await portarium('admin', 'dispose', '--dry-run');
    expect(dry.stdout).toMatch(/compliance +3 +0/);
    expect(await present(instance, action)).toEqual([true]);
    const done = await portarium('admin', 'dispose', '--reason', 'the end of the year');
    expect(done.stdout).toMatch(/compliance +3 +0/);
    expect(await present(instance, action)).toEqual([false]);
    const none = await portarium('admin', 'dispose', '--dry-run');
    expect(none.stdout).toContain('No artifact is past its retention.');
  },
  TIMEOUT_MS,
);
