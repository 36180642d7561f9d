import { afterAll, beforeAll, expect, setDefaultTimeout, test } from 'bun:test';
import { execFile, execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { REPOSITORY_ROOT } from '@portarium/local/repository';
import type { RunningStack } from '@portarium/local/start-stack';
import { sharedStack } from '@portarium/local/testing/shared-services';

setDefaultTimeout(60_000);
let stack: RunningStack;
const workspace = 'versions';
const folder = mkdtempSync(join(tmpdir(), 'portarium-versions-'));
beforeAll(async () => {
  stack = await sharedStack();
  await fetch(`${stack.url}/v1/workspaces`, {
    method: 'POST',
    headers: { authorization: `Bearer ${stack.keys.admin}`, 'content-type': 'application/json' },
    body: JSON.stringify({ id: workspace, name: 'Versions' }),
  });
}, 120_000);
afterAll(() => {
  rmSync(folder, { recursive: true, force: true });
});

/** The CLI as a person runs it. */
function cli(...args: string[]) {
  const env = {
    ...process.env,
    ...{ PORTARIUM_URL: stack.url, PORTARIUM_KEY: stack.keys.admin },
    PORTARIUM_WORKSPACE: workspace,
  };
  const command = ['run', join(REPOSITORY_ROOT, 'cli/src/main.ts'), ...args];
  return new Promise<{ code: number; out: string; err: string }>((resolve) => {
    execFile(process.execPath, command, { cwd: folder, env }, (error, out, err) =>
      resolve({ code: error === null ? 0 : Number(error.code), out, err }),
    );
  });
}

/** `(module (func (export "echo") (result i32) i32.const 0))` */
const MODULE = Buffer.from(
  '0061736d010000000105016000017f03020100070801046563686f00000a0601040041000b',
  'hex',
);
function write(version: string): void {
  const operations = [{ name: 'echo', export: 'echo', effect: 'read' }];
  const manifest = { schema: 1, name: 'signed', version, operations };
  writeFileSync(join(folder, 'plugin.json'), JSON.stringify(manifest));
  writeFileSync(join(folder, 'plugin.wasm'), MODULE);
}
const PARTS = ['--manifest', 'plugin.json', '--module', 'plugin.wasm'];
const push = (...more: string[]) => cli('plugin', 'push', ...PARTS, ...more);

test('a publisher makes a key and signs; what a workspace demands is pushed, shown and verified', async () => {
  write('1.0.0');
  const made = await cli('plugin', 'keygen', '--publisher', 'acme', '-o', 'acme.pem');
  expect([made.code, made.out]).toEqual([
    0,
    expect.stringMatching(/^acme\+[0-9a-f]{8}\+/) as never,
  ]);
  expect(statSync(join(folder, 'acme.pem')).mode & 0o777).toBe(0o600);
  expect((await cli('plugin', 'keygen', '--publisher', 'acme', '-o', 'acme.pem')).code).toBe(2);
  const key = made.out.trim();
  expect((await cli('publisher', 'trust', key)).code).toBe(0);
  expect((await cli('plugin-rules', '--signature', 'required')).out).toContain('required');
  const unsigned = await push();
  expect([unsigned.code, unsigned.err]).toEqual([
    2,
    expect.stringContaining('plugin.signature-required') as never,
  ]);
  const sign = ['plugin', 'sign', ...PARTS, '--publisher', 'acme', '--key'];
  expect((await cli(...sign, 'plugin.json')).err).toContain('holds no Ed25519 private key');
  expect((await cli(...sign, 'acme.pem', '-o', 'one.sig')).code).toBe(0);
  expect((await push('--signature', 'one.sig')).code).toBe(0);
  write('1.1.0');
  expect((await push('--signature', 'one.sig')).err).toContain('version 1.0.0');
  expect((await cli('plugin', 'versions', 'signed')).out).toMatch(/1\.0\.0 +100 % +active +acme/);
  const bundle = ['evidence', 'verify', 'log.tar', '--publisher'];
  expect((await cli('evidence', 'export', '-o', 'log.tar')).code).toBe(0);
  const pin = (await cli('evidence', 'key')).out.split('\n')[0] ?? '';
  const verified = await cli(...bundle, key, '--pin', pin);
  expect([verified.code, verified.out]).toEqual([
    0,
    expect.stringContaining('1 uploads with a publisher’s signature') as never,
  ]);
  expect((await cli(...bundle, key.replace('acme', 'other'), '--pin', pin)).code).toBe(2);
});

test.skipIf(Bun.which('openssl') === null)(
  'a key that OpenSSL made signs as well, and is trusted from its PEM',
  async () => {
    execFileSync('openssl', ['genpkey', '-algorithm', 'ed25519', '-out', 'ossl.pem'], {
      cwd: folder,
    });
    execFileSync('openssl', ['pkey', '-in', 'ossl.pem', '-pubout', '-out', 'ossl.pub'], {
      cwd: folder,
    });
    write('1.1.0');
    const secret = await cli('publisher', 'trust', '--pem', 'ossl.pem', '--name', 'widgets');
    expect([secret.code, secret.err]).toEqual([
      2,
      expect.stringContaining('only its publisher should have') as never,
    ]);
    const trusted = await cli(
      'publisher',
      'trust',
      '--pem',
      'ossl.pub',
      '--name',
      'widgets',
      '--json',
    );
    expect(trusted.code).toBe(0);
    const sign = ['plugin', 'sign', ...PARTS, '--publisher', 'widgets', '--key', 'ossl.pem'];
    expect((await cli(...sign)).code).toBe(0);
    const pushed = await push('--signature', 'plugin.sig', '--json');
    expect(JSON.parse(pushed.out).signature).toMatchObject({
      ...{ publisher: 'widgets', note: readFileSync(join(folder, 'plugin.sig'), 'utf8') },
    });
    const { fingerprint } = JSON.parse(trusted.out) as { fingerprint: string };
    const fate = ['--versions', 'quarantine', '--rationale', 'a stolen laptop'];
    expect((await cli('publisher', 'revoke', fingerprint, ...fate)).out).toContain('revoked');
    expect((await cli('publisher', 'list')).out).toMatch(/widgets .* by /);
    const { out } = await cli('plugin', 'versions', 'signed');
    expect(out).toMatch(/\* +1\.0\.0 +100 %/);
    expect(out).toContain('the key that signed it was revoked');
    expect(out).toContain('a stolen laptop');
  },
);

test('a version is rolled out by weight, quarantined, let go, and rolled back', async () => {
  await cli('plugin-rules', '--signature', 'optional');
  write('1.2.0');
  await push();
  const why = ['--rationale', 'a try'];
  const rolled = await cli('plugin', 'rollout', 'signed', '1.0.0=90', '1.2.0=10', ...why);
  expect(rolled.out).toMatch(/\* +1\.0\.0 +90 %/);
  expect(rolled.out).toMatch(/1\.2\.0 +10 %/);
  write('1.3.0');
  expect((await push()).err).toContain('go on with the versions that have weights');
  for (const wrong of [['1.0.0'], ['1.0.0=1', '1.0.0=2'], ['1.0.0=0'], []]) {
    expect((await cli('plugin', 'rollout', 'signed', ...wrong, ...why)).code).toBe(2);
  }
  const stopped = await cli('plugin', 'quarantine', 'signed', '1.0.0', ...why);
  expect(stopped.out).toContain('1.0.0  quarantined');
  const { out } = await cli('plugin', 'versions', 'signed');
  expect(out).toMatch(/\* +1\.2\.0 +100 %/);
  expect(out).toContain('1.0.0 is quarantined since');
  const back = await cli('plugin', 'rollback', 'signed', '1.2.0', ...why);
  expect(back.out).toMatch(/\* +1\.2\.0 +100 %/);
  const lifted = await cli('plugin', 'quarantine', 'signed', '1.0.0', '--lift', ...why);
  expect([lifted.code, lifted.err]).toEqual([
    1,
    expect.stringContaining('approval.excluded') as never,
  ]);
});
