import { afterAll, beforeAll, expect, test } from 'bun:test';
import { INSTANCE_WORKSPACE } from '@portarium/contracts/ids';
import { tellMigrations } from '../../application/tell-migrations.ts';
import { startTestLog, type TestLog } from '../../testing/test-log.ts';
import { systemClock, systemIds } from '../identity/system.ts';
import { connect, type Sql, type TransactionSql } from './connect.ts';
import { sharedPlaces } from './tenancy/places.ts';
import { createWorkspaceStore } from './workspace-store.ts';

let log: TestLog;
let runtime: Sql;
let owner: Sql;
beforeAll(async () => {
  log = await startTestLog();
  runtime = connect(log.runtimeUrl, { max: 1, name: 'test' });
  owner = connect(log.ownerUrl, { max: 1, name: 'test' });
  await tellMigrations({
    store: createWorkspaceStore(sharedPlaces(runtime), systemIds(systemClock)),
  });
  // Somebody to whom an administrator granted everything that can be granted.
  await owner.unsafe(`
    CREATE ROLE meddler NOLOGIN BYPASSRLS;
    GRANT USAGE ON SCHEMA portarium TO meddler;
    GRANT ALL ON ALL TABLES IN SCHEMA portarium TO meddler`);
}, 300_000);
afterAll(async () => {
  await Promise.all([runtime.end({ timeout: 1 }), owner.end({ timeout: 1 })]);
  await log[Symbol.asyncDispose]();
}, 60_000);

const CHANGES = {
  'UPDATE of an entry': `UPDATE portarium.log_entries SET bytes = '\\x7b7d'`,
  'DELETE of an entry': 'DELETE FROM portarium.log_entries',
  'TRUNCATE of entries': 'TRUNCATE portarium.log_entries',
  'INSERT over an entry': `INSERT INTO portarium.log_entries SELECT * FROM portarium.log_entries ON CONFLICT (workspace_id, seq) DO UPDATE SET bytes = '\\x7b7d'`,
  'MERGE into entries':
    'MERGE INTO portarium.log_entries a USING portarium.log_entries b ON a.seq = b.seq AND a.workspace_id = b.workspace_id WHEN MATCHED THEN DELETE',
  'UPDATE of a head to an earlier size': 'UPDATE portarium.log_heads SET size = size - 1',
  'UPDATE of a head to an earlier time': `UPDATE portarium.log_heads SET time = time - interval '1 hour'`,
  'UPDATE of a head’s workspace': `UPDATE portarium.log_heads SET workspace_id = 'elsewhere'`,
  'DELETE of a head': 'DELETE FROM portarium.log_heads',
  'TRUNCATE of heads': 'TRUNCATE portarium.log_heads',
} as const;

/** How each kind of session begins, and who it is. */
const ROLES: Readonly<Record<string, { sql(): Sql; become: string }>> = {
  'the runtime role': { sql: () => runtime, become: 'SELECT 1' },
  'the owner of the tables': { sql: () => owner, become: 'SET LOCAL ROLE portarium_schema' },
  'a role with every grant': { sql: () => owner, become: 'SET LOCAL ROLE meddler' },
  'the superuser': { sql: () => owner, become: 'RESET ROLE' },
  'the superuser as a replica': {
    sql: () => owner,
    become: 'SET LOCAL session_replication_role = replica',
  },
};

/** What becomes of a change; nothing of it stays. */
async function attempt(
  role: string,
  work: (tx: TransactionSql) => Promise<unknown>,
): Promise<string> {
  const session = ROLES[role];
  if (!session) throw new Error(`no role ${role}`);
  try {
    await session.sql().begin(async (tx) => {
      await tx`SELECT set_config('portarium.workspace', ${INSTANCE_WORKSPACE}, true)`;
      await tx.unsafe(session.become);
      await work(tx);
      throw new Error('done, and taken back');
    });
  } catch (error) {
    return (error as Error).message;
  }
  return 'unreachable';
}

for (const role of Object.keys(ROLES)) {
  test(`the log refuses every change to ${role}`, async () => {
    for (const [name, statement] of Object.entries(CHANGES)) {
      const said = await attempt(role, (tx) => tx.unsafe(statement));
      expect([name, said]).toEqual([
        name,
        expect.stringMatching(/append-only|only goes on|permission denied/),
      ]);
    }
  });
}

test('the runtime role and the owner of the tables lack the privileges as well', async () => {
  const rows = await owner`
    SELECT role, t.name, privilege FROM unnest(ARRAY['portarium_runtime', 'portarium_schema']) AS role,
      unnest(ARRAY['log_entries', 'log_heads']) AS t (name), unnest(ARRAY['UPDATE', 'DELETE', 'TRUNCATE']) AS privilege
    WHERE has_table_privilege(role, 'portarium.' || t.name, privilege)`;
  // A head goes on by UPDATE; the trigger sees to the direction.
  expect(rows.map((row) => [row.role, row.name, row.privilege])).toEqual([
    ['portarium_runtime', 'log_heads', 'UPDATE'],
    ['portarium_schema', 'log_heads', 'UPDATE'],
  ]);
});

test('the owner who grants itself the privileges back meets the trigger', async () => {
  const grant = 'GRANT ALL ON portarium.log_entries, portarium.log_heads TO portarium_schema';
  for (const [name, statement] of Object.entries(CHANGES)) {
    const said = await attempt('the owner of the tables', async (tx) => {
      await tx.unsafe(grant);
      await tx.unsafe(statement);
    });
    expect([name, said]).toEqual([name, expect.stringMatching(/append-only|only goes on/)]);
  }
});

test('an id that is taken is an error, not an overwrite, for every role', async () => {
  const again = 'INSERT INTO portarium.log_entries SELECT * FROM portarium.log_entries LIMIT 1';
  for (const role of Object.keys(ROLES)) {
    const said = await attempt(role, (tx) => tx.unsafe(again));
    expect([role, said]).toEqual([role, expect.stringContaining('duplicate key')]);
  }
});

test('no foreign key leads into the log or out of it, so that nothing cascades', async () => {
  const rows = await owner`
    SELECT conname FROM pg_constraint WHERE contype = 'f'
      AND (conrelid::regclass::text ~ '(^|\\.)log_' OR confrelid::regclass::text ~ '(^|\\.)log_')`;
  expect(rows.map(({ conname }) => conname)).toEqual([]);
  const rules = await owner`SELECT rulename FROM pg_rules WHERE tablename LIKE 'log\\_%'`;
  expect(rules.map(({ rulename }) => rulename)).toEqual([]);
});
