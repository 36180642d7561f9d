import { afterAll, expect, setDefaultTimeout, test } from 'bun:test';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { tryLock } from '@portarium/local/process/owned-lock';
import { identify } from '@portarium/local/process/process-identity';
import { runCommand } from '@portarium/local/process/run-command';

setDefaultTimeout(120_000);
const root = mkdtempSync(join(tmpdir(), 'portarium-cli-'));
const main = fileURLToPath(new URL('./main.ts', import.meta.url));
afterAll(() => rmSync(root, { recursive: true, force: true }));

async function portarium(...args: string[]): Promise<{ code: number | null; output: string }> {
  return runCommand(process.execPath, ['run', main, ...args], { timeoutMs: 60_000, cwd: root });
}

test('an unknown command, an unknown option and a bad value end with code 2', async () => {
  expect((await portarium('frobnicate')).code).toBe(2);
  expect((await portarium('status', '--nonsense')).code).toBe(2);
  for (const args of [['frobnicate'], ['plugin', 'frobnicate']]) {
    const { code, output } = await portarium(...args, '--help');
    expect([args, code, output]).toEqual([
      args,
      2,
      expect.stringContaining("has no command 'frobnicate'"),
    ] as never);
  }
  expect((await portarium('up', '--port', '70000')).output).toContain('from 1 to 65535');
});

test('help and version end with code 0', async () => {
  expect((await portarium('--version')).output).toMatch(/^\d+\.\d+\.\d+\n$/);
  for (const args of [['--help'], ['up', '--help'], ['plugin', '--help'], ['help', 'plugin']]) {
    expect([args, (await portarium(...args)).code]).toEqual([args, 0]);
  }
});

test('the status of a folder where nothing ever ran is stopped, with code 1', async () => {
  const { code, output } = await portarium('status', '--json', '--data', 'none');
  expect(code).toBe(1);
  expect(JSON.parse(output)).toEqual({ dataDir: join(root, 'none'), state: 'stopped', parts: [] });
});

test('down where nothing runs succeeds and says so', async () => {
  const { code, output } = await portarium('down', '--json', '--data', 'none');
  expect(code).toBe(0);
  expect(JSON.parse(output)).toEqual({ ok: true, wasRunning: false, dataDir: join(root, 'none') });
});

test('up refuses a folder that holds other files, in one line of JSON', async () => {
  writeFileSync(join(root, 'precious.txt'), 'keep me');
  const { code, output } = await portarium('up', '--json', '--data', root);
  expect(code).toBe(1);
  const failure = JSON.parse(output.split('\n')[0] ?? '');
  expect(failure.error).toContain('is no data folder of Portarium');
});

test('doctor lists what it looked at', async () => {
  const { output } = await portarium('doctor', '--json', '--data', join(root, 'fresh'));
  const { findings } = JSON.parse(output) as { findings: { name: string }[] };
  const names = findings.map((finding) => finding.name);
  for (const name of ['bun', 'go', 'temporal 1.5.1', 'nats-server 2.11.4', 'postgres', 'disk']) {
    expect(names).toContain(name);
  }
});

/** A data folder whose stack this process seems to supervise. */
function supervised(name: string, partState: string): string {
  const folder = join(root, name);
  mkdirSync(folder);
  const lock = tryLock(join(folder, 'supervisor.lock'));
  const supervisor = identify(process.pid);
  if (!lock.ok || supervisor === undefined) throw new Error('the folder is not ours');
  const part = { part: 'nats', state: partState, port: 4222, restarts: 1 };
  const stack = { state: 'ready', supervisor, version: '0', url: 'http://127.0.0.1:23456' };
  const text = JSON.stringify({ ...stack, parts: [part], processes: [] });
  writeFileSync(join(folder, 'stack.json'), text);
  return folder;
}

test('a stack with a part that is not ready is degraded, with code 1', async () => {
  const degraded = await portarium('status', '--json', '--data', supervised('d', 'restarting'));
  expect([degraded.code, JSON.parse(degraded.output).state]).toEqual([1, 'degraded']);
  const ready = await portarium('status', '--json', '--data', supervised('r', 'ready'));
  expect([ready.code, JSON.parse(ready.output).state]).toEqual([0, 'ready']);
});

test('doctor names the port that the stack uses, and the one that was kept', async () => {
  const running = await portarium('doctor', '--data', supervised('port', 'ready'));
  expect(running.output).toContain('port 23456');
  const kept = join(root, 'kept');
  mkdirSync(kept);
  writeFileSync(join(kept, 'ports.json'), '{"http":23457}');
  expect((await portarium('doctor', '--data', kept)).output).toContain('port 23457');
});

test('doctor fails on a data folder that can not be created, and says how to mend it', async () => {
  writeFileSync(join(root, 'a-file'), '', { mode: 0o777 });
  const folders = [join(root, 'a-file', 'data')];
  if (process.platform === 'linux') folders.push('/proc/portarium/data');
  for (const folder of folders) {
    const { code, output } = await portarium('doctor', '--data', folder);
    expect(code).toBe(1);
    expect(output).toMatch(/✗ +data folder .*--data DIR/);
  }
});

const APPROVAL = 'apr_019b76da80007000800000000000aaaa';

test('what is not usable ends with code 2 and says what to do, before anything is tried', async () => {
  const broken = join(root, 'broken');
  mkdirSync(broken);
  writeFileSync(join(broken, 'plugin.json'), '{');
  const wrong = join(root, 'wrong');
  mkdirSync(wrong);
  const manifest = {
    schema: 1,
    name: 'Wrong',
    version: '1.0.0',
    operations: [{ name: 'a', x: 1 }],
  };
  writeFileSync(join(wrong, 'plugin.json'), JSON.stringify(manifest));
  const cases: [string[], ...string[]][] = [
    [['plugin', 'push'], 'Give either', 'portarium plugin push --help'],
    [['plugin', 'push', '--nonsense'], 'portarium plugin push --help'],
    [['plugin', 'push', '--manifest', 'none.json', '--module', 'x'], 'none.json', 'no such file'],
    [['plugin', 'build', '/nope'], 'There is no folder /nope'],
    [['plugin', 'build', root], 'plugin.json can not be read: there is no such file'],
    [['plugin', 'build', broken], 'is not usable JSON'],
    [['plugin', 'build', wrong], '/name', '/operations/0/effect', '/operations/0/x'],
    [['plugin', 'grant', 'p'], '--own'],
    [['plugin', 'grant', 'p', '--network', 'everything'], 'loopback'],
    [['plugin', 'grant', 'p', '--rules', join(wrong, 'plugin.json')], 'not what it must be'],
    [['action', 'list', '--url', 'http://127.0.0.1:1'], '--key'],
    [['action', 'list', '--url', 'nonsense', '--key', 'k', '--workspace', 'w'], 'no address'],
    [['action', 'run', 'p', 'o', '--input', '@none.json'], 'none.json'],
    [['action', 'run', 'p', 'o', '--input', `@${root}`], 'it is a folder'],
    [['action', 'run', 'p', 'o', '--input', '{"a":1,"a":2}'], 'duplicate key "a"'],
    [['action', 'run', 'p', 'o', '--replaces', 'act_1'], 'act_ and the 32'],
    [['action', 'get', 'act_1'], 'act_ and the 32', 'portarium action get --help'],
    [['action', 'journal', 'x'], 'act_ and the 32'],
    [['key', 'revoke', 'x'], 'key_ and the 32'],
    [['action', 'resolve', 'act_1', '--outcome', 'maybe'], 'succeeded, failed, dispatched'],
    [['action', 'resolve', 'act_1', '--outcome', 'failed'], '--rationale'],
    [['approve', 'nonsense'], 'apr_'],
    [['approve', '--yes', '--rationale', 'x'], 'Name what to decide'],
    [['approve', APPROVAL, '--rationale', 'x'], '--yes'],
    [['approve', APPROVAL, '--deny'], '--yes'],
    [['approve', APPROVAL, '--yes'], '--rationale'],
    [['approve', APPROVAL, '--yes', '--rationale', ' '], '--rationale'],
    [['approve', APPROVAL, '--yes', '--rationale', 'x'.repeat(2_001)], '2000'],
    [['approve', APPROVAL, '--deny', '--request-changes'], '--request-changes'],
    [['approval-rules', '--quorum', '0'], 'from 1 to 10'],
    [['approval-rules', '--decide-within', 'soon'], '24h'],
    [['limits', '--set', 'wallMs=0'], 'from 1 to 900000'],
    [['limits', '--set', 'wallS=1'], 'wallMs, cpuMs'],
    [['limits', '--unset', 'constructor'], 'wallMs, cpuMs'],
    [['credential', 'create', 'x'], '--host', 'portarium credential create --help'],
    [['credential', 'create', 'x', '--host', 'h', '--kind', 'digest'], 'bearer, basic, header'],
    [
      ['credential', 'create', 'x', '--host', 'h', '--kind', 'basic'],
      '--kind basic needs --username',
    ],
    [
      ['credential', 'create', 'x', '--host', 'h', '--header', 'x-key'],
      'not go with --kind bearer',
    ],
    [
      ['credential', 'create', 'x', '--host', 'h', '--kind', 'header', '--header', 'Cookie'],
      'belongs to the connection',
    ],
    [['key', 'create'], '--name', 'portarium key create --help'],
    [['evidence', 'export', '-o', join(broken, 'plugin.json')], '--force'],
    [['evidence', 'export', '-o', join(root, 'no', 'x.tar')], 'Create it first'],
    [['evidence', 'verify', 'none.tar'], 'there is no such file'],
    [['evidence', 'verify', root], 'it is a folder'],
    [['replay', join(wrong, 'plugin.json'), '--pin', 'x'], 'no verifier key', 'evidence key'],
  ];
  for (const [args, ...said] of cases) {
    const { code, output } = await portarium(...args);
    expect([args, code]).toEqual([args, 2]);
    for (const text of said) expect(output).toContain(text);
    expect(output).not.toMatch(/ENOENT|EISDIR|ENOTDIR/);
  }
  expect(readFileSync(join(broken, 'plugin.json'), 'utf8')).toBe('{');
});

test('help says which options are required', async () => {
  const { output } = await portarium('key', 'create', '--help');
  expect(output).toContain('what the key is for (required)');
  expect(output).not.toContain('never by default (required)');
});
