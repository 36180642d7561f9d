import { beforeAll, expect, test } from 'bun:test';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { REPOSITORY_ROOT } from '@portarium/local/repository';
import type { RunningStack } from '@portarium/local/start-stack';
import { sharedStack } from '@portarium/local/testing/shared-services';

let stack: RunningStack;
const folder = mkdtempSync(join(tmpdir(), 'portarium-cli-'));
beforeAll(async () => {
  stack = await sharedStack();
}, 120_000);

/** The CLI as a person runs it, with the key of a role. */
function cli(
  role: keyof RunningStack['keys'],
  ...args: string[]
): { code: number; out: string; err: string } {
  const ran = spawnSync(
    process.execPath,
    ['run', join(REPOSITORY_ROOT, 'cli/src/main.ts'), ...args],
    {
      cwd: folder,
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'pipe'],
      env: {
        ...process.env,
        PORTARIUM_URL: stack.url,
        PORTARIUM_KEY: stack.keys[role],
        PORTARIUM_WORKSPACE: stack.workspace,
      },
    },
  );
  return { code: ran.status ?? -1, out: ran.stdout, err: ran.stderr };
}

const csv = join(REPOSITORY_ROOT, 'plugins/examples/csv-insights');

test('a plugin is built, pushed and run from the command line, and its evidence verifies offline', () => {
  const built = cli('author', 'plugin', 'build', csv, '--json');
  expect([built.code, built.err]).toEqual([0, expect.any(String)] as never);
  expect(cli('author', 'plugin', 'push', csv, '--json').code).toBe(0);
  const input = join(folder, 'input.json');
  writeFileSync(input, JSON.stringify({ csv: 'a,b\n1,2\n3,4\n' }));
  const run = cli(
    'agent',
    'action',
    'run',
    'csv-insights',
    'summarise',
    '--input',
    `@${input}`,
    '--json',
  );
  expect([run.code, run.err]).toEqual([0, '']);
  const action = JSON.parse(run.out) as { id: string; state: string; output: { rows: number } };
  expect([action.state, action.output.rows]).toEqual(['succeeded', 2]);
  expect(JSON.parse(cli('operator', 'action', 'get', action.id, '--json').out)).toMatchObject({
    id: action.id,
  });
  expect(cli('operator', 'action', 'list').out).toContain(action.id);
  const tail = cli('auditor', 'action', 'tail', action.id, '--json');
  const types = tail.out
    .trimEnd()
    .split('\n')
    .map((line) => (JSON.parse(line) as { type?: string }).type ?? '');
  expect(types).toContain('action.succeeded');

  const pin =
    spawnSync(
      'curl',
      [
        '-s',
        '-H',
        `authorization: Bearer ${stack.keys.auditor}`,
        `${stack.url}/v1/workspaces/${stack.workspace}/evidence/vkeys`,
      ],
      { encoding: 'utf8' },
    ).stdout.split('\n')[0] ?? '';
  for (const only of [[], ['--action', action.id]]) {
    const bundle = join(folder, `evidence${only.length}.tar`);
    expect(cli('auditor', 'evidence', 'export', '-o', bundle, ...only).code).toBe(0);
    expect(cli('auditor', 'evidence', 'verify', bundle).code).toBe(3);
    expect(cli('auditor', 'evidence', 'verify', bundle, '--pin', pin).code).toBe(0);
    const bytes = readFileSync(bundle);
    const at = bytes.indexOf('"type":"action.requested"') + 9;
    bytes.writeUInt8(bytes.readUInt8(at) ^ 1, at);
    writeFileSync(bundle, bytes);
    expect(cli('auditor', 'evidence', 'verify', bundle, '--pin', pin).code).toBe(1);
  }
}, 120_000);

test('keys are created, shown once, listed without their secret, and revoked', () => {
  const created = cli(
    'admin',
    'key',
    'create',
    '--name',
    'ci',
    '--owner',
    'ada',
    '--role',
    'agent',
    '--json',
  );
  expect([created.code, created.err]).toEqual([0, expect.any(String)] as never);
  const { id, key } = JSON.parse(created.out) as { id: string; key: string };
  expect(key).toStartWith('ptk_key_');
  const listed = cli('admin', 'key', 'list', '--json').out;
  expect(listed).toContain(id);
  expect(listed).not.toContain(key.slice(-64));
  expect(cli('admin', 'key', 'revoke', id).code).toBe(0);
}, 60_000);

test('what the Control Plane refuses ends with code 1 and its sentence; a usage error with code 2', () => {
  const unknown = cli('agent', 'action', 'run', 'nobody', 'none', '--input', '{}');
  expect(unknown.code).toBe(1);
  expect(unknown.err).toContain('no plugin nobody');
  expect(cli('auditor', 'plugin', 'push', csv).code).toBe(1);
  expect(cli('agent', 'action', 'run', 'csv-insights', 'summarise', '--input', '{').code).toBe(2);
}, 60_000);

test('the log of the instance is exported from the command line and verifies offline', () => {
  const instance = ['--workspace', '_instance'];
  const [pin] = JSON.parse(cli('admin', 'evidence', 'key', '--json', ...instance).out).verifierKeys;
  const bundle = join(folder, 'instance.tar');
  expect(cli('admin', 'evidence', 'export', '-o', bundle, ...instance).code).toBe(0);
  const verified = cli('admin', 'evidence', 'verify', bundle, '--pin', pin);
  expect([verified.code, verified.out]).toEqual([0, expect.stringMatching(/^VERIFIED/)] as never);
  const text = readFileSync(bundle, 'utf8');
  for (const type of ['migration.applied', 'instance.bootstrapped', 'workspace.created']) {
    expect(text).toContain(`"type":"${type}"`);
  }
});
