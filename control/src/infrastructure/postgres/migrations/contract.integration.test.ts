import { afterAll, beforeAll, expect, test } from 'bun:test';
import { cp, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freshDatabase } from '@portarium/local/testing/shared-services';
import { MIGRATIONS } from '../../../compose.ts';
import { provision } from '../../../testing/provision.ts';
import { connect, type Sql } from '../connect.ts';
import { contract, rollback } from './contract.ts';
import { dryRunMigrations } from './dry-run.ts';
import { keepLease } from './leases.ts';
import { migrate } from './migrate.ts';
import { readAllMigrations } from './migration-files.ts';
import { migrationStatus } from './migration-status.ts';

let folder = '';
let ownerUrl = '';
let runtimeUrl = '';
let owner: Sql;
let runtime: Sql;
let expandName = '';
let contractName = '';

const header = (phase: string, more = '') =>
  `-- phase: ${phase}\n-- description: a test\n-- reversible: yes\n-- lock-budget-ms: 500\n${more}\n`;
const CONTRACT_SQL = 'ALTER TABLE plugin_egress DROP COLUMN note;';
const ROLLBACK_SQL = "ALTER TABLE plugin_egress ADD COLUMN note text DEFAULT 'none';";
const writeContract = (sql = CONTRACT_SQL, back = ROLLBACK_SQL, requires = expandName) =>
  writeFile(
    join(folder, 'tenant', contractName),
    `${header('contract', `-- requires: ${requires}\n`)}${sql}\n-- rollback\n${back}\n`,
  );

beforeAll(async () => {
  ({ ownerUrl, url: runtimeUrl } = await freshDatabase());
  folder = await mkdtemp(join(tmpdir(), 'portarium-contract-'));
  await cp(MIGRATIONS, folder, { recursive: true });
  const next = (await readdir(join(folder, 'tenant'))).length + 1;
  const named = (at: number, what: string) => `${String(at).padStart(4, '0')}_${what}.sql`;
  expandName = named(next, 'expand_note');
  contractName = named(next + 1, 'contract_note');
  await writeFile(
    join(folder, 'tenant', expandName),
    `${header('expand')}ALTER TABLE plugin_egress ADD COLUMN note text DEFAULT 'none';\n`,
  );
  await migrate({ ownerUrl, runtimeUrl, folder: MIGRATIONS, toolVersion: 'test' });
  await provision({ ownerUrl, runtimeUrl }, 'with-schema', 'B');
  owner = connect(ownerUrl, { max: 2, name: 'test' });
  runtime = connect(runtimeUrl, { max: 2, name: 'test' });
}, 60_000);
afterAll(async () => {
  await Promise.all([owner.end(), runtime.end()]);
  await rm(folder, { recursive: true });
});

const hasNote = async () => {
  const rows = await owner`
    SELECT table_schema FROM information_schema.columns
    WHERE table_name = 'plugin_egress' AND column_name = 'note' ORDER BY 1`;
  return rows.map((row) => row.table_schema);
};
const BOTH = ['portarium', 'ws_with_schema'];
const run = (more: { allowContract?: boolean } = {}) =>
  contract({ ownerUrl, folder, toolVersion: 'test', allowContract: true, ...more });

test('a dry run says which locks it took, and leaves nothing', async () => {
  const runs = await dryRunMigrations({ ownerUrl, folder });
  // Seen from inside, where the target's schema is the one that is searched.
  const locks = [{ relation: 'plugin_egress', mode: 'AccessExclusiveLock' }];
  expect(runs).toEqual(
    ['tenant', 'workspace/with-schema'].map((target) => ({
      ...{ target, name: expandName, locks, ms: expect.any(Number) },
    })),
  );
  expect(await hasNote()).toEqual([]);
});

test('a Contract is refused before its Expand, and without being asked for', async () => {
  await writeContract();
  await expect(run()).rejects.toThrow(`${contractName} ends ${expandName}, which is not applied`);
  await migrate({ ownerUrl, runtimeUrl, folder, toolVersion: 'test' });
  expect(await hasNote()).toEqual(BOTH);
  await expect(run({ allowContract: false })).rejects.toThrow('say --allow-contract');
  await writeContract(CONTRACT_SQL, ROLLBACK_SQL, '0001_expand_nothing_like_it.sql');
  await expect(run()).rejects.toThrow('which is not applied');
  await writeContract();
  const { targets } = await migrationStatus({ ownerUrl, folder });
  expect(targets.map(({ target, pending, contracts }) => [target, pending, contracts])).toEqual([
    ['global', [], []],
    ['tenant', [], [contractName]],
    ['workspace/with-schema', [], [contractName]],
  ]);
  expect(await hasNote()).toEqual(BOTH);
});

test('a Contract whose rollback does not put everything back never runs', async () => {
  for (const [sql, back, why] of [
    [CONTRACT_SQL, 'SELECT 1;', 'its rollback does not put back what it took away'],
    [
      CONTRACT_SQL,
      'ALTER TABLE plugin_egress ADD COLUMN note text;',
      'column plugin_egress.note text',
    ],
    [
      CONTRACT_SQL,
      `${ROLLBACK_SQL} CREATE TABLE IF NOT EXISTS more (id int);`,
      'its rollback does not put back',
    ],
    [CONTRACT_SQL, 'SELECT nothing_like_this();', 'nothing_like_this'],
    [
      `${CONTRACT_SQL} DROP INDEX plugins_by_id;`,
      ROLLBACK_SQL,
      'CREATE UNIQUE INDEX plugins_by_id',
    ],
    [
      `${CONTRACT_SQL} REVOKE UPDATE ON actions FROM portarium_runtime;`,
      ROLLBACK_SQL,
      'grant actions portarium_runtime=',
    ],
  ] as const) {
    await writeContract(sql, back);
    await expect(run()).rejects.toThrow(why);
  }
  expect(await hasNote()).toEqual(BOTH);
  const scratch = await owner`SELECT FROM pg_database WHERE datname LIKE 'portarium_scratch_%'`;
  expect(scratch).toHaveLength(0);
});

test('a Contract waits for every process that was made for an older schema', async () => {
  await writeContract();
  const newest = await readAllMigrations(folder);
  const old = { global: newest.global, tenant: newest.tenant.slice(0, -1) };
  const [before, after] = await Promise.all(
    [old, newest].map((files) => keepLease(runtime, { role: 'api', version: '0.0.9', files })),
  );
  const { leases } = await migrationStatus({ ownerUrl, folder });
  expect(leases.map(({ tenantVersion }) => tenantVersion).sort()).toEqual([
    old.tenant.length,
    newest.tenant.length,
  ]);
  await expect(run()).rejects.toThrow(
    '1 running process may still need what it takes away, such as api of 0.0.9',
  );
  expect(await hasNote()).toEqual(BOTH);
  // One that was killed does not hold for ever.
  await owner`UPDATE portarium.schema_leases SET expires_at = now() - interval '1 second' WHERE tenant_version = ${old.tenant.length}`;
  expect(await run()).toEqual([
    { target: 'tenant', name: contractName },
    { target: 'workspace/with-schema', name: contractName },
  ]);
  expect(await hasNote()).toEqual([]);
  await Promise.all([before?.stop(), after?.stop()]);
  expect((await migrationStatus({ ownerUrl, folder })).leases).toEqual([]);
  expect(await run()).toEqual([]);
});

test('a rollback puts back what the newest Contract took away, and it may run again', async () => {
  expect(await rollback({ ownerUrl, folder })).toEqual([
    { target: 'tenant', name: contractName },
    { target: 'workspace/with-schema', name: contractName },
  ]);
  expect(await hasNote()).toEqual(BOTH);
  expect(await rollback({ ownerUrl, folder })).toEqual([]);
  expect(await run()).toHaveLength(2);
  expect(await hasNote()).toEqual([]);
});
