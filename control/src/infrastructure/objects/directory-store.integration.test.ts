import { afterAll, expect, test } from 'bun:test';
import { mkdtemp, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { WorkspaceId } from '@portarium/contracts/ids';
import { createDirectoryStore } from './directory-store.ts';

const root = await mkdtemp(join(tmpdir(), 'portarium-objects-'));
const store = createDirectoryStore(root, { nowMs: () => Date.parse('2026-01-01T00:00:00Z') });
const WORKSPACE = 'acme' as WorkspaceId;
const bytes = (text: string) => new TextEncoder().encode(text);

afterAll(() => rm(root, { recursive: true, force: true }));

test('an object of the log is written once, and other bytes are refused', async () => {
  await store.putLog(WORKSPACE, 'tile/0/000', bytes('a'));
  await store.putLog(WORKSPACE, 'tile/0/000', bytes('a'));
  await expect(store.putLog(WORKSPACE, 'tile/0/000', bytes('b'))).rejects.toThrow(/other bytes/);
  expect(await store.getLog(WORKSPACE, 'tile/0/000')).toEqual(bytes('a'));
  expect(await store.getLog(WORKSPACE, 'tile/0/001')).toBeUndefined();
  expect((await stat(join(root, WORKSPACE, 'log/tile/0/000'))).mode & 0o777).toBe(0o400);
});

test('names of a folder come in order, without sidecars', async () => {
  for (const name of ['003', '001', '002']) {
    await store.putLog(WORKSPACE, `checkpoint/${name}`, bytes(name));
  }
  expect(await store.listLog(WORKSPACE, 'checkpoint', 2)).toEqual(['001', '002']);
  expect(await store.listLog(WORKSPACE, 'nothing', 2)).toEqual([]);
});

test('a path that could lead elsewhere is refused', async () => {
  for (const path of ['..', '../x', 'a/../b', '/a', 'a//b', 'A', 'a.part', '']) {
    await expect(store.putLog(WORKSPACE, path, bytes('x'))).rejects.toThrow(RangeError);
  }
});
