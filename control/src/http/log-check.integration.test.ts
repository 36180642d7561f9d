/** Tools that know nothing of ours read a served log and a bundle: Go's note and tlog, and Tessera's fsck. */
import { afterAll, beforeAll, expect, test } from 'bun:test';
import { spawnSync } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { decodeEntryBundle } from '@portarium/contracts/entry-bundle';
import { type ActionId, makeId, type WorkspaceId } from '@portarium/contracts/ids';
import { runCount } from '@portarium/contracts/testing/run-count';
import { SYSTEM_ACTOR } from '../application/context.ts';
import { exportEvidence } from '../application/export-evidence.ts';
import { sealLog } from '../application/seal-log.ts';
import { type Listening, listen } from '../listen.ts';
import { fillLog } from '../testing/fill-log.ts';
import { startTestInstance, type TestInstance } from '../testing/test-instance.ts';

const WS = 'local' as WorkspaceId;
const TOOLS = fileURLToPath(new URL('../../../scripts/tools/', import.meta.url));
/** The first run gets modules and compiles; a later one takes a second. */
const BUILD_MS = 600_000;
/** In full there is a full tile of level 1, and a node of level 2. */
const FILLED = runCount(3_000, 66_000);

/** Builds a checker, or says why that is not done here. */
function build(name: string, folder: string): string | undefined {
  const file = join(folder, name);
  const built = spawnSync('go', ['build', '-trimpath', '-o', file, '.'], {
    cwd: join(TOOLS, name),
    env: { ...process.env, GOFLAGS: '-mod=readonly -buildvcs=false' },
    encoding: 'utf8',
    timeout: BUILD_MS,
  });
  if (built.error && (built.error as { code?: string }).code === 'ENOENT') {
    console.warn(`skipped: ${name} needs a Go toolchain (https://go.dev/dl)`);
    return undefined;
  }
  if (built.status === 0) return file;
  // Without a network Go can not get its modules; anything else is a defect.
  if (/proxy|dial tcp|no such host|timeout/i.test(built.stderr)) {
    console.warn(`skipped: ${name} was not built: ${built.stderr.trim().split('\n').at(-1)}`);
    return undefined;
  }
  throw new Error(`${name} does not build: ${built.stderr}`);
}

let folder = '';
let instance: TestInstance;
let server: Listening;
let older = '';
let action: ActionId;
const checkers: { check?: string | undefined; fsck?: string | undefined } = {};

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'portarium-check-'));
  checkers.check = build('log-check', folder);
  checkers.fsck = build('log-fsck', folder);
  instance = await startTestInstance();
  const { context } = instance.composed;
  await fillLog(context, WS, 300);
  older = (await sealLog(context, WS))?.note ?? '';
  await writeFile(join(folder, 'older'), older);
  action = makeId('action', Date.now(), crypto.getRandomValues(new Uint8Array(10)));
  await context.store.submit(WS, async (tx) => {
    for (let i = 0; i < 3; i++) {
      tx.append({
        type: 'policy.decided',
        actor: SYSTEM_ACTOR,
        subject: { action },
        data: { i },
        trace: null,
      });
    }
  });
  await fillLog(context, WS, FILLED);
  await sealLog(context, WS, { keep: true });
  server = await listen(instance.app.fetch, { hostname: '127.0.0.1', port: 0 });
}, BUILD_MS);
afterAll(async () => {
  await server?.stop();
  await instance?.[Symbol.asyncDispose]();
  await rm(folder, { recursive: true, force: true });
}, 30_000);

const vkey = () => instance.composed.context.signer.verifierKeys(WS)[0] ?? '';
const logUrl = (workspace: string) =>
  `http://127.0.0.1:${server.port}/v1/workspaces/${workspace}/evidence/log`;

async function run(file: string, args: readonly string[], role = 'auditor') {
  const child = Bun.spawn([file, ...args], {
    env: { ...process.env, LOG_CHECK_TOKEN: instance.keys[role] ?? '' },
    stdout: 'pipe',
    stderr: 'pipe',
  });
  const [out, err] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
  ]);
  return { code: await child.exited, out, err };
}

async function bundleFile(query = ''): Promise<string> {
  const { context } = instance.composed;
  const asked = query === '' ? {} : { action };
  const exported = await exportEvidence(context, WS, asked);
  if (!exported.ok) throw new Error(exported.detail);
  const file = join(folder, `bundle${query}.tar`);
  await writeFile(file, exported.value);
  return file;
}

test('Go’s note and tlog verify a served log, and that it contains an older checkpoint', async () => {
  if (!checkers.check) return;
  const args = ['served', logUrl(WS), `test/${WS}`, vkey(), join(folder, 'older')];
  const { code, out, err } = await run(checkers.check, args);
  expect([code, err]).toEqual([0, '']);
  expect(out).toMatch(/^test\/local: \d+ entries, every one in the signed tree\n$/);
  const own = ['served', logUrl('_instance'), 'test/_instance', vkey()];
  expect(await run(checkers.check, own, 'admin')).toMatchObject({ code: 0, err: '' });
}, 300_000);

test('Go’s note and tlog verify a bundle of the whole log, and one of an action', async () => {
  if (!checkers.check) return;
  const whole = await bundleFile();
  const origin = `test/${WS}`;
  expect(
    await run(checkers.check, ['bundle', whole, origin, vkey(), join(folder, 'older')]),
  ).toMatchObject({ code: 0, err: '' });
  const one = await run(checkers.check, ['bundle', await bundleFile('one'), origin, vkey()]);
  expect([one.code, one.err]).toEqual([0, '']);
  expect(one.out).toContain('3 entries of one action are in the log');
  const bytes = new Uint8Array(await Bun.file(whole).arrayBuffer());
  const at = Buffer.from(bytes).indexOf('filled');
  bytes[at] = (bytes[at] ?? 0) ^ 1;
  await writeFile(whole, bytes);
  const changed = await run(checkers.check, ['bundle', whole, origin, vkey()]);
  expect([changed.code, changed.err]).toEqual([
    1,
    expect.stringContaining('is not what the tree holds'),
  ]);
}, 300_000);

test('another key, another origin and another past are refused by them', async () => {
  if (!checkers.check) return;
  const foreign = 'test+3cd140eb+AfvuEM2VDoO+wD2c2OLo7Gkm1kHFUA2Isr3Pe1adQ640';
  const url = logUrl(WS);
  for (const args of [
    ['served', url, `test/${WS}`, foreign],
    ['served', url, 'test/other', vkey()],
    ['served', logUrl('_instance'), `test/${WS}`, vkey()],
  ]) {
    expect((await run(checkers.check, args)).code).toBe(1);
  }
});

test('Tessera’s fsck finds every tile to be the one that the entries give', async () => {
  if (!checkers.fsck) return;
  const { code, out, err } = await run(checkers.fsck, [logUrl(WS), `test/${WS}`, vkey()]);
  expect([code, out], err).toEqual([
    0,
    'test/local: every tile is the one that the entries give\n',
  ]);
}, 300_000);

test('Tessera’s fsck tells a log whose entry or tile was changed', async () => {
  if (!checkers.fsck) return;
  const response = await instance.call(
    'GET',
    `/v1/workspaces/${WS}/evidence/log/tile/entries/000`,
    { role: 'auditor' },
  );
  const decoded = decodeEntryBundle(new Uint8Array(await response.arrayBuffer()));
  expect(decoded.ok && decoded.entries.length).toBe(256);
  for (const changed of ['/tile/entries/000', '/tile/0/001', '/tile/1/000']) {
    const forging = await listen(
      async (request) => {
        const answer = await instance.app.fetch(request);
        if (!new URL(request.url).pathname.includes(changed)) return answer;
        const bytes = new Uint8Array(await answer.arrayBuffer());
        bytes[bytes.length - 1] = (bytes.at(-1) ?? 0) ^ 1;
        return new Response(bytes, answer);
      },
      { hostname: '127.0.0.1', port: 0 },
    );
    try {
      const url = `http://127.0.0.1:${forging.port}/v1/workspaces/${WS}/evidence/log`;
      const { code } = await run(checkers.fsck, [url, `test/${WS}`, vkey()]);
      expect([changed, code]).toEqual([changed, 1]);
    } finally {
      await forging.stop();
    }
  }
}, 300_000);
