import { expect, test } from 'bun:test';
import { cp, mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freshDatabase } from '@portarium/local/testing/shared-services';
import { MIGRATIONS } from '../../compose.ts';
import { migrate } from './migrate.ts';

async function scratch(): Promise<
  { folder: string; run: () => Promise<readonly string[]> } & AsyncDisposable
> {
  const database = await freshDatabase();
  const folder = await mkdtemp(join(tmpdir(), 'portarium-migrations-'));
  await cp(MIGRATIONS, folder, { recursive: true });
  return {
    folder,
    run: async () => {
      const applied = await migrate({
        ownerUrl: database.ownerUrl,
        runtimeUrl: database.url,
        folder,
        toolVersion: 'test',
      });
      return applied.map((migration) => migration.name);
    },
    [Symbol.asyncDispose]: () => rm(folder, { recursive: true }),
  };
}

test('migrations are applied once, also by two that start together, and the journal knows them', async () => {
  await using target = await scratch();
  const both = await Promise.all([target.run(), target.run()]);
  expect(both.flat().sort()).toEqual([
    '0001_expand_actions_and_evidence.sql',
    '0001_expand_foundation.sql',
  ]);
  expect(await target.run()).toEqual([]);
});

test('a file that changed after it was applied stops with its name', async () => {
  await using target = await scratch();
  await target.run();
  await writeFile(join(target.folder, 'global/0001_expand_foundation.sql'), 'SELECT 1;');
  await expect(target.run()).rejects.toThrow(
    'global/0001_expand_foundation.sql changed after it was applied',
  );
});

test('a gap in the versions stops with the file that follows it', async () => {
  await using target = await scratch();
  await writeFile(join(target.folder, 'tenant/0003_expand_late.sql'), 'SELECT 1;');
  await expect(target.run()).rejects.toThrow('tenant/0003_expand_late.sql');
});

test('an applied migration whose file is missing stops with its name', async () => {
  await using target = await scratch();
  await target.run();
  await rename(
    join(target.folder, 'tenant/0001_expand_actions_and_evidence.sql'),
    join(target.folder, 'gone'),
  );
  await expect(target.run()).rejects.toThrow(
    '0001_expand_actions_and_evidence.sql is applied and its file is missing',
  );
});

test('a migration that fails leaves nothing of itself behind', async () => {
  await using target = await scratch();
  await writeFile(
    join(target.folder, 'tenant/0002_expand_broken.sql'),
    'CREATE TABLE half (id int); SELECT nothing_like_this();',
  );
  await expect(target.run()).rejects.toThrow('tenant/0002_expand_broken.sql');
  await Bun.sleep(50);
  await writeFile(
    join(target.folder, 'tenant/0002_expand_broken.sql'),
    'CREATE TABLE half (id int);',
  );
  expect(await target.run()).toEqual(['0002_expand_broken.sql']);
});
