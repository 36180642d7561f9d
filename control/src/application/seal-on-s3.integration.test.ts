/** The sealer on a store with Object Lock: what it keeps there is what a rolled-back database is held against. */
import { afterAll, beforeAll, expect, test } from 'bun:test';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { WorkspaceId } from '@portarium/contracts/ids';
import { verifyBundle } from '@portarium/contracts/verify-bundle';
import { type MinioServer, startMinioServer } from '@portarium/local/testing/minio-server';
import { connect } from '../infrastructure/postgres/connect.ts';
import { fillLog } from '../testing/fill-log.ts';
import { startTestInstance, type TestInstance } from '../testing/test-instance.ts';
import { sealLog } from './seal-log.ts';

const WS = 'local' as WorkspaceId;
const STARTING_MS = 20 * 60_000;

let folder: string;
let minio: MinioServer;
let instance: TestInstance;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'portarium-seal-s3-'));
  minio = await startMinioServer();
  await writeFile(join(folder, 'access'), minio.accessKey, { mode: 0o600 });
  await writeFile(join(folder, 'secret'), minio.secretKey, { mode: 0o600 });
  instance = await startTestInstance(undefined, {
    PORTARIUM_EVIDENCE_STORE: 'minio',
    PORTARIUM_EVIDENCE_ENDPOINT: minio.endpoint,
    PORTARIUM_EVIDENCE_ACCESS_KEY_FILE: join(folder, 'access'),
    PORTARIUM_EVIDENCE_SECRET_KEY_FILE: join(folder, 'secret'),
  });
}, STARTING_MS);
afterAll(async () => {
  await instance?.[Symbol.asyncDispose]();
  await minio?.[Symbol.asyncDispose]();
  await rm(folder, { recursive: true, force: true });
}, 60_000);

test('a rolled-back database is found out by the store with Object Lock, and its tail put back from there', async () => {
  const { context } = instance.composed;
  expect(context.objects.kind).toBe('minio');
  await fillLog(context, WS, 600);
  const record = await sealLog(context, WS, { keep: true });
  await fillLog(context, WS, 10);
  const last = await sealLog(context, WS, { keep: true });
  const size = last?.size ?? 0;
  const [newest] = await context.objects.listLog(WS, 'checkpoints', 1);
  expect(newest).toBe(String(10 ** 16 - 1 - size).padStart(16, '0'));
  const owner = connect(instance.ownerUrl, { max: 1, name: 'test' });
  await owner`SET search_path TO portarium`;
  await owner`SELECT set_config('portarium.workspace', ${WS}, false)`;
  for (const table of ['log_entries', 'log_nodes']) {
    await owner`ALTER TABLE ${owner(table)} DISABLE TRIGGER USER`;
    await owner`DELETE FROM ${owner(table)} WHERE workspace_id = ${WS} AND ${owner(table === 'log_nodes' ? 'index' : 'seq')} >= ${table === 'log_nodes' ? 0 : 50}`;
    await owner`ALTER TABLE ${owner(table)} ENABLE TRIGGER USER`;
  }
  await owner`DELETE FROM log_checkpoints WHERE workspace_id = ${WS}`;
  await owner`UPDATE log_heads SET size = 50, hash = (SELECT hash FROM log_entries WHERE seq = 49 AND workspace_id = ${WS}) WHERE workspace_id = ${WS}`;
  await owner.end();
  instance.composed.forgetChecks();
  const call = (method: string, path: string, json?: unknown) =>
    instance.call(method, `/v1/workspaces/${WS}/${path}`, {
      role: 'admin',
      ...(json === undefined ? {} : { json }),
    });
  const key = { name: 'ci', owner: 'ada', role: 'agent' };
  expect((await call('POST', 'keys', key)).status).toBe(503);
  const recovery = { dryRun: false, rationale: 'the disk was lost' };
  const done = await call('POST', 'evidence/recovery', recovery);
  expect(await done.json()).toMatchObject({ state: 'behind', entries: size - 50 });
  expect((await call('POST', 'keys', key)).status).toBe(201);
  const bundle = new Uint8Array(await (await call('GET', 'evidence/export')).arrayBuffer());
  const [pin] = context.signer.verifierKeys(WS);
  const report = await verifyBundle(bundle, { pin, since: record?.note });
  expect([report.verdict, report.findings]).toEqual(['verified', []]);
}, 120_000);
