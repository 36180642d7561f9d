/** Regulated retention on real stores: one that passes the lock battery, one that stops to, and one that can not. */
import { afterAll, beforeAll, expect, test } from 'bun:test';
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { WorkspaceId } from '@portarium/contracts/ids';
import { verifyBundle } from '@portarium/contracts/verify-bundle';
import { type MinioServer, startMinioServer } from '@portarium/local/testing/minio-server';
import { Client } from 'minio';
import { keepProbed } from '../application/keep-probed.ts';
import { LOCK_CHECKS } from '../application/lock-battery.ts';
import { storeVerdict } from '../application/probe-store.ts';
import { startTestInstance, type TestInstance } from '../testing/test-instance.ts';
import { uploadForm } from '../testing/upload-form.ts';
import { send } from '../testing/writes.ts';

const STARTING_MS = 20 * 60_000;
const TIMEOUT_MS = 120_000;
const PROBES = '/v1/evidence/probes';
const PROBE_BUCKET = 'portarium-evidence-probe';
const LAST = 'no way around the store';
const SET = { regulated: true, rationale: 'records of medical devices' };

interface Told {
  readonly code?: string;
  readonly detail?: string;
  readonly failed?: readonly { readonly name: string; readonly meaning?: string }[];
  readonly checks?: readonly {
    readonly name: string;
    readonly held: boolean;
    readonly meaning?: string;
  }[];
  readonly report?: string;
  readonly endpoint?: string;
  readonly regulated?: boolean;
  readonly revision?: number;
}

let folder: string;
let minio: MinioServer;
let locked: TestInstance;
let plain: TestInstance;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'portarium-regulated-'));
  minio = await startMinioServer();
  await writeFile(join(folder, 'access'), minio.accessKey, { mode: 0o600 });
  await writeFile(join(folder, 'secret'), minio.secretKey, { mode: 0o600 });
  locked = await startTestInstance(undefined, {
    PORTARIUM_EVIDENCE_STORE: 'minio',
    PORTARIUM_EVIDENCE_ENDPOINT: minio.endpoint,
    PORTARIUM_EVIDENCE_ACCESS_KEY_FILE: join(folder, 'access'),
    PORTARIUM_EVIDENCE_SECRET_KEY_FILE: join(folder, 'secret'),
  });
  plain = await startTestInstance();
  for (const instance of [locked, plain]) {
    const form = { role: 'author', body: uploadForm() };
    await instance.call('POST', '/v1/workspaces/local/plugins', form);
  }
}, STARTING_MS);
afterAll(async () => {
  await locked?.[Symbol.asyncDispose]();
  await plain?.[Symbol.asyncDispose]();
  await minio?.[Symbol.asyncDispose]();
  await rm(folder, { recursive: true, force: true });
}, 60_000);

async function probe(instance: TestInstance, role = 'admin') {
  const answer = await instance.call('POST', PROBES, { role });
  return { status: answer.status, body: (await answer.json()) as Told };
}

const put = (instance: TestInstance, json: unknown, role = 'admin') =>
  send<Told>(instance, role, 'PUT', '/regulation', json);

const echo = (instance: TestInstance, text: string) =>
  send<Told>(instance, 'operator', 'POST', '/actions', {
    ...{ plugin: 'echo', operation: 'echo' },
    input: { text },
  });

interface Entry {
  readonly type: string;
  readonly data: Readonly<Record<string, unknown>>;
  readonly artifacts: readonly { readonly digest: string }[];
}

async function entries(instance: TestInstance, workspace = 'local'): Promise<readonly Entry[]> {
  const path = `/v1/workspaces/${workspace}/evidence?limit=200`;
  const answer = await instance.call('GET', path, { role: 'admin' });
  const { items } = (await answer.json()) as { items: { entry: Entry }[] };
  return items.map(({ entry }) => entry);
}

async function probesOf(instance: TestInstance): Promise<readonly Entry[]> {
  return (await entries(instance, '_instance')).filter(({ type }) => type === 'store.probed');
}

function client(): Client {
  const { hostname, port } = new URL(minio.endpoint);
  const { accessKey, secretKey } = minio;
  const where = { endPoint: hostname, port: Number(port), useSSL: false };
  return new Client({ ...where, accessKey, secretKey });
}

/** Every object and version of the workspace, in all buckets. */
async function stored(): Promise<readonly string[]> {
  const found: string[] = [];
  for (const name of ['operational', 'compliance', 'forensic']) {
    const bucket = `portarium-evidence-${name}`;
    const listed = client().listObjects(bucket, 'local/', true, { IncludeVersion: true });
    for await (const item of listed as AsyncIterable<{ name?: string; versionId?: string }>) {
      found.push(`${bucket}/${item.name}@${item.versionId}`);
    }
  }
  return found;
}

test('before anybody has probed the store, nothing is put under regulated retention', async () => {
  expect(await put(locked, SET)).toMatchObject({
    status: 409,
    body: { code: 'store.not-regulated', detail: expect.stringContaining('Nobody has probed') },
  });
});

test(
  'a store that was not probed as it is configured is probed, once, and the log of the instance says what held',
  async () => {
    await keepProbed(locked.composed.context);
    await keepProbed(locked.composed.context);
    const [entry, ...more] = await probesOf(locked);
    expect(more).toEqual([]);
    const { context } = locked.composed;
    expect(entry?.data).toMatchObject({
      adapter: 'minio',
      endpoint: minio.endpoint,
      failed: [],
      passed: Object.keys(LOCK_CHECKS),
    });
    expect(JSON.stringify(entry)).not.toContain(minio.secretKey);
    expect(JSON.stringify(entry)).not.toContain(minio.accessKey);
    const report = await context.objects.get(
      '_instance' as WorkspaceId,
      entry?.data.report as never,
    );
    expect(entry?.artifacts[0]?.digest).toBe(String(entry?.data.report));
    const read = JSON.parse(new TextDecoder().decode(report));
    expect(read.checks).toHaveLength(Object.keys(LOCK_CHECKS).length);
    // Another address, other buckets or other rights are another store.
    const moved = { ...context, objects: { ...context.objects, identity: 'another' } };
    expect(await storeVerdict(moved)).toEqual({ probed: undefined });
  },
  TIMEOUT_MS,
);

test(
  'the directory store is refused: an administrator of the machine can delete it, and the refusal says so',
  async () => {
    const probed = await probe(plain);
    expect(probed.status).toBe(200);
    const failed = probed.body.checks?.filter(({ held }) => !held) ?? [];
    expect(failed.map(({ name }) => name)).toEqual([LAST]);
    expect(failed[0]?.meaning).toContain('administrator of the operating system');
    const refused = await put(plain, SET);
    expect(refused).toMatchObject({ status: 409, body: { code: 'store.not-regulated' } });
    expect(refused.body.failed).toEqual([{ name: LAST, meaning: expect.any(String) }]);
    expect(refused.body.detail).toContain(LAST);
    expect((await send(plain, 'admin', 'GET', '/regulation')).body).toEqual({
      regulated: false,
      revision: 0,
    });
    expect((await echo(plain, 'as before')).status).toBe(202);
    const [entry] = await probesOf(plain);
    expect(entry?.data).toMatchObject({ adapter: 'directory', failed: [LAST] });
    expect(entry?.data).not.toHaveProperty('endpoint');
    const parent = join(plain.configuration.PORTARIUM_EVIDENCE_DIR, '..');
    expect((await readdir(parent)).filter((name) => name.includes('probe'))).toEqual([]);
  },
  TIMEOUT_MS,
);

test('only keys of the instance probe it, and only administrators set the regulation, with a reason', async () => {
  for (const role of ['operator', 'approver', 'auditor', 'author', 'agent']) {
    expect([role, (await probe(plain, role)).status]).toEqual([role, 403]);
    expect([role, (await put(plain, SET, role)).status]).toEqual([role, 403]);
    expect([role, (await send(plain, role, 'GET', '/regulation')).status]).toEqual([role, 200]);
  }
  for (const bad of [{}, { regulated: true }, { regulated: 'yes', rationale: 'a' }]) {
    expect((await put(plain, bad)).status).toBe(422);
  }
});

test(
  'a workspace on a store that passes is put under regulated retention, and works',
  async () => {
    expect(await put(locked, SET)).toEqual({
      status: 200,
      body: { regulated: true, revision: 1 },
    });
    expect((await echo(locked, 'regulated')).status).toBe(202);
    const told = (await entries(locked)).find(
      ({ type }) => type === 'workspace-regulation.changed',
    );
    expect(told?.data).toMatchObject({ ...SET, revision: 1 });
    const again = await locked.call('PUT', '/v1/workspaces/local/regulation', {
      ...{ role: 'admin', json: SET },
      headers: { 'if-match': '"0"' },
    });
    expect(again.status).toBe(412);
  },
  TIMEOUT_MS,
);

test(
  'when a later probe fails, new actions and uploads of that workspace are refused and leave nothing behind',
  async () => {
    expect((await probe(locked)).status).toBe(200);
    expect((await put(locked, SET)).status).toBe(200);
    // Somebody with the rights of the machine puts a bucket without locks in the place of the one that was tried.
    await minio.kill();
    for (const path of [PROBE_BUCKET, `.minio.sys/buckets/${PROBE_BUCKET}`]) {
      await rm(join(minio.data, path), { recursive: true, force: true });
    }
    await minio.start();
    await client().makeBucket(PROBE_BUCKET);
    const probed = await probe(locked);
    expect(probed.status).toBe(200);
    expect(probed.body.checks?.every(({ held }) => !held)).toBe(true);
    const [before, log] = [await stored(), await entries(locked)];
    const refused = await echo(locked, 'never stored');
    expect(refused).toMatchObject({ status: 409, body: { code: 'store.not-regulated' } });
    expect(refused.body.failed?.length).toBe(Object.keys(LOCK_CHECKS).length);
    const dry = await send<Told>(locked, 'operator', 'POST', '/actions', {
      ...{ plugin: 'echo', operation: 'echo', input: { text: 'dry' }, dryRun: true },
    });
    expect(dry.body.code).toBe('store.not-regulated');
    expect(await stored()).toEqual(before);
    expect(await entries(locked)).toEqual(log);
    const upload = await locked.call('POST', '/v1/workspaces/local/plugins', {
      ...{ role: 'author', body: uploadForm() },
    });
    expect(upload.status).toBe(409);
    expect(await stored()).toEqual(before);
    expect((await entries(locked)).at(-1)).toMatchObject({
      ...{ type: 'plugin.rejected', data: { rules: ['store.not-regulated'] } },
    });
    // Neither can another workspace be put under it, and one that is not goes on.
    const other = { id: 'other', name: 'Other' };
    await locked.call('POST', '/v1/workspaces', { role: 'admin', json: other });
    const set = await locked.call('PUT', '/v1/workspaces/other/regulation', {
      ...{ role: 'admin', json: SET },
    });
    expect(set.status).toBe(409);
  },
  TIMEOUT_MS,
);

test(
  'once the store is mended and probed, the workspace goes on; lifting needs no store, and all of it verifies',
  async () => {
    await client().removeBucket(PROBE_BUCKET);
    const probed = await probe(locked);
    expect(probed.body.checks?.filter(({ held }) => !held)).toEqual([]);
    expect((await echo(locked, 'again')).status).toBe(202);
    expect((await put(locked, { regulated: false, rationale: 'sold' })).body).toMatchObject({
      regulated: false,
    });
    for (const workspace of ['local', '_instance']) {
      const path = `/v1/workspaces/${workspace}/evidence/export`;
      const exported = await locked.call('GET', path, { role: 'admin' });
      const [pin] = locked.composed.context.signer.verifierKeys(workspace as WorkspaceId);
      const report = await verifyBundle(new Uint8Array(await exported.arrayBuffer()), { pin });
      expect([report.verdict, report.findings]).toEqual(['verified', []]);
    }
  },
  TIMEOUT_MS,
);

test(
  'a store that is away says nothing about its locks: nothing is recorded, and the last word holds',
  async () => {
    const before = (await probesOf(locked)).length;
    await minio.kill();
    expect((await probe(locked)).status).toBe(503);
    await minio.start();
    expect((await probesOf(locked)).length).toBe(before);
    expect((await put(locked, SET)).status).toBe(200);
  },
  TIMEOUT_MS,
);
