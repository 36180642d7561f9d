import { expect, test } from 'bun:test';
import { cp, mkdtemp, readdir, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { entryDataProblem } from '@portarium/contracts/entry-data';
import type { Entry } from '@portarium/contracts/evidence-entry';
import { freshDatabase } from '@portarium/local/testing/shared-services';
import { tellMigrations } from '../../../application/tell-migrations.ts';
import { MIGRATIONS } from '../../../compose.ts';
import { systemClock, systemIds } from '../../identity/system.ts';
import { connect } from '../connect.ts';
import { sharedPlaces } from '../tenancy/places.ts';
import { createWorkspaceStore } from '../workspace-store.ts';
import { migrate } from './migrate.ts';

/** A file with the header that every Expand has. */
const expand = (sql: string) =>
  `-- phase: expand\n-- description: a test\n-- reversible: yes\n-- lock-budget-ms: 500\n\n${sql}\n`;

async function scratch(): Promise<
  {
    folder: string;
    ownerUrl: string;
    runtimeUrl: string;
    run: () => Promise<readonly string[]>;
  } & AsyncDisposable
> {
  const database = await freshDatabase();
  const folder = await mkdtemp(join(tmpdir(), 'portarium-migrations-'));
  await cp(MIGRATIONS, folder, { recursive: true });
  return {
    folder,
    ownerUrl: database.ownerUrl,
    runtimeUrl: database.url,
    run: async () => {
      const applied = await migrate({
        ownerUrl: database.ownerUrl,
        runtimeUrl: database.url,
        folder,
        toolVersion: 'test',
      });
      return applied.map(({ migration }) => migration.name);
    },
    [Symbol.asyncDispose]: () => rm(folder, { recursive: true }),
  };
}

test('migrations are applied once, also by two that start together, and the journal knows them', async () => {
  await using target = await scratch();
  const both = await Promise.all([target.run(), target.run()]);
  const files = await Promise.all(
    ['global', 'tenant'].map((part) => readdir(join(MIGRATIONS, part))),
  );
  expect(both.flat().sort()).toEqual(files.flat().sort());
  expect(await target.run()).toEqual([]);
});

test('a file that changed after it was applied stops with its name', async () => {
  await using target = await scratch();
  await target.run();
  await writeFile(join(target.folder, 'global/0001_expand_foundation.sql'), expand('SELECT 1;'));
  await expect(target.run()).rejects.toThrow(
    'global/0001_expand_foundation.sql changed after it was applied',
  );
});

test('a gap in the versions stops with the file that follows it', async () => {
  await using target = await scratch();
  await writeFile(join(target.folder, 'tenant/0099_expand_late.sql'), expand('SELECT 1;'));
  await expect(target.run()).rejects.toThrow('tenant/0099_expand_late.sql');
});

test('an applied migration whose file is missing stops with its name', async () => {
  await using target = await scratch();
  await target.run();
  const newest = (await readdir(join(target.folder, 'tenant'))).toSorted().at(-1) ?? '';
  await rename(join(target.folder, 'tenant', newest), join(target.folder, 'gone'));
  await expect(target.run()).rejects.toThrow(`${newest} is applied and its file is missing`);
});

test('a migration that fails leaves nothing of itself behind', async () => {
  await using target = await scratch();
  const next = (await readdir(join(target.folder, 'tenant'))).length + 1;
  const name = `${String(next).padStart(4, '0')}_expand_broken.sql`;
  const file = join(target.folder, 'tenant', name);
  await writeFile(file, expand('CREATE TABLE half (id int); SELECT nothing_like_this();'));
  await expect(target.run()).rejects.toThrow(`tenant/${name}`);
  await Bun.sleep(50);
  await writeFile(file, expand('CREATE TABLE half (id int);'));
  expect(await target.run()).toContain(name);
});

test('calls that were recorded before the journal stand in it after the migration, in every workspace', async () => {
  await using target = await scratch();
  const tenant = join(target.folder, 'tenant');
  const later = (await readdir(tenant)).filter((name) => name > '0002');
  for (const name of later) await rename(join(tenant, name), join(target.folder, name));
  await target.run();
  const owner = connect(target.ownerUrl, { max: 1, name: 'test' });
  const [action, first, second] = [1, 2, 3].map((n) => `00000000-0000-7000-8000-00000000000${n}`);
  for (const workspace of ['one', 'two']) {
    await owner.begin(async (tx) => {
      await tx`SELECT set_config('portarium.workspace', ${workspace}, true)`;
      for (const [i, attempt] of [first, second].entries()) {
        await tx`INSERT INTO portarium.attempts (workspace_id, id, action_id, fence, host, isolation, engine, lease_until, started_at)
          VALUES (${workspace}, ${attempt ?? ''}, ${action ?? ''}, ${i + 1}, 'h', 'process', 'e', now(), now())`;
        await tx`INSERT INTO portarium.egress_calls (workspace_id, attempt_id, call, action_id, record, recorded_at)
          VALUES (${workspace}, ${attempt ?? ''}, 0, ${action ?? ''}, ${tx.json({ call: 0, ms: 1.25, of: i })}, now())`;
      }
    });
  }
  for (const name of later) await rename(join(target.folder, name), join(tenant, name));
  await target.run();
  for (const workspace of ['one', 'two']) {
    const rows = await owner.begin(async (tx) => {
      await tx`SELECT set_config('portarium.workspace', ${workspace}, true)`;
      return tx`SELECT workspace_id, call, attempt_id, record, write FROM portarium.journal WHERE workspace_id = ${workspace}`;
    });
    // The newest attempt's word counts, and times are whole milliseconds now.
    const record = { call: 0, ms: 2, of: 1 };
    expect(rows.map((row) => ({ ...row }))).toEqual([
      { workspace_id: workspace, call: 0, attempt_id: second, record, write: false },
    ]);
  }
  await owner.end();
});

test('the log of the instance tells of each migration once, and of those of before it was told', async () => {
  await using target = await scratch();
  const tenant = join(target.folder, 'tenant');
  const names = (await readdir(tenant)).toSorted();
  const newest = names.at(-1) ?? '';
  await rename(join(tenant, newest), join(target.folder, newest));
  const first = await target.run();
  const owner = connect(target.ownerUrl, { max: 1, name: 'test' });
  const runtime = connect(target.runtimeUrl, { max: 4, name: 'test' });
  // As Control Planes do that start together.
  const stores = [1, 2, 3].map(() =>
    createWorkspaceStore(sharedPlaces(runtime), systemIds(systemClock)),
  );
  const tell = () => Promise.all(stores.map((store) => tellMigrations({ store })));
  const told = async () => {
    const rows =
      await owner`SELECT bytes FROM portarium.log_entries WHERE workspace_id = '_instance' ORDER BY seq`;
    return rows.map(
      ({ bytes }) => JSON.parse(new TextDecoder().decode(bytes as Uint8Array)) as Entry,
    );
  };
  const nameOf = ({ data }: Entry) => data.name;
  expect(await told()).toEqual([]);
  await tell();
  expect((await told()).map(nameOf).toSorted()).toEqual(first.toSorted());
  // As a release left it that did not tell yet.
  await owner`ALTER TABLE portarium.migration_journal DROP COLUMN told`;
  await rename(join(target.folder, newest), join(tenant, newest));
  expect(await target.run()).toEqual([newest]);
  await tell();
  const entries = await told();
  expect(entries.slice(first.length).map(nameOf).toSorted()).toEqual([...first, newest].toSorted());
  expect(await target.run()).toEqual([]);
  await tell();
  expect(await told()).toHaveLength(entries.length);
  for (const { type, data } of entries) {
    expect([type, entryDataProblem('migration.applied', data)]).toEqual([
      'migration.applied',
      undefined,
    ]);
  }
  const [row] =
    await owner`SELECT checksum FROM portarium.migration_journal WHERE target = 'tenant' AND name = ${newest}`;
  expect(entries.find(({ data }) => data.name === newest)?.data).toMatchObject({
    ...{ target: 'tenant', version: names.length, phase: 'expand', toolVersion: 'test' },
    digest: `sha256:${row?.checksum}`,
  });
  await Promise.all([owner.end(), runtime.end()]);
});
