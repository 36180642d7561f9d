import { afterAll, beforeAll, expect, test } from 'bun:test';
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readEnvironment } from './environment.ts';
import { examineStore, type StoreReport, storeFindings } from './examine-store.ts';
import { type MinioServer, startMinioServer } from './testing/minio-server.ts';

const STARTING_MS = 20 * 60_000;
const LAST = 'no way around the store';

let folder: string;
let minio: MinioServer;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'portarium-examine-store-'));
  minio = await startMinioServer();
  writeFileSync(join(folder, 'access'), minio.accessKey, { mode: 0o600 });
  writeFileSync(join(folder, 'secret'), minio.secretKey, { mode: 0o600 });
}, STARTING_MS);
afterAll(async () => {
  await minio?.[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true, force: true });
});

function examined(change: Record<string, string> = {}) {
  const environment = readEnvironment({
    ...process.env,
    PORTARIUM_EVIDENCE_STORE: 'minio',
    PORTARIUM_EVIDENCE_ENDPOINT: minio.endpoint,
    PORTARIUM_EVIDENCE_ACCESS_KEY_FILE: join(folder, 'access'),
    PORTARIUM_EVIDENCE_SECRET_KEY_FILE: join(folder, 'secret'),
    ...change,
  });
  return examineStore(join(folder, 'data'), environment);
}

const report = (adapter: string, failed: readonly string[]): StoreReport => ({
  adapter,
  checks: ['overwrite', LAST].map((name) =>
    failed.includes(name)
      ? { name, held: false, detail: `${name} broke`, meaning: 'It means that.' }
      : { name, held: true },
  ),
});

test('a store in S3 that is configured is probed before any stack runs, and no bucket of evidence is made', async () => {
  expect(await examined()).toEqual([
    {
      ...{ name: 'evidence store', ok: true, needed: true },
      detail: `minio at ${minio.endpoint}: 14 of 14 checks of its locks held`,
    },
  ]);
  expect(readdirSync(minio.data).filter((name) => name.startsWith('portarium-'))).toEqual([
    'portarium-evidence-probe',
  ]);
  expect(await examined({ PORTARIUM_EVIDENCE_STORE: 'directory' })).toEqual([]);
}, 60_000);

test('one that is away, or whose credentials are not taken, is no store to rely on', async () => {
  writeFileSync(join(folder, 'wrong'), 'wrong');
  for (const [change, said] of [
    [{ PORTARIUM_EVIDENCE_SECRET_KEY_FILE: join(folder, 'wrong') }, 'can not be used'],
    [{ PORTARIUM_EVIDENCE_ENDPOINT: 'http://127.0.0.1:9' }, 'did not answer'],
  ] as const) {
    const [finding, ...more] = await examined(change);
    expect(more).toEqual([]);
    expect(finding).toMatchObject({ ok: false, needed: true });
    expect(finding?.detail).toContain(said);
    expect(finding?.fix).toContain('docs/how-to/keep-artifacts-in-s3.md');
  }
}, 60_000);

test('each check that failed is told with what it means; what a folder can not do is no damage', () => {
  expect(storeFindings(report('directory', [LAST]))).toEqual([
    {
      ...{ name: 'evidence store', ok: false, needed: false },
      detail: `directory: ${LAST}: ${LAST} broke. It means that`,
      fix: expect.stringContaining('S3 with Object Lock'),
    },
  ]);
  expect(storeFindings(report('minio', [LAST]))).toMatchObject([{ ok: false, needed: true }]);
  expect(storeFindings(report('directory', ['overwrite']))).toMatchObject([
    { ok: false, needed: true },
  ]);
  // A store that can not be tried at all says one thing, and not one for each check.
  const same = report('minio', ['overwrite', LAST]);
  const checks = same.checks.map((check) => ({ ...check, detail: 'no Object Lock' }));
  expect(storeFindings({ ...same, checks })).toMatchObject([
    { needed: true, detail: 'minio: no check of its locks held: no Object Lock' },
  ]);
});
