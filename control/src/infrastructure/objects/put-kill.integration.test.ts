/**
 * Kill matrix of artifact writes on both stores: the writer is killed at each step of a put, and so is the
 * store's server. Afterwards the object is complete and locked, or absent; whoever puts it again goes on.
 */
import { afterAll, beforeAll, expect, test } from 'bun:test';
import { randomBytes } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { digestOf } from '@portarium/contracts/digest';
import type { WorkspaceId } from '@portarium/contracts/ids';
import { type MinioServer, startMinioServer } from '@portarium/local/testing/minio-server';
import type { ObjectStore, RetentionOf } from '../../application/ports/object-store.ts';
import { type CutPoint, type CutProxy, startCutProxy } from '../../testing/cut-proxy.ts';
import { systemClock } from '../identity/system.ts';
import { createDirectoryStore } from './directory-store.ts';
import { openS3Store } from './s3-store.ts';

const WORKSPACE = 'acme' as WorkspaceId;
const STARTING_MS = 20 * 60_000;
const TIMEOUT_MS = 240_000;
/** Writers at once. */
const AT_ONCE = 6;
const DAY_MS = 24 * 60 * 60 * 1_000;
const HOUR_MS = 60 * 60 * 1_000;
const hour: RetentionOf = async () => HOUR_MS;
const utf8 = (value: string) => new TextEncoder().encode(value);
const childAt = (name: string) => fileURLToPath(new URL(`../../testing/${name}`, import.meta.url));

let folder: string;
let root: string;
let minio: MinioServer;
let proxy: CutProxy;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'portarium-put-kill-'));
  root = join(folder, 'evidence');
  minio = await startMinioServer();
  proxy = await startCutProxy(minio.endpoint);
  await writeFile(join(folder, 'access'), minio.accessKey, { mode: 0o600 });
  await writeFile(join(folder, 'secret'), minio.secretKey, { mode: 0o600 });
}, STARTING_MS);
afterAll(async () => {
  await proxy?.[Symbol.asyncDispose]();
  await minio?.[Symbol.asyncDispose]();
  if (folder) await rm(folder, { recursive: true, force: true });
}, 60_000);

/**
 * What a put that was cut off may leave.
 * @param leastMs the lock that it had before, if it was there
 * @returns whether it is there
 */
async function wholeOrAbsent(store: ObjectStore, bytes: Uint8Array, leastMs: number) {
  const digest = await digestOf(bytes);
  // Rejects when it has other bytes.
  const kept = await store.get(WORKSPACE, digest);
  if (kept === undefined) {
    expect(await store.remove(WORKSPACE, digest)).toEqual({ outcome: 'absent' });
    return false;
  }
  expect(Buffer.compare(kept, bytes)).toBe(0);
  const lock = await store.lockOf(WORKSPACE, digest);
  expect((lock?.retainUntilMs ?? 0) - Date.now()).toBeGreaterThan(leastMs);
  expect(await store.remove(WORKSPACE, digest)).toEqual({ outcome: 'kept', why: 'retention' });
  return true;
}

/** Whoever puts it again goes on, and it is kept for as long as its class says. */
async function goesOn(store: ObjectStore, bytes: Uint8Array): Promise<void> {
  await store.put(WORKSPACE, bytes, 'compliance');
  expect(await wholeOrAbsent(store, bytes, 364 * DAY_MS)).toBe(true);
}

async function fileWriter(text: string, at: number, how: string) {
  const args = [childAt('put-until-killed.ts'), root, WORKSPACE, text, String(at), how];
  const running = Bun.spawn([process.execPath, ...args], { stdout: 'pipe', stderr: 'inherit' });
  const out = await new Response(running.stdout).text();
  await running.exited;
  return { signal: running.signalCode, out };
}

for (const [what, again] of [
  ['a put', false],
  ['a put of what is there with an earlier date', true],
] as const) {
  test(
    `the directory store: a writer killed at each call of ${what} leaves it whole and locked, or absent`,
    async () => {
      const store = createDirectoryStore(root, systemClock);
      const before = createDirectoryStore(root, systemClock, hour);
      const seen = new Set<boolean>();
      const bytesOf = (at: number, how: string) => utf8(textOf(at, how));
      const textOf = (at: number, how: string) => `${what} ${at} ${how}`.padEnd(50_000, '.');
      const run = async (at: number, how: string) => {
        if (again) await before.put(WORKSPACE, bytesOf(at, how), 'compliance');
        const ended = await fileWriter(textOf(at, how), at, how);
        const leastMs = again ? HOUR_MS / 2 : 364 * DAY_MS;
        seen.add(await wholeOrAbsent(store, bytesOf(at, how), leastMs));
        return ended;
      };
      // The first runs to its end, and tells which calls there are.
      const calls: readonly string[] = JSON.parse((await run(0, '')).out);
      const steps = calls.flatMap((call, i): (readonly [number, string])[] =>
        call.startsWith('write')
          ? [
              [i + 1, ''],
              [i + 1, 'torn'],
            ]
          : [[i + 1, '']],
      );
      for (let i = 0; i < steps.length; i += AT_ONCE) {
        await Promise.all(
          steps.slice(i, i + AT_ONCE).map(async ([at, how]) => {
            const { signal, out } = await run(at, how);
            expect([at, how, signal, out]).toEqual([at, how, 'SIGKILL', '']);
          }),
        );
      }
      expect(calls.length).toBeGreaterThan(15);
      expect([...seen].toSorted()).toEqual(again ? [true] : [false, true]);
      // All at once: what a killed one held is free after 10 s.
      await Promise.all(steps.map(([at, how]) => goesOn(store, bytesOf(at, how))));
    },
    TIMEOUT_MS,
  );
}

test('the directory store: bytes are on the disk before they have their name, and the name before put returns', async () => {
  const { out } = await fileWriter('in order', 0, '');
  const calls: string[] = JSON.parse(out);
  const durable = calls.flatMap((call) => {
    if (/^(write|sync) .*part$/.test(call)) return [call.split(' ')[0]];
    return /^(rename|link|sync sha256)/.test(call) ? [call.split(' ').slice(0, 2).join(' ')] : [];
  });
  // The lock first: bytes are never there without one.
  const sidecar = ['write', 'sync', expect.stringMatching(/^rename .*part$/)];
  const object = ['write', 'sync', expect.stringMatching(/^link .*part$/)];
  expect(durable).toEqual([...sidecar, ...object, 'sync sha256']);
});

function openS3(endpoint: string, retentionOf?: RetentionOf): Promise<ObjectStore> {
  return openS3Store(
    {
      ...{ endpoint, region: 'us-east-1', bucketPrefix: 'portarium-evidence' },
      ...{ accessKeyFile: join(folder, 'access'), secretKeyFile: join(folder, 'secret') },
    },
    systemClock,
    retentionOf,
  );
}

const PUT = /^PUT \/portarium-evidence-compliance\/acme\/sha256\/[0-9a-f]{64} /;
const LENGTHEN = /^PUT \/portarium-evidence-compliance\/acme\/sha256\/[0-9a-f]{64}\?.*retention/;
const STEPS: readonly (readonly [string, RegExp, CutPoint, boolean])[] = [
  ['before its upload', PUT, 'before', false],
  ['during its upload', PUT, 'during', false],
  ['after its upload', PUT, 'sent', false],
  ['before the answer to its upload', PUT, 'answer', false],
  ['before it lengthens a retention', LENGTHEN, 'before', true],
  ['while it lengthens a retention', LENGTHEN, 'sent', true],
  ['before the answer to a longer retention', LENGTHEN, 'answer', true],
];

async function mayBeThere(bytes: Uint8Array, again: boolean): Promise<void> {
  if (!again) return;
  const before = await openS3(minio.endpoint, hour);
  await before.put(WORKSPACE, bytes, 'compliance');
}

async function isAsItMayBe(bytes: Uint8Array, point: CutPoint, again: boolean): Promise<void> {
  const direct = await openS3(minio.endpoint);
  const there = await wholeOrAbsent(direct, bytes, again ? HOUR_MS / 2 : 364 * DAY_MS);
  if (again || point === 'answer') expect(there).toBe(true);
  else if (point !== 'sent') expect(there).toBe(false);
}

for (const [step, line, point, again] of STEPS) {
  test(
    `MinIO: a writer killed ${step} leaves the object whole and locked, or absent`,
    async () => {
      const bytes = new Uint8Array(randomBytes(4 * 1024 * 1024));
      await mayBeThere(bytes, again);
      const file = join(folder, 'bytes');
      await writeFile(file, bytes);
      const keys = [join(folder, 'access'), join(folder, 'secret')];
      const args = [proxy.endpoint, ...keys, WORKSPACE, file];
      let writer: ReturnType<typeof Bun.spawn> | undefined;
      proxy.cutAt(line, point, async () => {
        writer?.kill('SIGKILL');
        await writer?.exited;
      });
      writer = Bun.spawn([process.execPath, childAt('s3-put-until-killed.ts'), ...args]);
      await writer.exited;
      expect(writer.signalCode).toBe('SIGKILL');
      await isAsItMayBe(bytes, point, again);
      await goesOn(await openS3(minio.endpoint), bytes);
    },
    TIMEOUT_MS,
  );

  test(
    `MinIO: a server killed ${step} leaves the object whole and locked, or absent, and the writer goes on`,
    async () => {
      const bytes = new Uint8Array(randomBytes(4 * 1024 * 1024));
      await mayBeThere(bytes, again);
      const writer = await openS3(proxy.endpoint);
      proxy.cutAt(line, point, () => minio.kill());
      const failed = await writer.put(WORKSPACE, bytes, 'compliance').catch((error) => error);
      expect(failed).toMatchObject({ name: 'InfraError', retryable: true });
      await minio.start();
      await isAsItMayBe(bytes, point, again);
      await goesOn(writer, bytes);
    },
    TIMEOUT_MS,
  );
}

test(
  'MinIO: a writer killed as its put returns leaves the object whole and locked, although nothing names it',
  async () => {
    const bytes = new Uint8Array(randomBytes(64 * 1024));
    const file = join(folder, 'bytes');
    await writeFile(file, bytes);
    const keys = [join(folder, 'access'), join(folder, 'secret')];
    const args = [minio.endpoint, ...keys, WORKSPACE, file, 'after'];
    const writer = Bun.spawn([process.execPath, childAt('s3-put-until-killed.ts'), ...args]);
    await writer.exited;
    expect(writer.signalCode).toBe('SIGKILL');
    await isAsItMayBe(bytes, 'answer', false);
    await goesOn(await openS3(minio.endpoint), bytes);
  },
  TIMEOUT_MS,
);
