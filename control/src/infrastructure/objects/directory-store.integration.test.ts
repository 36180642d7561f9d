import { afterAll, expect, test } from 'bun:test';
import { chmod, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { WorkspaceId } from '@portarium/contracts/ids';
import { objectStoreContract } from '../../testing/object-store-contract.ts';
import { systemClock } from '../identity/system.ts';
import { createDirectoryStore } from './directory-store.ts';

const folder = await mkdtemp(join(tmpdir(), 'portarium-objects-'));
const root = join(folder, 'evidence');
const WORKSPACE = 'acme' as WorkspaceId;
const utf8 = (value: string) => new TextEncoder().encode(value);

afterAll(() => rm(folder, { recursive: true, force: true }));

objectStoreContract(
  'the directory store',
  async () => ({
    open: async (retentionOf) => createDirectoryStore(root, systemClock, retentionOf),
    async corrupt(workspace, hex) {
      const path = join(root, workspace, 'sha256', hex);
      await chmod(path, 0o600);
      await writeFile(path, 'changed');
    },
  }),
  true,
);

test('what it keeps is read-only, and its retention stands beside it', async () => {
  const store = createDirectoryStore(root, systemClock);
  await store.putLog(WORKSPACE, 'tile/1/000', utf8('a'));
  const path = join(root, WORKSPACE, 'log/tile/1/000');
  expect((await stat(path)).mode & 0o777).toBe(0o400);
  expect(JSON.parse(await readFile(`${path}.retention.json`, 'utf8'))).toMatchObject({
    class: 'forensic',
  });
  expect((await readdir(join(root, WORKSPACE, 'log/tile/1'))).sort()).toEqual([
    '000',
    '000.retention.json',
  ]);
});

test('a retention that is damaged or gone locks for ever', async () => {
  const store = createDirectoryStore(root, systemClock, async () => 0);
  for (const damage of [
    (path: string) => writeFile(path, '{"until":'),
    (path: string) => rm(path),
  ]) {
    const digest = await store.put(WORKSPACE, utf8(`damaged ${damage}`), 'operational');
    await damage(join(root, WORKSPACE, 'sha256', `${digest.slice(7)}.retention.json`));
    expect((await store.remove(WORKSPACE, digest)).outcome).toBe('kept');
  }
});
