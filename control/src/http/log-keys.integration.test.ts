import { afterAll, beforeAll, expect, test } from 'bun:test';
import { mkdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { INSTANCE_WORKSPACE, type WorkspaceId } from '@portarium/contracts/ids';
import { openNote } from '@portarium/contracts/signed-note';
import { verifyBundle } from '@portarium/contracts/verify-bundle';
import { resumeRotation } from '../application/rotate-log-key.ts';
import { openLogSigner } from '../infrastructure/identity/log-signer.ts';
import { readMasterKeys } from '../infrastructure/vault/master-keys.ts';
import { openSealedVault } from '../infrastructure/vault/sealed-vault.ts';
import { fillLog } from '../testing/fill-log.ts';
import { startTestInstance, type TestInstance } from '../testing/test-instance.ts';

const LOCAL = 'local' as WorkspaceId;
const QUIET = 'quiet' as WorkspaceId;

let instance: TestInstance;
beforeAll(async () => {
  instance = await startTestInstance();
  const json = { id: QUIET, name: QUIET };
  await instance.call('POST', '/v1/workspaces', { role: 'admin', json });
}, 60_000);
afterAll(() => instance[Symbol.asyncDispose](), 30_000);

interface Key {
  readonly id: string;
  readonly verifierKey: string;
  readonly state: string;
  readonly validFrom?: string;
  readonly validUntil?: string;
}

const get = (path: string, workspace: string = LOCAL) =>
  instance.call('GET', `/v1/workspaces/${workspace}/evidence/${path}`, { role: 'admin' });
const keys = async () => ((await (await get('keys')).json()) as { items: Key[] }).items;
const checkpoint = async (workspace: string) => (await get('log/checkpoint', workspace)).text();
const exported = async (query = '') =>
  new Uint8Array(await (await get(`export${query}`)).arrayBuffer());
const rotate = (key?: string) =>
  instance.call('POST', '/v1/evidence/keys', {
    ...(key === undefined ? { role: 'admin' } : { key }),
    json: { rationale: 'once a year' },
  });

/** What the vault's file says once opened anew: nothing of this process's memory. */
async function vaultSigner() {
  const { PORTARIUM_VAULT_DIR, PORTARIUM_MASTER_KEY_FILE: file } = instance.configuration;
  const vault = await openSealedVault(PORTARIUM_VAULT_DIR, await readMasterKeys(undefined, file));
  return { vault, signer: await openLogSigner(vault, 'test') };
}

test('only an administrator of the instance rotates the key', async () => {
  const made = await instance.call('POST', `/v1/workspaces/${LOCAL}/keys`, {
    role: 'admin',
    json: { name: 'bound', owner: 'ada', role: 'admin' },
  });
  const { key } = (await made.json()) as { key: string };
  expect((await rotate(key)).status).toBe(403);
  const auditor = await instance.call('POST', '/v1/evidence/keys', {
    role: 'auditor',
    json: { rationale: 'x' },
  });
  expect(auditor.status).toBe(403);
  expect(await keys()).toHaveLength(1);
});

test('a rotation hands over: both keys sign each log once, then the old private key is gone, and an old pin still verifies', async () => {
  const [before] = await keys();
  if (!before) throw new Error('no key');
  const kept = await checkpoint(LOCAL);
  expect((await openNote(kept, [before.verifierKey])).ok).toBe(true);
  expect((await rotate()).status).toBe(200);
  const [current, old, ...more] = await keys();
  expect(more).toEqual([]);
  if (!current || !old) throw new Error('no new key');
  expect([current.state, old.state, old.verifierKey]).toEqual([
    'current',
    'retired',
    before.verifierKey,
  ]);
  expect(current.validFrom).toBe(old.validUntil ?? '');
  // The overlap: also of a log that nothing is written to.
  for (const workspace of [LOCAL, QUIET, '_instance']) {
    const note = await checkpoint(workspace);
    for (const key of [old, current]) {
      const opened = await openNote(note, [key.verifierKey]);
      expect([workspace, key.state, opened.ok]).toEqual([workspace, key.state, true]);
    }
  }
  // From the next entry on the new one signs alone.
  await fillLog(instance.composed.context, LOCAL, 3);
  const note = await checkpoint(LOCAL);
  expect((await openNote(note, [current.verifierKey])).ok).toBe(true);
  expect(await openNote(note, [old.verifierKey])).toMatchObject({ ok: false, reason: 'unsigned' });
  const bundle = await exported();
  for (const pin of [old.verifierKey, current.verifierKey]) {
    const report = await verifyBundle(bundle, { pin, since: kept });
    expect([report.verdict, report.findings]).toEqual(['verified', []]);
  }
  expect((await (await get('vkeys')).text()).split('\n')[0]).toBe(current.verifierKey);
  const { vault, signer } = await vaultSigner();
  expect(signer.keys().map(({ state }) => state)).toEqual(['current', 'retired']);
  const list = new TextDecoder().decode(await vault.getOwn('log-signing-keys'));
  const stored = (JSON.parse(list) as { keys: { d?: string }[] }).keys;
  expect(stored.map(({ d }) => d !== undefined)).toEqual([true, false]);
  expect(await vault.getOwn('log-signing-key')).toBeUndefined();
  const file = await readFile(
    join(instance.configuration.PORTARIUM_VAULT_DIR, 'vault.json'),
    'utf8',
  );
  expect(Object.keys(JSON.parse(file).entries)).not.toContain('log-signing-key');
}, 60_000);

test('the entry in the log of the instance holds what both keys signed over that log', async () => {
  const page = await instance.call('GET', '/v1/workspaces/_instance/evidence?limit=200', {
    role: 'admin',
  });
  const { items } = (await page.json()) as {
    items: {
      entry: {
        type: string;
        data: Key & { from: string; to: string; statement: string; by: string };
      };
    }[];
  };
  const entry = items.map((item) => item.entry).find(({ type }) => type === 'log-key.rotated');
  const [current, old] = await keys();
  expect(entry?.data).toMatchObject({
    from: old?.verifierKey ?? '',
    to: current?.verifierKey ?? '',
  });
  const opened = await openNote(entry?.data.statement ?? '', [
    old?.verifierKey ?? '',
    current?.verifierKey ?? '',
  ]);
  expect(opened.ok && opened.signedBy.length).toBe(2);
  expect(opened.ok && opened.text.split('\n').slice(0, 2)).toEqual([
    'portarium/key-rotation/v1',
    'test/_instance',
  ]);
  const own = new Uint8Array(await (await get('export', '_instance')).arrayBuffer());
  const report = await verifyBundle(own, { pin: old?.verifierKey });
  expect([report.verdict, report.findings]).toEqual(['verified', []]);
});

test('a rotation asked for again after its entry was written appends no second one, and the bundle verifies', async () => {
  const { context } = instance.composed;
  const rotations = async () =>
    (await context.sealerStore.read(INSTANCE_WORKSPACE, (tx) => tx.keyRotations())).length;
  const before = await rotations();
  const { from, to } = await context.signer.prepareNext();
  // Nothing can be written to the vault: the entry is there, and the key is not adopted.
  const aside = join(instance.configuration.PORTARIUM_VAULT_DIR, 'vault.json.part');
  await mkdir(aside);
  expect((await rotate()).status).toBe(500);
  expect([await rotations(), context.signer.keys()[0]?.state]).toEqual([before + 1, 'next']);
  await rm(aside, { recursive: true });
  expect((await rotate()).status).toBe(200);
  const states = context.signer.keys().map(({ verifierKey, state }) => [verifierKey, state]);
  expect(states.slice(0, 2)).toEqual([
    [to, 'current'],
    [from, 'retired'],
  ]);
  for (const pin of [from, to]) {
    const report = await verifyBundle(await exported(), { pin });
    expect([report.verdict, report.findings]).toEqual(['verified', []]);
  }
  expect(await rotations()).toBe(before + 1);
}, 60_000);

test('a rotation that was cut off at any step goes on after a restart', async () => {
  const { signer } = instance.composed.context;
  const { from, to } = await signer.prepareNext();
  // Cut off before the entry: it is not announced, and signs beside the current one.
  expect((await keys()).map(({ verifierKey }) => verifierKey)).not.toContain(to);
  await resumeRotation(instance.composed.context);
  expect(signer.keys()[0]?.state).toBe('next');
  const opened = await openNote(await checkpoint(QUIET), [from]);
  expect(opened.ok).toBe(true);
  // Asked for again, it takes that key.
  expect((await rotate()).status).toBe(200);
  expect((await keys())[0]?.verifierKey).toBe(to);
  // Cut off between the handover and the overlap.
  const next = await signer.prepareNext();
  await signer.adoptNext(new Date().toISOString());
  expect((await rotate()).status).toBe(409);
  await resumeRotation(instance.composed.context);
  expect((await keys()).map(({ state }) => state)).toEqual([
    'current',
    ...Array(4).fill('retired'),
  ]);
  expect((await openNote(await checkpoint(QUIET), [next.from, next.to])).ok).toBe(true);
}, 60_000);
