/** Disposal from a store with Object Lock. */
import { afterAll } from 'bun:test';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type MinioServer, startMinioServer } from '@portarium/local/testing/minio-server';
import { disposalSuite } from '../testing/disposal-suite.ts';
import { short } from '../testing/keep-and-dispose.ts';
import { startTestInstance } from '../testing/test-instance.ts';

const STARTING_MS = 20 * 60_000;

let folder = '';
let minio: MinioServer | undefined;

async function start() {
  folder = await mkdtemp(join(tmpdir(), 'portarium-dispose-s3-'));
  minio = await startMinioServer();
  await writeFile(join(folder, 'access'), minio.accessKey, { mode: 0o600 });
  await writeFile(join(folder, 'secret'), minio.secretKey, { mode: 0o600 });
  const variables = {
    PORTARIUM_EVIDENCE_STORE: 'minio',
    PORTARIUM_EVIDENCE_ENDPOINT: minio.endpoint,
    PORTARIUM_EVIDENCE_ACCESS_KEY_FILE: join(folder, 'access'),
    PORTARIUM_EVIDENCE_SECRET_KEY_FILE: join(folder, 'secret'),
  };
  return startTestInstance(undefined, variables, short);
}

disposalSuite('MinIO', start, STARTING_MS);

afterAll(async () => {
  await minio?.[Symbol.asyncDispose]();
  await rm(folder, { recursive: true, force: true });
}, 60_000);
