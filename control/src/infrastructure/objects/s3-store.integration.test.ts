import { afterAll, beforeAll, expect, test } from 'bun:test';
import { execFileSync } from 'node:child_process';
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { WorkspaceId } from '@portarium/contracts/ids';
import { type MinioServer, startMinioServer } from '@portarium/local/testing/minio-server';
import { Client } from 'minio';
import { objectStoreContract } from '../../testing/object-store-contract.ts';
import { systemClock } from '../identity/system.ts';
import { openS3Store, type S3StoreOptions } from './s3-store.ts';

const WORKSPACE = 'acme' as WorkspaceId;
const STARTING_MS = 20 * 60_000;
const utf8 = (value: string) => new TextEncoder().encode(value);

let folder: string;
let minio: MinioServer;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'portarium-s3-'));
  minio = await startMinioServer();
  await writeFile(join(folder, 'access'), minio.accessKey, { mode: 0o600 });
  await writeFile(join(folder, 'secret'), `${minio.secretKey}\n`, { mode: 0o600 });
}, STARTING_MS);
afterAll(async () => {
  await minio?.[Symbol.asyncDispose]();
  if (folder) await rm(folder, { recursive: true, force: true });
});

function options(change: Partial<S3StoreOptions> = {}): S3StoreOptions {
  return {
    endpoint: minio.endpoint,
    region: 'us-east-1',
    accessKeyFile: join(folder, 'access'),
    secretKeyFile: join(folder, 'secret'),
    bucketPrefix: 'portarium-evidence',
    ...change,
  };
}

/** What anybody with the credentials can do. */
function client(): Client {
  const { hostname, port } = new URL(minio.endpoint);
  const { accessKey, secretKey } = minio;
  return new Client({
    endPoint: hostname,
    port: Number(port),
    useSSL: false,
    accessKey,
    secretKey,
  });
}

objectStoreContract(
  'MinIO',
  async () => ({
    open: (retentionOf) => openS3Store(options(), systemClock, retentionOf),
    async corrupt(workspace, hex) {
      // The only version there is: what lies on the server's disk.
      const path = join(minio.data, 'portarium-evidence-operational', workspace, 'sha256', hex);
      for (const name of await readdir(path)) await writeFile(join(path, name), 'changed');
    },
  }),
  false,
);

test('neither a delete marker nor a newer version hides an artifact or an object of the log', async () => {
  const store = await openS3Store(options(), systemClock);
  const bytes = utf8('hidden');
  const digest = await store.put(WORKSPACE, bytes, 'compliance');
  await store.putLog(WORKSPACE, 'checkpoint/hidden', bytes);
  const places = [
    ['portarium-evidence-compliance', `acme/sha256/${digest.slice(7)}`],
    ['portarium-evidence-forensic', 'acme/log/checkpoint/hidden'],
  ] as const;
  for (const [bucket, key] of places) await client().putObject(bucket, key, 'other');
  expect(await store.get(WORKSPACE, digest)).toEqual(bytes);
  expect(await store.getLog(WORKSPACE, 'checkpoint/hidden')).toEqual(bytes);
  for (const [bucket, key] of places) await client().removeObject(bucket, key);
  expect(await store.get(WORKSPACE, digest)).toEqual(bytes);
  expect(await store.getLog(WORKSPACE, 'checkpoint/hidden')).toEqual(bytes);
  expect(await store.listLog(WORKSPACE, 'checkpoint', 99)).toContain('hidden');
  await expect(store.putLog(WORKSPACE, 'checkpoint/hidden', utf8('b'))).rejects.toThrow(
    /other bytes/,
  );
});

test('a bucket that was made without Object Lock is refused', async () => {
  await client().makeBucket('open-compliance');
  await expect(openS3Store(options({ bucketPrefix: 'open' }), systemClock)).rejects.toThrow(
    /open-compliance .*no Object Lock/,
  );
});

test('a bucket whose default is weaker gets that of its class', async () => {
  const lock = { mode: 'GOVERNANCE', unit: 'Days', validity: 1 } as never;
  await client().makeBucket('weak-compliance', '', { ObjectLocking: true });
  await client().setObjectLockConfig('weak-compliance', lock);
  await openS3Store(options({ bucketPrefix: 'weak' }), systemClock);
  expect(await client().getObjectLockConfig('weak-compliance')).toMatchObject({
    mode: 'COMPLIANCE',
    unit: 'Days',
    validity: 365,
  } as never);
});

test('other credentials, another address and plain HTTP to another machine are refused', async () => {
  await writeFile(join(folder, 'wrong'), 'wrong');
  const refused: [Partial<S3StoreOptions>, RegExp][] = [
    [{ secretKeyFile: join(folder, 'wrong') }, /can not be used/],
    [{ endpoint: 'http://127.0.0.1:9' }, /did not answer/],
    [{ endpoint: 'http://192.0.2.1:9000' }, /expected https/],
    [{ endpoint: `${minio.endpoint}/path` }, /expected https/],
  ];
  for (const [change, message] of refused) {
    await expect(openS3Store(options(change), systemClock)).rejects.toThrow(message);
  }
});

test('over TLS it takes the authority that is named, and none that is not', async () => {
  const certs = join(folder, 'certs');
  execFileSync('sh', [
    '-euc',
    `mkdir ${certs}; cd ${certs}; openssl req -x509 -newkey rsa:2048 -nodes -days 1 -subj /CN=localhost -addext subjectAltName=IP:127.0.0.1 -keyout private.key -out public.crt 2>/dev/null`,
  ]);
  await using secure = await startMinioServer(certs);
  await writeFile(join(folder, 'access-tls'), secure.accessKey);
  await writeFile(join(folder, 'secret-tls'), secure.secretKey);
  const files = {
    endpoint: secure.endpoint,
    accessKeyFile: join(folder, 'access-tls'),
    secretKeyFile: join(folder, 'secret-tls'),
  };
  await expect(openS3Store(options(files), systemClock)).rejects.toThrow(/did not answer/);
  const trusted = options({ ...files, authorityFile: join(certs, 'public.crt') });
  const store = await openS3Store(trusted, systemClock);
  const digest = await store.put(WORKSPACE, utf8('over TLS'), 'compliance');
  expect(await store.get(WORKSPACE, digest)).toEqual(utf8('over TLS'));
}, 60_000);
