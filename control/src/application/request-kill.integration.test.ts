/**
 * Kill matrix of a request between its artifacts and the entry that names them, on both stores: entries name
 * only what is there and locked, and the same request sent again goes on.
 */
import { afterAll, beforeAll, expect, test } from 'bun:test';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Digest } from '@portarium/contracts/digest';
import type { WorkspaceId } from '@portarium/contracts/ids';
import { verifyBundle } from '@portarium/contracts/verify-bundle';
import { type MinioServer, startMinioServer } from '@portarium/local/testing/minio-server';
import { startTestInstance, type TestInstance } from '../testing/test-instance.ts';
import { uploadForm } from '../testing/upload-form.ts';

const CHILD = fileURLToPath(new URL('../testing/request-until-killed.ts', import.meta.url));
const WS = 'local' as WorkspaceId;
const STARTING_MS = 20 * 60_000;
const TIMEOUT_MS = 180_000;
const DAY_MS = 24 * 60 * 60 * 1_000;
/** Input and order are put at once. */
const STEPS: readonly (readonly [string, string, number])[] = [
  ['put', 'before', 1],
  ['put', 'before', 2],
  ['put', 'during', 1],
  ['put', 'during', 2],
  ['put', 'after', 1],
  ['put', 'after', 2],
  ['commit', 'before', 1],
  ['commit', 'during', 1],
  ['commit', 'after', 1],
];

interface Entry {
  readonly type: string;
  readonly artifacts: readonly { readonly digest: Digest }[];
}

let folder: string;
let minio: MinioServer;
const instances: Record<string, TestInstance> = {};
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'portarium-request-kill-'));
  minio = await startMinioServer();
  await writeFile(join(folder, 'access'), minio.accessKey, { mode: 0o600 });
  await writeFile(join(folder, 'secret'), minio.secretKey, { mode: 0o600 });
  instances.directory = await startTestInstance();
  instances.minio = await startTestInstance(undefined, {
    PORTARIUM_EVIDENCE_STORE: 'minio',
    PORTARIUM_EVIDENCE_ENDPOINT: minio.endpoint,
    PORTARIUM_EVIDENCE_ACCESS_KEY_FILE: join(folder, 'access'),
    PORTARIUM_EVIDENCE_SECRET_KEY_FILE: join(folder, 'secret'),
  });
  for (const instance of Object.values(instances)) {
    const form = { role: 'author', body: uploadForm() };
    await instance.call('POST', '/v1/workspaces/local/plugins', form);
  }
}, STARTING_MS);
afterAll(async () => {
  for (const instance of Object.values(instances)) await instance[Symbol.asyncDispose]();
  await minio?.[Symbol.asyncDispose]();
  if (folder) await rm(folder, { recursive: true, force: true });
}, 60_000);

/** On a machine with much other work it may not reach the database: it has done nothing then, and starts again. */
async function child(instance: TestInstance, ...args: readonly string[]) {
  for (let tries = 1; ; tries++) {
    const ended = await started(instance, args);
    if (tries === 3 || !ended.err.includes('CONNECT_TIMEOUT')) return ended;
  }
}

async function started(instance: TestInstance, args: readonly string[]) {
  const env: Record<string, string | undefined> = { ...process.env };
  for (const [name, value] of Object.entries(instance.configuration)) {
    if (value !== undefined) env[name] = String(value);
  }
  // One of the two stores is used; the folder of the other is there for the test instance.
  if (env.PORTARIUM_EVIDENCE_STORE === 'minio') delete env.PORTARIUM_EVIDENCE_DIR;
  const command = [process.execPath, CHILD, instance.keys.operator ?? '', ...args];
  const running = Bun.spawn(command, { env, stdout: 'pipe', stderr: 'pipe' });
  const [out, err] = await Promise.all([
    new Response(running.stdout).text(),
    new Response(running.stderr).text(),
  ]);
  await running.exited;
  return { signal: running.signalCode, out, err };
}

async function requests({ composed }: TestInstance): Promise<readonly Entry[]> {
  const rows = await composed.context.store.read(WS, (tx) =>
    tx.listEntries({ after: -1, limit: 1_000 }),
  );
  return rows
    .map(({ bytes }): Entry => JSON.parse(new TextDecoder().decode(bytes)))
    .filter(({ type }) => type === 'action.requested');
}

/** All that an entry names is there, has its bytes, and is locked. */
async function assertKept({ composed }: TestInstance, entry: Entry | undefined): Promise<void> {
  expect(entry?.artifacts.length).toBe(3);
  for (const { digest } of entry?.artifacts ?? []) {
    expect(await composed.context.objects.get(WS, digest)).toBeDefined();
    const lock = await composed.context.objects.lockOf(WS, digest);
    expect((lock?.retainUntilMs ?? 0) - Date.now()).toBeGreaterThan(364 * DAY_MS);
  }
}

for (const kind of ['directory', 'minio']) {
  for (const [what, when, count] of STEPS) {
    test(
      `${kind}: killed ${when} ${what} number ${count}, entries name only what is kept, and the request sent again goes on`,
      async () => {
        const instance = instances[kind] as TestInstance;
        const name = `${kind}-${what}-${when}-${count}`;
        const before = (await requests(instance)).length;
        const { signal, out, err } = await child(instance, name, what, when, String(count));
        expect([signal, out, err]).toEqual(['SIGKILL', '', err]);
        const after = await requests(instance);
        const committed = after.length - before;
        if (what === 'put' || when === 'before') expect(committed).toBe(0);
        if (when === 'after' && what === 'commit') expect(committed).toBe(1);
        if (committed === 1) await assertKept(instance, after.at(-1));
        const again = await instance.call('POST', '/v1/workspaces/local/actions', {
          role: 'operator',
          json: { plugin: 'echo', operation: 'echo', input: { text: name } },
          headers: { 'idempotency-key': name },
        });
        expect([200, 202]).toContain(again.status);
        const all = await requests(instance);
        expect(all.length).toBe(before + 1);
        await assertKept(instance, all.at(-1));
      },
      TIMEOUT_MS,
    );
  }

  test(
    `${kind}: after all of that the evidence verifies`,
    async () => {
      const { call, composed } = instances[kind] as TestInstance;
      const exported = await call('GET', `/v1/workspaces/${WS}/evidence/export`, { role: 'admin' });
      const [pin] = composed.context.signer.verifierKeys(WS);
      const report = await verifyBundle(new Uint8Array(await exported.arrayBuffer()), { pin });
      expect([report.verdict, report.findings]).toEqual(['verified', []]);
    },
    TIMEOUT_MS,
  );
}
