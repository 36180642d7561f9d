import { afterAll, beforeAll, expect, test } from 'bun:test';
import { canonicalText, type JsonValue } from '@portarium/contracts/canonical-json';
import { digestOf } from '@portarium/contracts/digest';
import { ManifestSchema } from '@portarium/contracts/manifest';
import { signPlugin } from '@portarium/contracts/plugin-signature';
import { verifierKey } from '@portarium/contracts/signed-note';
import { type TestKey, testKey } from '@portarium/contracts/testing/test-key';
import { verifyBundle } from '@portarium/contracts/verify-bundle';
import * as v from 'valibot';
import { startTestInstance, type TestInstance } from '../testing/test-instance.ts';
import { ECHO_MODULE } from '../testing/upload-form.ts';
import { verifyLog } from '../testing/verify-log.ts';
import { type Answer, send } from '../testing/writes.ts';

let instance: TestInstance;
beforeAll(async () => {
  instance = await startTestInstance();
  await instance.call('POST', '/v1/workspaces', {
    role: 'admin',
    json: { id: 'other', name: 'O' },
  });
}, 60_000);
afterAll(async () => {
  await instance?.[Symbol.asyncDispose]();
});

const manifestOf = ({ name, version, more = [] }: Made) => ({
  ...{ schema: 1, name, version },
  operations: ['echo', ...more].map((one) => ({ name: one, export: 'echo', effect: 'read' })),
});
/** The same module, with a custom section that makes its digest another. */
const moduleOf = (text: string) =>
  new Uint8Array([...ECHO_MODULE, 0, text.length + 1, text.length, ...Buffer.from(text)]);

interface Made {
  readonly name: string;
  readonly version: string;
  readonly module: Uint8Array;
  /** Further operations. */
  readonly more?: readonly string[];
}
async function sign(one: Made, key: TestKey, publisher = key.name): Promise<string> {
  const { name, version, module } = one;
  const manifest = v.parse(ManifestSchema, manifestOf(one)) as unknown as JsonValue;
  const manifestDigest = await digestOf(new TextEncoder().encode(canonicalText(manifest)));
  const plugin = { name, version, digest: await digestOf(module), manifestDigest };
  return signPlugin(plugin, publisher, key.privateKey, key.publicKey);
}

interface Pushed {
  readonly state?: string;
  readonly code?: string;
  readonly detail?: string;
  readonly signature?: { readonly publisher: string };
}
async function push(one: Made, signature?: string, workspace = 'local'): Promise<Answer<Pushed>> {
  const form = new FormData();
  const manifest = JSON.stringify(manifestOf(one));
  form.set('manifest', new Blob([manifest], { type: 'application/json' }));
  form.set('module', new Blob([one.module as Uint8Array<ArrayBuffer>]), 'module.wasm');
  if (signature !== undefined) form.set('signature', signature);
  const role = workspace === 'local' ? 'author' : 'admin';
  const path = `/v1/workspaces/${workspace}/plugins`;
  const answer = await instance.call('POST', path, { role, body: form });
  return { status: answer.status, body: (await answer.json()) as Pushed };
}

const acme = await testKey('acme');
const mallory = await testKey('mallory');
let names = 0;
const made = (version = '1.0.0', name = `signed-${names++}`): Made => ({
  ...{ name, version, module: moduleOf(`${name} ${version}`) },
});

const trust = (key: string, role = 'admin') =>
  send<{ fingerprint: string; code?: string }>(instance, role, 'POST', '/publishers', {
    verifierKey: key,
  });
const revoke = (fingerprint: string, versions: string, role = 'admin') =>
  send(instance, role, 'POST', `/publishers/${fingerprint}/revocation`, {
    ...{ versions, rationale: 'lost' },
  });
async function demand(signature: 'optional' | 'required'): Promise<void> {
  const rules = { signature, quarantineAfter: 5, crashWindowMs: 600_000 };
  expect((await send(instance, 'admin', 'PUT', '/plugin-rules', rules)).status).toBe(200);
}
async function entries(type: string): Promise<Record<string, unknown>[]> {
  const { body } = await send<{ items: { entry: { type: string; data: never } }[] }>(
    ...([instance, 'auditor', 'GET', '/evidence?limit=200'] as const),
  );
  return body.items.flatMap(({ entry }) => (entry.type === type ? [entry.data] : []));
}

test('a signature of a trusted publisher stands with the version and in its evidence; without one it is taken too', async () => {
  expect((await trust(acme.verifierKey, 'operator')).status).toBe(403);
  const trusted = await trust(acme.verifierKey);
  expect([trusted.status, trusted.body.fingerprint]).toEqual([201, await digestOf(acme.publicKey)]);
  const one = made();
  const note = await sign(one, acme);
  const pushed = await push(one, note);
  expect([pushed.status, pushed.body.signature]).toEqual([
    201,
    expect.objectContaining({ publisher: 'acme', note }) as never,
  ]);
  expect((await entries('plugin.admitted')).at(-1)).toMatchObject({
    name: one.name,
    signature: { publisher: 'acme', verifierKey: acme.verifierKey, note },
  });
  expect((await entries('publisher.trusted')).at(-1)).toMatchObject({
    ...{ publisher: 'acme', by: 'bootstrap-admin' },
  });
  expect((await push(made())).status).toBe(201);
});

test('a workspace that asks for signatures takes nothing else, and says so in its evidence', async () => {
  await trust(acme.verifierKey);
  await demand('required');
  const one = made();
  const refused = await push(one);
  expect([refused.status, refused.body.code]).toEqual([422, 'plugin.signature-required']);
  expect((await entries('plugin.rejected')).at(-1)).toEqual({
    ...{ name: one.name, version: '1.0.0', rules: ['signature.required'] },
  });
  const path = `/plugins/${one.name}/versions`;
  expect((await send(instance, 'author', 'GET', path)).status).toBe(404);
  expect((await push(one, await sign(one, acme))).status).toBe(201);
  await demand('optional');
});

test('a signature of something else, of a stranger, or of another workspace’s publisher is refused', async () => {
  const one = made();
  const next = made('1.1.0', one.name);
  const older = made('0.9.0', one.name);
  const note = await sign(one, acme);
  const cases: [string, Made, string][] = [
    ['signature.mismatch', { ...one, module: moduleOf('other bytes') }, note],
    // A version with a hole, replayed as a new one: the signature is of the old.
    ['signature.mismatch', { ...older, version: '2.0.0' }, await sign(older, acme)],
    ['signature.mismatch', next, note],
    ['signature.mismatch', made(), note],
    ['signature.unknown-key', one, await sign(one, mallory)],
    ['signature.unknown-key', one, await sign(one, mallory, 'acme')],
    [
      'signature.bad',
      one,
      note.replace(
        /— acme ([\w+/]{10})./,
        (all) => `${all.slice(0, -1)}${all.endsWith('A') ? 'B' : 'A'}`,
      ),
    ],
    ['signature.malformed', one, `${note}${note.split('\n\n')[1]}`],
    ['signature.malformed', one, 'no signature'],
    ['signature.malformed', one, ''],
  ];
  for (const [rule, upload, signature] of cases) {
    const refused = await push(upload, signature);
    expect([rule, refused.status, refused.body.code]).toEqual([
      ...[rule, 422, 'plugin.signature-refused'],
    ] as never);
    expect((await entries('plugin.rejected')).at(-1)).toMatchObject({ rules: [rule] });
    const unknown = rule === 'signature.unknown-key';
    expect(String(refused.body.detail).includes('no key that this workspace trusts')).toBe(unknown);
  }
  // Trust is each workspace's own.
  expect((await push(one, note, 'other')).body.code).toBe('plugin.signature-refused');
  expect((await push(one, note)).status).toBe(201);
  // An older version, signed well and brought back, is taken and does not run by that.
  expect((await push(older, await sign(older, acme))).status).toBe(201);
  const { body } = await send(instance, 'author', 'GET', `/plugins/${one.name}/versions`);
  expect(body.current).toBe('1.0.0');
});

test('a key is trusted once under one name, if only its owner can sign with it', async () => {
  const wrong = [
    await verifierKey('acme', new Uint8Array(32)),
    await verifierKey('test/log', mallory.publicKey),
    acme.verifierKey.slice(0, -4),
    'acme',
  ];
  for (const key of wrong) expect((await trust(key)).status).toBe(422);
  expect((await trust(acme.verifierKey)).status).toBe(409);
  expect((await trust(await verifierKey('alias', acme.publicKey))).status).toBe(409);
});

test('a revoked key signs nothing any more; the versions that it signed are kept, or quarantined, as asked', async () => {
  const [kept, stopped] = await Promise.all([testKey('kept'), testKey('stopped')]);
  for (const [key, versions, state] of [
    [kept, 'keep', 'active'],
    [stopped, 'quarantine', 'quarantined'],
  ] as const) {
    const { fingerprint } = (await trust(key.verifierKey)).body;
    const one = made();
    expect((await push(one, await sign(one, key))).status).toBe(201);
    expect((await revoke(fingerprint, versions, 'operator')).status).toBe(403);
    expect((await revoke(fingerprint, versions)).status).toBe(200);
    expect((await revoke(fingerprint, versions)).status).toBe(404);
    const next = made('1.1.0', one.name);
    const late = await push(next, await sign(next, key));
    expect([late.status, late.body.code]).toEqual([422, 'plugin.signature-refused']);
    expect((await entries('plugin.rejected')).at(-1)).toMatchObject({
      rules: ['signature.revoked'],
    });
    expect((await trust(key.verifierKey)).status).toBe(409);
    const path = `/plugins/${one.name}/versions/1.0.0`;
    expect((await send(instance, 'author', 'GET', path)).body).toMatchObject({ state });
  }
  expect((await entries('plugin.quarantined')).at(-1)).toMatchObject({
    ...{ cause: 'publisher-revoked', by: 'bootstrap-admin', rationale: 'lost' },
  });
});

test('a version that waits for people when its key is revoked is agreed to by nobody, and can be denied', async () => {
  const key = await testKey('waiter');
  const { fingerprint } = (await trust(key.verifierKey)).body;
  const one = made();
  expect((await push(one, await sign(one, key))).status).toBe(201);
  const grown = { ...made('1.1.0', one.name), more: ['other'] };
  expect((await push(grown, await sign(grown, key))).body.state).toBe('pending-approval');
  expect((await revoke(fingerprint, 'quarantine')).status).toBe(200);
  const path = `/plugins/${one.name}/versions/1.1.0`;
  interface Shown {
    readonly state: string;
    readonly approval: { readonly digest: string };
  }
  const { approval } = (await send<Shown>(instance, 'approver', 'GET', path)).body;
  const decide = (decision: string) =>
    send(instance, 'approver', 'POST', `${path}/decisions`, {
      ...{ decision, rationale: 'looked', digest: approval.digest },
    });
  const agreed = await decide('approve');
  expect([agreed.status, agreed.body.code]).toEqual([422, 'plugin.signature-refused']);
  expect((await decide('deny')).body.state).toBe('denied');
});

test('a key that is revoked while an upload is admitted either refuses it or finds it', async () => {
  const key = await testKey('racer');
  const { fingerprint } = (await trust(key.verifierKey)).body;
  const uploads = [made(), made(), made(), made()];
  const signed = await Promise.all(uploads.map((one) => sign(one, key)));
  const [answers] = await Promise.all([
    Promise.all(uploads.map((one, i) => push(one, signed[i]))),
    revoke(fingerprint, 'quarantine'),
  ]);
  for (const [i, { status }] of answers.entries()) {
    const path = `/plugins/${uploads[i]?.name}/versions/1.0.0`;
    const { body } = await send(instance, 'author', 'GET', path);
    expect(status === 201 ? body.state : body.code).toBe(
      status === 201 ? 'quarantined' : 'not-found',
    );
  }
});

test('the verifier checks each signature on record offline, and whether a publisher signed everything', async () => {
  const report = await verifyLog(instance);
  expect([report.verdict, report.findings]).toEqual(['verified', []]);
  expect(report.signedVersions).toBeGreaterThan(3);
  const read = (path: string) =>
    instance.call('GET', `/v1/workspaces/local/evidence/${path}`, { role: 'auditor' });
  const bundle = new Uint8Array(await (await read('export')).arrayBuffer());
  const [pin = ''] = (await (await read('vkeys')).text()).split('\n');
  const strict = await verifyBundle(bundle, { pin, publishers: [acme.verifierKey] });
  expect(strict.verdict).toBe('incomplete');
  const told = strict.findings.map(({ message }) => message.replace(/^\S+ /, ''));
  expect(new Set(told)).toEqual(
    new Set(['bears no signature', 'is signed by another publisher’s key']),
  );
  const bad = await verifyBundle(bundle, { pin, publishers: ['acme'] });
  expect(bad.findings[0]?.rule).toBe('publisher.malformed');
});
