import { afterAll, beforeAll, expect, test } from 'bun:test';
import { execFile, execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { exportFunction, plainModule, STATUS } from '@portarium/admission/testing/wasm-builder';
import { REPOSITORY_ROOT } from '@portarium/local/repository';
import type { RunningStack } from '@portarium/local/start-stack';
import { type Counterpart, startCounterpart } from '@portarium/local/testing/http-counterpart';
import { sharedStack } from '@portarium/local/testing/shared-services';

let stack: RunningStack;
let server: Counterpart;
const folder = mkdtempSync(join(tmpdir(), 'portarium-grant-'));
beforeAll(async () => {
  stack = await sharedStack();
  server = await startCounterpart();
  writeChatty('1.0.0');
}, 120_000);
afterAll(async () => {
  await server[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true, force: true });
});

/** The CLI as a person runs it; asynchronous, because this process also serves the counterpart. */
function cli(role: keyof RunningStack['keys'], ...args: string[]) {
  const env = {
    ...process.env,
    PORTARIUM_URL: stack.url,
    PORTARIUM_KEY: stack.keys[role],
    PORTARIUM_WORKSPACE: stack.workspace,
  };
  const command = ['run', join(REPOSITORY_ROOT, 'cli/src/main.ts'), ...args];
  return new Promise<{ code: number; out: string; err: string }>((resolve) => {
    execFile(process.execPath, command, { cwd: folder, env }, (error, out, err) =>
      resolve({ code: error === null ? 0 : Number(error.code), out, err }),
    );
  });
}

const rule = (methods = ['GET']) => ({
  id: 'hello',
  methods,
  scheme: 'http',
  host: '127.0.0.1',
  port: server.port,
  path: '/hello',
});

/** A plugin that logs a line and calls the counterpart. */
function writeChatty(version: string, methods?: string[]): void {
  const manifest = {
    schema: 1,
    name: 'chatty',
    version,
    operations: [{ name: 'hello', export: 'hello', effect: 'read' }],
    egress: [rule(methods)],
  };
  mkdirSync(join(folder, 'chatty', 'assembly'), { recursive: true });
  writeFileSync(join(folder, 'chatty', 'plugin.json'), JSON.stringify(manifest));
  writeFileSync(
    join(folder, 'chatty', 'assembly', 'index.ts'),
    `import { http, log, output } from '@portarium/sdk/assembly';
     export function hello(): i32 {
       log('calling \\u001b[31mout ${version}');
       output(http.get('http://127.0.0.1:${server.port}/hello', []).body);
       return 0;
     }`,
  );
}

const call = () => cli('agent', 'action', 'run', 'chatty', 'hello', '--json');

test('a plugin reaches what is granted with --own, and push tells which grant is in force', async () => {
  const pushed = await cli('author', 'plugin', 'push', 'chatty');
  expect(pushed.code).toBe(0);
  expect(pushed.err).toContain('reaches nothing');
  expect((await call()).code).toBe(1);

  expect((await cli('author', 'plugin', 'grant', 'chatty', '--own')).code).toBe(1);
  const granted = await cli('operator', 'plugin', 'grant', 'chatty', '--own');
  expect(granted.out).toContain(`+ hello  GET http://127.0.0.1:${server.port}/hello`);
  expect(granted.err).toContain('--network loopback');
  const opened = await cli('operator', 'plugin', 'grant', 'chatty', '--network', 'loopback');
  expect(opened.out).toContain('= hello');
  expect(opened.out).toContain('~ networks  (public addresses only), now loopback');
  const ran = await call();
  expect([ran.code, JSON.parse(ran.out).output]).toEqual([0, { path: '/hello' }]);

  writeChatty('1.1.0');
  const again = await cli('author', 'plugin', 'push', 'chatty');
  expect(again.err).toContain('A grant is in force for every version of chatty: rules hello');
  expect(again.err).not.toContain('nothing');
  const shown = await cli('auditor', 'plugin', 'egress', 'chatty');
  expect(shown.out).toContain('networks  loopback');
}, 120_000);

test('the log of each attempt is shown, and what the plugin wrote can not break the terminal', async () => {
  const { id } = JSON.parse((await call()).out) as { id: string };
  const { code, out } = await cli('operator', 'action', 'logs', id);
  expect(code).toBe(0);
  expect(out).toMatch(/^attempt 1 .* succeeded\n {2}info {3}calling \[31mout 1\.1\.0\n$/);
  const { items } = JSON.parse((await cli('operator', 'action', 'logs', id, '--json')).out);
  expect(items).toMatchObject([{ fence: 1, logs: [{ level: 'info' }] }]);
}, 60_000);

test('an altered grant shows both rules, and an empty list takes everything back', async () => {
  writeFileSync(join(folder, 'rules.json'), JSON.stringify([{ ...rule(), path: '/**' }]));
  const altered = await cli('operator', 'plugin', 'grant', 'chatty', '--rules', 'rules.json');
  expect(altered.out).toContain('~ hello');
  expect(altered.out).toContain('= networks  loopback');
  writeFileSync(join(folder, 'none.json'), '[]');
  const args = ['plugin', 'grant', 'chatty', '--rules', 'none.json', '--no-network'];
  const taken = await cli('operator', ...args);
  expect(taken.out).toContain('- hello');
  expect(taken.err).toContain('reaches nothing');
  expect((await call()).code).toBe(1);
}, 60_000);

test('a refused module is told finding by finding, to scripts as the whole problem', async () => {
  writeFileSync(join(folder, 'bad.wasm'), 'no module');
  const args = ['plugin', 'push', '--manifest', 'chatty/plugin.json', '--module', 'bad.wasm'];
  const { code, err } = await cli('author', ...args);
  expect(code).toBe(2);
  expect(err).toMatch(/\n {2}module\.[a-z-]+ {2}at .+\n {6}.+\n {6}→ .+/);
  const { problem } = JSON.parse((await cli('author', ...args, '--json')).out);
  expect(problem).toMatchObject({ code: 'plugin.not-admitted', admission: { findings: [{}] } });
}, 60_000);

test('a module that only an engine finds wrong is refused by a sandbox host', async () => {
  // `hello` gives back an i32, and its code leaves none.
  const untyped = plainModule({
    types: [STATUS],
    exports: [exportFunction('hello', 0)],
    bodies: [[0, 0x01, 0x0b]],
  });
  writeFileSync(join(folder, 'untyped.wasm'), untyped);
  writeChatty('1.1.1');
  const args = ['plugin', 'push', '--manifest', 'chatty/plugin.json', '--module', 'untyped.wasm'];
  const { code, err } = await cli('author', ...args);
  expect(code).toBe(2);
  expect(err).toMatch(/\n {2}module\.invalid\n {6}the engine refuses the module: .+\n {6}→ .+/);
}, 60_000);

test('actions are listed page by page', async () => {
  const first = await cli('operator', 'action', 'list', '--limit', '1');
  const cursor = /--cursor (act_\S+)/.exec(first.err)?.[1] ?? '';
  const second = await cli('operator', 'action', 'list', '--limit', '1', '--cursor', cursor);
  expect(second.out).toContain('act_');
  expect(second.out).not.toContain(cursor);
}, 60_000);

test('an admin of the instance sees its keys; others are told who may, and how to get a key', async () => {
  const listed = await cli('admin', 'key', 'list', '--instance', '--json');
  expect(listed.code).toBe(0);
  const { items } = JSON.parse(listed.out) as { items: { role: string }[] };
  expect(items.map(({ role }) => role)).toContain('admin');
  expect((await cli('operator', 'key', 'list', '--instance')).code).toBe(1);
  const unknown = 'key_019b76da80007000800000000000aaaa';
  expect((await cli('admin', 'key', 'revoke', unknown, '--instance')).code).toBe(1);
  const wrong = await cli('agent', 'action', 'list', '--key', `ptk_${unknown}_${'0'.repeat(64)}`);
  expect(wrong.code).toBe(1);
  expect(wrong.err).toContain('an admin’s key');
}, 60_000);

test('a version that asks for more waits, is shown, is not its author’s to approve, and runs after another person agreed', async () => {
  writeChatty('1.2.0', ['GET', 'HEAD']);
  const pushed = await cli('author', 'plugin', 'push', 'chatty');
  expect([pushed.code, pushed.out]).toEqual([
    0,
    expect.stringContaining('pending-approval'),
  ] as never);
  expect(pushed.err).toContain('portarium plugin approve chatty 1.2.0');
  expect((await cli('author', 'plugin', 'versions', 'chatty')).out).toMatch(
    /\* +1\.1\.0 +100 % +active/,
  );
  const pinned = await cli('agent', 'action', 'run', 'chatty@1.2.0', 'hello');
  expect([pinned.code, pinned.err]).toEqual([
    1,
    expect.stringContaining('plugin.not-approved'),
  ] as never);
  expect((await cli('approver', 'approve')).out).toMatch(/chatty +1\.2\.0/);
  const yes = ['--yes', '--rationale', 'HEAD is harmless'];
  const own = await cli('author', 'plugin', 'approve', 'chatty', '1.2.0', ...yes);
  expect([own.code, own.err]).toEqual([1, expect.stringContaining('auth.forbidden')] as never);
  const approved = await cli('approver', 'plugin', 'approve', 'chatty', '1.2.0', ...yes);
  expect([approved.code, approved.out]).toEqual([
    0,
    expect.stringContaining('│ + methods: GET, HEAD'),
  ] as never);
  expect((await cli('author', 'plugin', 'versions', 'chatty')).out).toMatch(
    /\* +1\.2\.0 +100 % +active/,
  );
}, 120_000);

test('the hosts of a rule are checked by the authorities of a file, when the grant says so', async () => {
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];
  const out = ['-keyout', join(folder, 'ca.key'), '-out', join(folder, 'ca.pem')];
  execFileSync('openssl', ['req', '-x509', ...key, ...out, '-subj', '/CN=Own Root'], {
    stdio: 'ignore',
  });
  writeFileSync(join(folder, 'https.json'), JSON.stringify([{ ...rule(), scheme: 'https' }]));
  const grant = ['plugin', 'grant', 'chatty'];
  const granted = await cli('operator', ...grant, '--rules', 'https.json', '--ca', 'hello=ca.pem');
  expect([granted.code, granted.out]).toEqual([
    0,
    expect.stringMatching(/\/hello {2}trusts only CN=Own Root \(SHA-256 [0-9A-F]{16}\)/),
  ] as never);
  for (const ca of ['other=ca.pem', 'hello=https.json', 'hello', 'hello=none.pem']) {
    expect((await cli('operator', ...grant, '--ca', ca)).code).toBe(2);
  }
  writeFileSync(join(folder, 'plain.json'), JSON.stringify([rule()]));
  const plain = await cli('operator', ...grant, '--rules', 'plain.json', '--ca', 'hello=ca.pem');
  expect([plain.code, plain.err]).toEqual([
    expect.any(Number),
    expect.stringContaining('only a rule with the scheme https'),
  ] as never);
}, 60_000);
