import { afterAll, beforeAll, expect, test } from 'bun:test';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { entryDataProblem } from '@portarium/contracts/entry-data';
import type { Entry } from '@portarium/contracts/evidence-entry';
import type { WorkspaceId } from '@portarium/contracts/ids';
import { MIGRATIONS } from '../compose.ts';
import { connect, type Sql } from '../infrastructure/postgres/connect.ts';
import { untoldWorkspaces } from '../infrastructure/postgres/migration-tables.ts';
import { createIn, provision } from '../testing/provision.ts';
import { startTestInstance, type TestInstance } from '../testing/test-instance.ts';
import { tellMigrations, tellWorkspaceMigrations } from './tell-migrations.ts';

let instance: TestInstance;
let owner: Sql;
let own: Sql;
let files: { readonly global: readonly string[]; readonly tenant: readonly string[] };
beforeAll(async () => {
  instance = await startTestInstance();
  for (const [id, tier] of [
    ['told-a', 'A'],
    ['told-b', 'B'],
    ['told-b2', 'B'],
    ['told-c', 'C'],
  ] as const) {
    expect((await createIn(instance, id, tier)).status).toBe(201);
  }
  owner = connect(instance.ownerUrl, { max: 2, name: 'test' });
  const url = new URL(instance.ownerUrl);
  url.pathname = '/ws_told_c';
  own = connect(url.href, { max: 1, name: 'test' });
  const [global = [], tenant = []] = await Promise.all(
    ['global', 'tenant'].map(async (part) => (await readdir(join(MIGRATIONS, part))).toSorted()),
  );
  files = { global, tenant };
}, 120_000);
afterAll(async () => {
  await Promise.all([owner.end(), own.end()]);
  await instance[Symbol.asyncDispose]();
}, 30_000);

/** What a log tells of migrations, as `TARGET/FILE`. */
async function toldIn(sql: Sql, schema: string, workspace: string): Promise<readonly string[]> {
  const rows = await sql`
    SELECT bytes FROM ${sql(schema)}.log_entries
    WHERE workspace_id = ${workspace} AND type = 'migration.applied' ORDER BY seq`;
  return rows.map(({ bytes }) => {
    const { data } = JSON.parse(new TextDecoder().decode(bytes as Uint8Array)) as Entry;
    expect(entryDataProblem('migration.applied', data)).toBeUndefined();
    return `${data.target}/${data.name}`;
  });
}

const sweep = () => {
  const { context, sql } = instance.composed;
  return tellWorkspaceMigrations(context, () => untoldWorkspaces(sql));
};

test('the log of a workspace tells of each migration of its own tables once, and no other log does', async () => {
  const b = () => toldIn(owner, 'ws_told_b', 'told-b');
  const c = () => toldIn(own, 'portarium', 'told-c');
  expect([await b(), await c()]).toEqual([[], []]);
  // As Control Planes do that start together.
  await Promise.all([sweep(), sweep(), sweep()]);
  await sweep();
  expect(await b()).toEqual(files.tenant.map((name) => `workspace/told-b/${name}`));
  expect((await c()).toSorted()).toEqual(
    [
      ...files.global.map((name) => `global/${name}`),
      ...files.tenant.map((name) => `tenant/${name}`),
    ].toSorted(),
  );
  expect(await toldIn(owner, 'portarium', 'told-a')).toEqual([]);
  await tellMigrations(instance.composed.context);
  const shared = await toldIn(owner, 'portarium', '_instance');
  expect(shared).toHaveLength(files.global.length + files.tenant.length);
  expect(shared.filter((one) => one.startsWith('workspace/'))).toEqual([]);
});

test('a log that takes no entry waits for another start, and keeps none from being told', async () => {
  await owner`UPDATE portarium.migration_journal SET told = false WHERE target IN ('workspace/told-b', 'workspace/told-b2') AND version = 1`;
  await own`UPDATE portarium.migration_journal SET told = false WHERE target = 'global' AND version = 1`;
  await owner`INSERT INTO ws_told_b.log_freezes (workspace_id, reason, detail, size, stored_size, frozen_at)
    VALUES ('told-b', 'test', 'test', 0, 0, now())`;
  const before = (await toldIn(owner, 'ws_told_b', 'told-b')).length;
  await sweep();
  expect(await toldIn(owner, 'ws_told_b', 'told-b')).toHaveLength(before);
  expect((await toldIn(owner, 'ws_told_b2', 'told-b2')).at(-1)).toBe(
    `workspace/told-b2/${files.tenant[0]}`,
  );
  expect((await toldIn(own, 'portarium', 'told-c')).at(-1)).toBe(`global/${files.global[0]}`);
  await owner`DELETE FROM ws_told_b.log_freezes`;
  await sweep();
  expect(await toldIn(owner, 'ws_told_b', 'told-b')).toHaveLength(before + 1);
});

test('a workspace that nobody has created yet is told nothing, and one that is away is passed by', async () => {
  await provision(instance, 'told-half', 'B');
  const untold = await untoldWorkspaces(instance.composed.sql);
  expect(untold).not.toContain('told-half' as WorkspaceId);
  await own`UPDATE portarium.migration_journal SET told = false WHERE target = 'global' AND version = 1`;
  await owner`UPDATE portarium.migration_journal SET told = false WHERE target = 'workspace/told-b' AND version = 1`;
  const before = (await toldIn(owner, 'ws_told_b', 'told-b')).length;
  const { context } = instance.composed;
  const away = 'told-away' as WorkspaceId;
  await owner`INSERT INTO portarium.workspaces (id, name, tenancy_tier, created_at) VALUES (${away}, 'a', 'C', now())`;
  await tellWorkspaceMigrations(context, async () => [away, 'told-b' as WorkspaceId]);
  expect(await toldIn(owner, 'ws_told_b', 'told-b')).toHaveLength(before + 1);
  await tellWorkspaceMigrations(context, () => Promise.reject(new Error('away')));
});
