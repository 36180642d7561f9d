import { afterAll, beforeAll, expect, test } from 'bun:test';
import { execFile, spawnSync } from 'node:child_process';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { gzipSync } from 'node:zlib';
import {
  checkpointAt,
  type HonestLog,
  honestLog,
  logKey,
  wholeBundle,
} from '@portarium/contracts/testing/honest-log';

const MAIN = join(import.meta.dirname, '..', 'main.ts');
let folder = '';
let pin = '';
let honest: HonestLog;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'portarium-verify-'));
  pin = (await logKey()).verifierKey;
  honest = await honestLog();
  const bundle = await wholeBundle(honest);
  await writeFile(join(folder, 'honest.tar'), bundle);
  const changed = bundle.slice();
  const at = Buffer.from(changed).indexOf('listRefunds');
  changed[at] = (changed[at] ?? 0) ^ 1;
  await writeFile(join(folder, 'changed.tar'), changed);
  const cut = await honestLog(['succeeded']);
  await writeFile(join(folder, 'early.tar'), await wholeBundle(cut, cut.log.entries.length));
  await writeFile(join(folder, 'pin'), `${pin}\n`);
  await writeFile(join(folder, 'older'), await checkpointAt(honest.log, 10, await logKey()));
});

afterAll(() => rm(folder, { recursive: true, force: true }));

function verify(...args: string[]) {
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    [MAIN, 'evidence', 'verify', ...args],
    {
      cwd: folder,
      encoding: 'utf8',
      env: { PATH: process.env.PATH ?? '', HOME: folder },
    },
  );
  return { status, stdout, stderr };
}

test('a bundle verifies offline with a key and an older checkpoint, and exits with 0', () => {
  const { status, stdout } = verify('honest.tar', '--pin', '@pin', '--since', 'older');
  expect(stdout).toStartWith('VERIFIED  honest.tar');
  expect(status).toBe(0);
});

test('a bundle that is older than the checkpoint is told so, and is neither verified nor falsified', () => {
  const { status, stdout } = verify('early.tar', '--pin', '@pin', '--since', 'older');
  expect(stdout).toStartWith('INCOMPLETE, NOT VERIFIED');
  expect(stdout).toContain('before the 10 of the checkpoint: it is older than that');
  expect(stdout).not.toContain('FALSIFIED');
  expect(status).toBe(1);
});

test('a changed byte exits with 1 and names the entry', () => {
  const { status, stdout } = verify('changed.tar', '--pin', pin, '--json');
  const report = JSON.parse(stdout);
  expect(report.findings[0]).toMatchObject({ rule: 'log.leaf', seq: 2 });
  expect(status).toBe(1);
});

test('what is no bundle, no file or no key exits with 2', () => {
  expect(verify('pin', '--pin', pin).status).toBe(2);
  expect(verify('missing.tar', '--pin', pin).status).toBe(2);
  for (const args of [['honest.tar'], ['pin'], ['honest.tar', '--json']]) {
    const malformed = verify(...args, '--pin', 'nonsense');
    expect(malformed.status).toBe(2);
    expect(malformed.stdout + malformed.stderr).not.toContain('UNREADABLE');
    expect(malformed.stderr).toContain('no verifier key. Expected one line, name+hash+base64');
    expect(malformed.stderr).toContain('portarium evidence key');
  }
  const since = verify('honest.tar', '--pin', pin, '--since', 'pin');
  expect([since.status, since.stdout]).toEqual([2, '']);
  expect(since.stderr).toContain('--since can not be used');
});

test('without a key it exits with 3 and does not say verified', () => {
  const { status, stdout } = verify('honest.tar');
  expect(stdout).toStartWith('CONSISTENT, NOT VERIFIED');
  expect(stdout).toContain('portarium evidence key');
  expect(status).toBe(3);
});

test('a compressed bundle and a file that is none are told what a bundle is', async () => {
  await writeFile(join(folder, 'honest.tar.gz'), gzipSync(await wholeBundle(honest)));
  const { status, stderr } = verify('honest.tar.gz', '--pin', pin);
  expect(status).toBe(2);
  expect(stderr).toContain('A bundle is the tar file, not compressed');
  expect(stderr).toContain('gunzip');
  expect(verify('pin').stderr).toContain('A bundle is the tar file');
});

test('an export without bodies asks for one, and writes what came', async () => {
  const asked: (string | undefined)[] = [];
  const server = createServer((request, response) => {
    asked.push(request.url);
    response.end(request.url?.endsWith('/vkeys') ? `${pin}\n` : 'the bundle');
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  try {
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const connection = ['--url', url, '--key', 'ptk_x', '--workspace', 'acme'];
    const run = promisify(execFile)(
      process.execPath,
      [MAIN, 'evidence', 'export', '--no-bodies', '-o', 'bare.tar', ...connection],
      { cwd: folder, env: { PATH: process.env.PATH ?? '', HOME: folder } },
    );
    expect((await run).stdout).toBe('bare.tar  10 bytes\n');
    expect(asked).toContain('/v1/workspaces/acme/evidence/export?bodies=none');
    expect(await readFile(join(folder, 'bare.tar'), 'utf8')).toBe('the bundle');
  } finally {
    server.close();
  }
});

test('an export that breaks off leaves no file behind', async () => {
  const server = createServer((request, response) => {
    if (request.url?.endsWith('/vkeys')) return response.end(`${pin}\n`);
    response.writeHead(200, { 'content-length': '1000' });
    response.write('the beginning');
    return setTimeout(() => response.destroy(), 50);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  try {
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const connection = ['--url', url, '--key', 'ptk_x', '--workspace', 'acme'];
    const run = promisify(execFile)(
      process.execPath,
      [MAIN, 'evidence', 'export', '-o', 'half.tar', ...connection],
      { cwd: folder, env: { PATH: process.env.PATH ?? '', HOME: folder } },
    );
    await expect(run).rejects.toThrow();
    await expect(readFile(join(folder, 'half.tar'))).rejects.toThrow('ENOENT');
    await expect(readFile(join(folder, 'half.tar.partial'))).rejects.toThrow('ENOENT');
  } finally {
    server.close();
  }
});

test('a range and an action are not asked for at once', () => {
  const action = honest.actions[0] ?? '';
  const { status, stderr } = spawnSync(
    process.execPath,
    [
      ...[MAIN, 'evidence', 'export', '--action', action, '--from', '1', '-o', 'x.tar'],
      ...['--url', 'http://127.0.0.1:9', '--key', 'ptk_x', '--workspace', 'acme'],
    ],
    { cwd: folder, encoding: 'utf8', env: { PATH: process.env.PATH ?? '', HOME: folder } },
  );
  expect(status).toBe(2);
  expect(stderr).toContain('an action is exported whole');
});

test('what happened is told with --stories, and of one action without being asked', () => {
  const told = verify('honest.tar', '--pin', '@pin', '--stories').stdout;
  expect(told).toContain('POST api.stripe.com/v1/refunds: answered with 200');
  expect(told).toContain('Not proved:');
  expect(verify('honest.tar', '--pin', '@pin').stdout).not.toContain('asked  ');
  const report = JSON.parse(
    verify('honest.tar', '--pin', '@pin', '--stories', '2', '--json').stdout,
  );
  expect(report.stories).toHaveLength(2);
});

test('demo tamper needs a demo, and then shows the byte that was changed', async () => {
  const demo = (data: string, ...args: string[]) =>
    spawnSync(process.execPath, [MAIN, 'demo', 'tamper', '--data', data, ...args], {
      ...({ cwd: folder, encoding: 'utf8' } as const),
      env: { PATH: process.env.PATH ?? '', HOME: folder },
    });
  const none = demo(join(folder, 'nothing'));
  expect(none.status).toBe(2);
  expect(none.stderr).toContain('no demo has run to its end here');
  const data = join(folder, 'data');
  await mkdir(join(data, 'demo'), { recursive: true });
  await writeFile(join(data, 'demo', 'evidence.tar'), await wholeBundle(honest));
  await writeFile(join(data, 'demo', 'pin.txt'), `${pin}\n`);
  const shown = demo(data);
  expect(shown.stdout).toStartWith('VERIFIED  ');
  expect(shown.stdout).toContain('in the entry approval.granted');
  expect(shown.stdout).toContain('FALSIFIED  ');
  expect(shown.stdout).toMatch(/entry \d+ +entry\.schema/);
  expect(shown.status).toBe(0);
  const json = JSON.parse(demo(data, '--json').stdout);
  expect(json).toMatchObject({
    ok: true,
    before: { verdict: 'verified' },
    after: { verdict: 'falsified' },
  });
});
