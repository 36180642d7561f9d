import { afterAll, beforeAll, expect, setDefaultTimeout, test } from 'bun:test';
import { spawn } from 'node:child_process';
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import {
  actionBundle,
  type HonestLog,
  honestLog,
  logKey,
} from '@portarium/contracts/testing/honest-log';

setDefaultTimeout(60_000);

const MAIN = join(import.meta.dirname, '..', 'main.ts');
let folder = '';
let temporary = '';
let pin = '';
let honest: HonestLog;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'portarium-replay-cli-'));
  temporary = await mkdtemp(join(tmpdir(), 'portarium-replay-cli-'));
  pin = (await logKey()).verifierKey;
  // The first was cancelled before its first call; the second ran what is no module of WebAssembly.
  honest = await honestLog(['cancelledRunning', 'quiet']);
  await writeFile(join(folder, 'cancelled.tar'), await bundle(0));
  await writeFile(join(folder, 'quiet.tar'), await bundle(1));
  const changed = await bundle(0);
  const at = Buffer.from(changed).indexOf('createRefund');
  changed[at] = (changed[at] ?? 0) ^ 1;
  await writeFile(join(folder, 'changed.tar'), changed);
  await writeFile(join(folder, 'pin'), `${pin}\n`);
});

afterAll(async () => {
  await rm(folder, { recursive: true, force: true });
  await rm(temporary, { recursive: true, force: true });
});

const bundle = (index: number) => actionBundle(honest, honest.actions[index] ?? '');

async function replay(...args: string[]) {
  const child = spawn(process.execPath, [MAIN, 'replay', ...args], {
    cwd: folder,
    env: { PATH: process.env.PATH ?? '', HOME: folder, TMPDIR: temporary },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const ended = new Promise<number | null>((resolve) => child.once('exit', resolve));
  const [stdout, stderr] = await Promise.all([text(child.stdout), text(child.stderr)]);
  return { status: await ended, stdout, stderr };
}

test('a bundle is replayed with a line for each attempt, and what agrees exits with 0', async () => {
  const { status, stdout } = await replay('cancelled.tar', '--pin', '@pin');
  const [action, attempt, summary] = stdout.split('\n');
  expect(action).toBe(honest.actions[0] ?? '');
  expect(attempt).toMatch(
    /^attempt 1 att_\w+ agrees on Bun \(JavaScriptCore\) and Deno \(V8\): 0 calls, and the same end, action\.cancelled \(Somebody cancelled the action\)$/,
  );
  expect(summary).toBe('The attempt agrees. The bundle is verified.');
  expect(status).toBe(0);
});

test('an action’s id is exported first, and nothing of it stays', async () => {
  const asked: string[] = [];
  const server = createServer(async (request, response) => {
    asked.push(`${request.headers.authorization} ${request.url}`);
    response.end(await bundle(0));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  try {
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const [action = ''] = honest.actions;
    const connection = ['--url', url, '--key', 'ptk_x', '--workspace', 'acme'];
    const { status, stdout } = await replay(action, ...connection, '--engine', 'bun', '--json');
    expect(
      stdout
        .split('\n')
        .slice(0, 2)
        .map((line) => JSON.parse(line)),
    ).toMatchObject([
      { action, number: 1, results: [{ engine: 'bun', status: 'agrees' }] },
      { ok: true, bundle: 'unpinned' },
    ]);
    expect(status).toBe(0);
    expect(asked).toEqual([`Bearer ptk_x /v1/workspaces/acme/evidence/export?action=${action}`]);
    expect(await readdir(temporary)).toEqual([]);
  } finally {
    server.close();
  }
});

test('falsified exits with 1, unreadable with 2, and what no engine runs with 3', async () => {
  const changed = await replay('changed.tar', '--pin', pin);
  expect(changed.stdout).toStartWith('Nothing was replayed: ');
  expect(changed.status).toBe(1);
  expect((await replay('pin')).status).toBe(2);
  expect(await replay('missing.tar')).toMatchObject({
    status: 2,
    stderr: expect.stringContaining('there is no such file'),
  });
  const quiet = await replay('quiet.tar', '--engine', 'bun');
  expect(quiet.stdout).toContain('can not be replayed on Bun (JavaScriptCore): the engine refuses');
  expect(quiet.status).toBe(3);
});

test('help names engines and exit codes', async () => {
  const { stdout, status } = await replay('--help');
  expect(stdout).toContain('choices: "bun", "deno"');
  expect(stdout).toContain('0 all agree, 1 a difference or a falsified bundle');
  expect(status).toBe(0);
});
