import { afterAll, beforeAll, expect, test } from 'bun:test';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { OperatorRule } from '@portarium/contracts/egress-rule';
import { certificateProblems } from '../application/ca-certificates.ts';
import { claimed } from '../testing/as-host.ts';
import { LEDGER_RULES, pushLedger, storeSecret } from '../testing/ledger-plugin.ts';
import { startTestInstance, type TestInstance } from '../testing/test-instance.ts';
import { ECHO_MODULE } from '../testing/upload-form.ts';
import { ask, decide, look, send } from '../testing/writes.ts';

const folder = mkdtempSync(join(tmpdir(), 'portarium-certificates-'));
const file = (name: string) => join(folder, name);
const pem = (name: string) => readFileSync(file(`${name}.pem`), 'utf8');
const openssl = (...args: string[]) => execFileSync('openssl', args, { stdio: 'ignore' });
const NEW_KEY = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];

/** A certificate signed by `root`, for a server or for another authority. */
function sign(name: string, extensions: string): void {
  const [key, request] = [file(`${name}.key`), file(`${name}.csr`)];
  openssl('req', ...NEW_KEY, '-keyout', key, '-out', request, '-subj', `/CN=${name}`);
  writeFileSync(file('extensions'), extensions);
  openssl(
    ...['x509', '-req', '-in', request, '-CA', file('root.pem'), '-CAkey', file('root.key')],
    ...['-CAcreateserial', '-days', '2', '-extfile', file('extensions')],
    ...['-out', file(`${name}.pem`)],
  );
}

let instance: TestInstance;
beforeAll(async () => {
  openssl(
    ...['req', '-x509', ...NEW_KEY, '-keyout', file('root.key'), '-out', file('root.pem')],
    ...['-days', '2', '-subj', '/CN=root/O=Example'],
  );
  sign('server', 'subjectAltName=DNS:ledger.example.com');
  sign('middle', 'basicConstraints=critical,CA:TRUE');
  instance = await startTestInstance();
  await storeSecret(instance);
  await pushLedger(instance);
}, 60_000);
afterAll(async () => {
  await instance?.[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true });
});

const trusting = (caCertificates: readonly string[], change: Partial<OperatorRule> = {}) =>
  LEDGER_RULES.map((rule) =>
    rule.id === 'unkeyed' ? { ...rule, caCertificates: [...caCertificates], ...change } : rule,
  );
const grant = (rules: readonly object[]) =>
  send<{ errors?: { pointer: string; message: string }[]; changed?: object }>(
    ...([instance, 'operator', 'PUT', '/plugins/ledger/egress'] as const),
    { rules, networks: [] },
  );
/** What is told of a grant that is refused for its certificates. */
async function told(caCertificates: readonly string[], change: Partial<OperatorRule> = {}) {
  const { status, body } = await grant(trusting(caCertificates, change));
  return [status, ...(body.errors ?? []).map(({ pointer, message }) => `${pointer} ${message}`)];
}

test('an operator’s rule carries the authorities of its hosts to the sandbox host, and no other rule', async () => {
  const granted = await grant(trusting([pem('root')]));
  expect([granted.status, granted.body.changed]).toEqual([
    200,
    { added: [], removed: [], altered: ['unkeyed'] },
  ]);
  const action = await ask(instance);
  await decide(instance, action);
  const { contract } = await claimed(instance, action.id);
  expect(contract.operator.map(({ id, caCertificates }) => [id, caCertificates])).toEqual([
    ['look', undefined],
    ['keyed', undefined],
    ['unkeyed', [pem('root')]],
    ['elsewhere', undefined],
  ]);
  expect(contract.plugin.some((rule) => 'caCertificates' in rule)).toBe(false);
});

test('another authority is another contract: an approval of before is void', async () => {
  await grant(trusting([pem('root')]));
  const action = await ask(instance);
  await grant(trusting([pem('root'), pem('middle')]));
  expect((await decide(instance, action)).body.code).toBe('approval.stale');
  expect((await look(instance, action.id)).state).toBe('cancelled');
});

test('certificates that can check no server are refused with what to give instead', async () => {
  const broken = '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n';
  const at = '/rules/2/caCertificates';
  expect(await told([pem('root'), broken])).toEqual([
    422,
    `${at}/1 this is no X.509 certificate; expected PEM of one`,
  ]);
  expect(await told([pem('server'), pem('root')])).toEqual([
    422,
    `${at}/0 CN=server is no authority (CA:TRUE); expected the one that signed the server’s certificate`,
  ]);
  expect(await told([pem('middle')])).toEqual([
    422,
    `${at}/0 what signed CN=middle is not among them; add it, up to the root`,
  ]);
  expect(await told([pem('middle'), pem('root')])).toEqual([200]);
  const { context } = instance.composed;
  const later = { ...context, clock: { nowMs: () => Date.now() + 3 * 86_400_000 } };
  const [problem] = certificateProblems(later, trusting([pem('root')]));
  expect(problem).toMatchObject({
    pointer: `${at}/0`,
    message: expect.stringContaining('has ended at'),
  });
});

test('what is no list of certificates, too long, or on a rule without TLS is refused', async () => {
  const [first] = await told([]);
  expect(first).toBe(422);
  for (const text of ['nonsense', `${pem('root')}${pem('root')}`, pem('root').replace('\n', ' ')]) {
    expect((await told([text]))[1]).toContain('expected one certificate in PEM');
  }
  expect((await told(Array(9).fill(pem('root'))))[0]).toBe(422);
  const lines = `${'A'.repeat(64)}\n`.repeat(1_000);
  const long = `-----BEGIN CERTIFICATE-----\n${lines}-----END CERTIFICATE-----\n`;
  expect((await told([long, long]))[1]).toContain('expected at most 65536 characters');
  expect((await told([pem('root')], { scheme: 'http' }))[1]).toContain('scheme https');
});

test('a plugin does not say who its hosts are to be believed by', async () => {
  const form = new FormData();
  const manifest = {
    ...{ schema: 1, name: 'believer', version: '1.0.0', egress: trusting([pem('root')]) },
    operations: [{ name: 'write', export: 'echo', effect: 'write' }],
    credentials: [{ slot: 'ledger', kind: 'bearer', host: 'ledger.example.com' }],
  };
  form.set('manifest', new Blob([JSON.stringify(manifest)], { type: 'application/json' }));
  form.set('module', new Blob([new Uint8Array(ECHO_MODULE)], { type: 'application/wasm' }), 'm');
  const path = '/v1/workspaces/local/plugins';
  const pushed = await instance.call('POST', path, { role: 'author', body: form });
  const { errors } = (await pushed.json()) as { errors: { pointer: string; message: string }[] };
  expect([pushed.status, errors]).toEqual([
    422,
    [
      {
        pointer: '/manifest/egress/2/caCertificates',
        message: 'this field is not known here',
      },
    ],
  ] as never);
});
