/** Each policy, right and membership that tenancy hangs by is taken away in turn: the attacks have to say so. */
import { afterAll, beforeAll, expect, test } from 'bun:test';
import { runCount } from '@portarium/contracts/testing/run-count';
import { randomFrom, sampleOf } from '../../../testing/random-from.ts';
import { checkCatalogue, checkDatabases, SHARED } from '../../../testing/tenancy-catalogue.ts';
import { probeLogin, probeSchema, probeShared } from '../../../testing/tenancy-probes.ts';
import { GLOBAL_TABLES, tablesOf } from '../../../testing/tenancy-rows.ts';
import {
  namesOf,
  rolesOf,
  type Scratch,
  schemaOf,
  startScratch,
  undone,
} from '../../../testing/tenancy-scratch.ts';
import type { TransactionSql } from '../connect.ts';

const SEED = 20_261_128;
const random = randomFrom(SEED);
const SCHEMAS = ['gone-a', 'gone--a'] as const;
const DATABASES = ['gone-c', 'gonec'] as const;
const [OWN, OTHER] = SCHEMAS;
const SHARED_PAIR = { own: 'gone-one', other: 'gone-two' };
const MINE = namesOf(OWN);
const THEIRS = namesOf(OTHER);
/** Of what repeats what is gone through for each of the shared tables. */
const SAMPLE = runCount(6, 1_000);

interface Removal {
  readonly sql: string;
  /** The table that it is about; its own attacks are run. */
  readonly table?: string;
  /** Where attacks see it, and not the catalogue alone. */
  readonly felt?: boolean;
}

let scratch: Scratch;
beforeAll(async () => {
  const shared = Object.values(SHARED_PAIR);
  scratch = await startScratch({ shared, schemas: SCHEMAS, databases: DATABASES });
}, 240_000);
afterAll(() => scratch[Symbol.asyncDispose](), 30_000);

function catalogue(tx: TransactionSql): Promise<readonly string[]> {
  return checkCatalogue(tx, SHARED, SCHEMAS.map(schemaOf));
}

/** Everything that attacks one table, with each role. The owner of the tables is bound by forced policies alone. */
async function attacks(tx: TransactionSql, table: string): Promise<readonly string[]> {
  const pair = { own: OWN, other: OTHER };
  const places = { own: MINE.place, other: THEIRS.place };
  const roles = ['portarium_runtime', 'portarium_destroy', 'portarium_schema'];
  return [
    ...(await probeShared(tx, SHARED_PAIR, roles, table)),
    ...(await probeShared(tx, pair, ['portarium_schema'], table, MINE.place)),
    ...(await probeSchema(tx, pair, places, rolesOf(OWN), table)),
  ];
}

async function expectMissed(removals: readonly Removal[]): Promise<void> {
  expect(removals.length).toBeGreaterThan(0);
  for (const { sql, table, felt } of removals) {
    const found = await undone(scratch.owner, async (tx) => {
      await tx.unsafe(sql);
      const seen = await catalogue(tx);
      return { seen, hit: table === undefined ? [] : await attacks(tx, table) };
    });
    expect([sql, found.seen.length + found.hit.length]).not.toEqual([sql, 0]);
    if (felt) expect([sql, found.hit.length]).not.toEqual([sql, 0]);
  }
}

test('with everything in its place neither catalogue nor attack finds anything', async () => {
  const tables = await tablesOf(scratch.owner, 'portarium');
  const global = await tablesOf(scratch.owner, 'portarium', 'global');
  expect([tables.length > 30, global.length]).toEqual([true, 7]);
  const found = await undone(scratch.owner, async (tx) => {
    const hits: string[] = [];
    for (const { name } of [...tables, ...global]) hits.push(...(await attacks(tx, name)));
    return [...(await catalogue(tx)), ...hits];
  });
  expect(found).toEqual([]);
}, 60_000);

interface Policy {
  readonly schema: string;
  readonly table: string;
  readonly name: string;
  readonly has_using: boolean;
  readonly has_check: boolean;
}

/** Those of workspaces; what is for the instance's own roles is another matter. */
async function policiesIn(schema: string): Promise<readonly Policy[]> {
  return scratch.owner<Policy[]>`
    SELECT n.nspname AS schema, c.relname AS table, p.polname AS name, polqual IS NOT NULL AS has_using, polwithcheck IS NOT NULL AS has_check
    FROM pg_policy p JOIN pg_class c ON c.oid = p.polrelid JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE n.nspname = ${schema} AND p.polname <> 'instance' ORDER BY 2, 3`;
}

/** Without it; with one that admits every row, to be seen, to be written, or both; with another beside it. */
const withoutPolicy = ({ schema, table, name, has_using, has_check }: Policy): Removal[] => {
  const on = `POLICY ${name} ON ${schema}.${table}`;
  const parts = [
    ...(has_using ? ['USING (true)'] : []),
    ...(has_check ? ['WITH CHECK (true)'] : []),
  ];
  return [
    { sql: `DROP ${on}`, table, felt: true },
    { sql: `ALTER ${on} ${parts.join(' ')}`, table, felt: true },
    ...(parts.length > 1 ? parts.map((part) => ({ sql: `ALTER ${on} ${part}`, table })) : []),
    { sql: `CREATE POLICY more ON ${schema}.${table} USING (true)`, table, felt: true },
  ];
};

test('a policy of shared tables, or of those of the instance, that goes or opens is missed', async () => {
  const policies = await policiesIn('portarium');
  expect(policies.length).toBeGreaterThan(40);
  const rest = sampleOf(
    policies.flatMap((one) => withoutPolicy(one).slice(2)),
    SAMPLE,
    random,
  );
  await expectMissed([...policies.flatMap((one) => withoutPolicy(one).slice(0, 2)), ...rest]);
}, 240_000);

test('a policy in the schema of a workspace that goes or opens is missed', async () => {
  const policies = await policiesIn(MINE.place);
  await expectMissed(sampleOf(policies, SAMPLE, random).flatMap(withoutPolicy));
}, 240_000);

test('row security that is switched off, or not forced, is missed in each table', async () => {
  const shared = await tablesOf(scratch.owner, 'portarium');
  const mine = sampleOf(await tablesOf(scratch.owner, MINE.place), SAMPLE, random);
  const off = [...shared, ...mine].flatMap(({ schema, name: table }) => {
    const alter = `ALTER TABLE ${schema}.${table}`;
    return ['DISABLE ROW LEVEL SECURITY', 'NO FORCE ROW LEVEL SECURITY'].map((what) => ({
      ...{ sql: `${alter} ${what}`, table, felt: true },
    }));
  });
  const global = (await tablesOf(scratch.owner, 'portarium', 'global'))
    .filter(({ name }) => GLOBAL_TABLES[name] !== null)
    .map(({ name: table }) => ({
      ...{ sql: `ALTER TABLE portarium.${table} DISABLE ROW LEVEL SECURITY`, table, felt: true },
    }));
  await expectMissed([...off, ...global]);
}, 240_000);

test('a right that is given to whom it is not for, or taken from whom it is, is missed in each table', async () => {
  const shared = await tablesOf(scratch.owner, 'portarium');
  const mine = sampleOf(await tablesOf(scratch.owner, MINE.place), SAMPLE, random);
  await expectMissed([
    ...shared.flatMap(({ name: table }): Removal[] => [
      { sql: `GRANT SELECT ON portarium.${table} TO portarium_tenants`, table, felt: true },
      { sql: `REVOKE ALL ON portarium.${table} FROM portarium_runtime` },
    ]),
    ...mine.flatMap(({ schema, name: table }): Removal[] => [
      { sql: `GRANT SELECT ON ${schema}.${table} TO PUBLIC` },
      { sql: `GRANT INSERT ON ${schema}.${table} TO portarium_runtime` },
      { sql: `GRANT SELECT (workspace_id) ON ${schema}.${table} TO ${THEIRS.runtimeRole}` },
      { sql: `GRANT TRUNCATE ON ${schema}.${table} TO ${MINE.runtimeRole}`, table },
      { sql: `REVOKE ALL ON ${schema}.${table} FROM ${MINE.runtimeRole}` },
      { sql: `ALTER TABLE ${schema}.${table} OWNER TO ${MINE.runtimeRole}` },
    ]),
    ...[
      ['api_keys', 'SELECT (secret_hash)'],
      ['rate_buckets', 'SELECT'],
      ['outbox', 'TRUNCATE'],
    ].map(([table = '', right]) => ({
      ...{ sql: `GRANT ${right} ON portarium.${table} TO portarium_tenants`, table, felt: true },
    })),
    { sql: `GRANT TRUNCATE ON portarium.actions TO portarium_runtime` },
    { sql: `ALTER DEFAULT PRIVILEGES IN SCHEMA ${MINE.place} GRANT SELECT ON TABLES TO PUBLIC` },
  ]);
}, 240_000);

test('a way into the schema of a workspace is missed, for the login and for other workspaces', async () => {
  const login = ['portarium_runtime', 'portarium_destroy'];
  for (const to of ['PUBLIC', 'portarium_runtime', 'portarium_tenants', THEIRS.runtimeRole]) {
    await expectMissed([{ sql: `GRANT USAGE ON SCHEMA ${MINE.place} TO ${to}` }]);
  }
  await expectMissed([
    { sql: `REVOKE USAGE ON SCHEMA ${MINE.place} FROM ${MINE.runtimeRole}` },
    { sql: `GRANT CREATE ON SCHEMA ${MINE.place} TO ${MINE.runtimeRole}` },
  ]);
  for (const role of [...rolesOf(OWN), ...rolesOf(OTHER)]) {
    const inherits = `GRANT ${role} TO portarium_runtime WITH INHERIT TRUE`;
    await expectMissed([{ sql: inherits }]);
    const place = rolesOf(OWN).includes(role) ? MINE.place : THEIRS.place;
    const hit = await undone(scratch.owner, async (tx) => {
      await tx.unsafe(inherits);
      return probeLogin(tx, OWN, place, login);
    });
    expect([inherits, hit.length]).not.toEqual([inherits, 0]);
  }
}, 120_000);

test('a role that may more than it should, or is a member of what it should not be, is missed', async () => {
  const roles = [...rolesOf(OWN), 'portarium_tenants', 'portarium_destroy'];
  await expectMissed([
    ...roles.map((role) => ({ sql: `ALTER ROLE ${role} LOGIN` })),
    ...[...roles, 'portarium_runtime'].flatMap((role) =>
      ['BYPASSRLS', 'SUPERUSER', 'CREATEROLE'].map((may) => ({ sql: `ALTER ROLE ${role} ${may}` })),
    ),
    ...[
      `GRANT ${MINE.runtimeRole} TO ${THEIRS.runtimeRole}`,
      `GRANT ${MINE.runtimeRole} TO portarium_destroy`,
      `GRANT ${MINE.runtimeRole} TO portarium_runtime WITH ADMIN OPTION`,
      `GRANT ${MINE.destroyRole} TO ${MINE.runtimeRole}`,
      `GRANT portarium_tenants TO portarium_runtime`,
      `GRANT portarium_schema TO portarium_runtime WITH INHERIT FALSE`,
      `GRANT portarium_destroy TO portarium_runtime WITH INHERIT TRUE`,
      `REVOKE portarium_tenants FROM ${MINE.runtimeRole}`,
      `REVOKE ${MINE.runtimeRole} FROM portarium_runtime`,
    ].map((sql) => ({ sql })),
  ]);
}, 120_000);

test('a view or a function that acts as its owner, and a table that nobody bound, is missed', async () => {
  const functions = await scratch.owner`
    SELECT oid::regprocedure::text AS name FROM pg_proc WHERE pronamespace IN (to_regnamespace('portarium'), to_regnamespace(${MINE.place}))`;
  const views = ['portarium', MINE.place].map((schema) => `${schema}.artifacts_on_hold`);
  await expectMissed([
    ...functions.map(({ name }) => ({ sql: `ALTER FUNCTION ${name} SECURITY DEFINER` })),
    ...views.map((view) => ({ sql: `ALTER VIEW ${view} SET (security_invoker = false)` })),
    ...['portarium', MINE.place].flatMap((schema) => [
      { sql: `CREATE TABLE ${schema}.later (workspace_id text)` },
      { sql: `CREATE TABLE ${schema}.later (id text)` },
      { sql: `CREATE MATERIALIZED VIEW ${schema}.later AS SELECT 1 AS one` },
    ]),
  ]);
}, 120_000);

test('a login that may connect to the database of another is missed', async () => {
  const [first, second] = DATABASES.map(namesOf);
  if (!first || !second) throw new Error('two workspaces of tier C are needed');
  const databases = {
    [scratch.database]: 'portarium_runtime',
    [first.place]: first.runtimeRole,
    [second.place]: second.runtimeRole,
  };
  const find = (sql: string) =>
    undone(scratch.owner, async (tx) => {
      await tx.unsafe(sql);
      return checkDatabases(tx, databases);
    });
  expect(await find('SELECT 1')).toEqual([]);
  for (const [database, its] of Object.entries(databases)) {
    const others = [...Object.values(databases), 'PUBLIC'].filter((role) => role !== its);
    for (const sql of [
      ...others.map((role) => `GRANT CONNECT ON DATABASE ${database} TO ${role}`),
      `REVOKE CONNECT ON DATABASE ${database} FROM ${its}`,
    ]) {
      expect([sql, (await find(sql)).length]).not.toEqual([sql, 0]);
    }
  }
});
