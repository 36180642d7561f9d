/** Attacks by SQL, with the logins that the Control Plane has, on every table that the catalogue knows. */
import { afterAll, beforeAll, expect, test } from 'bun:test';
import fc from 'fast-check';
import { provision } from '../../../testing/provision.ts';
import { checkCatalogue, checkDatabases, SHARED } from '../../../testing/tenancy-catalogue.ts';
import { probeLogin, probeSchema, probeShared, probing } from '../../../testing/tenancy-probes.ts';
import {
  inDatabase,
  namesOf,
  rolesOf,
  type Scratch,
  schemaOf,
  startScratch,
  undone,
} from '../../../testing/tenancy-scratch.ts';
import { workspaceIds } from '../../../testing/workspace-ids.ts';
import { connect } from '../connect.ts';

/** Of tier B; as near to each other as ids may be. */
const SCHEMAS = ['sqla-b', 'sqla--b', 'sqlab'] as const;
const DATABASES = ['sqlc-d', 'sqlcd'] as const;
const [OWN, OTHER] = SCHEMAS;
const SHARED_PAIR = { own: 'sql-one', other: 'sql-two' };

let scratch: Scratch;
beforeAll(async () => {
  const shared = Object.values(SHARED_PAIR);
  scratch = await startScratch({ shared, schemas: SCHEMAS, databases: DATABASES });
}, 240_000);
afterAll(() => scratch[Symbol.asyncDispose](), 30_000);

for (const role of ['portarium_runtime', 'portarium_destroy']) {
  test(`tier A: ${role} sees, changes and adds rows of the workspace that it is bound to, and of no other`, async () => {
    expect(await probing(scratch.runtime, (tx) => probeShared(tx, SHARED_PAIR, [role]))).toEqual(
      [],
    );
  });
}

test('tier B: the roles of a workspace reach its own rows in its own schema, and no other table, whatever the setting says', async () => {
  for (const [own, other] of [
    [OWN, OTHER],
    [OTHER, SCHEMAS[2]],
    [SCHEMAS[2], OWN],
  ] as const) {
    const places = { own: namesOf(own).place, other: namesOf(other).place };
    const found = await probing(scratch.runtime, (tx) =>
      probeSchema(tx, { own, other }, places, rolesOf(own)),
    );
    expect(found).toEqual([]);
  }
}, 60_000);

test('tier B: the login itself, and what disposes, reaches no table in the schema of a workspace', async () => {
  for (const id of SCHEMAS) {
    const roles = ['portarium_runtime', 'portarium_destroy'];
    expect(
      await probing(scratch.runtime, (tx) => probeLogin(tx, id, namesOf(id).place, roles)),
    ).toEqual([]);
  }
}, 60_000);

test('tier C: in its database a workspace sees, changes and adds its own rows, and no others', async () => {
  for (const own of DATABASES) {
    const other = DATABASES.find((one) => one !== own) ?? '';
    const its = scratch.login(scratch.databaseUrls.get(own) as string);
    expect(await probing(its, (tx) => probeShared(tx, { own, other }, rolesOf(own)))).toEqual([]);
  }
});

test('tier C: no login connects to a database that is not its own', async () => {
  const [first = '', second = ''] = DATABASES.map((id) => scratch.databaseUrls.get(id) as string);
  const shared = scratch.database;
  const places = DATABASES.map((id) => namesOf(id).place);
  const knock = async (url: string) => {
    const sql = connect(url, { max: 1, name: 'test-knock' });
    const came = await sql`SELECT 1`.then(
      () => 'in',
      (error: { code?: string }) => error.code,
    );
    await sql.end({ timeout: 1 });
    return came;
  };
  for (const url of [first, second, scratch.runtimeUrl]) expect(await knock(url)).toBe('in');
  for (const [url, database] of [
    [first, places[1]],
    [first, shared],
    [second, places[0]],
    [second, shared],
    [scratch.runtimeUrl, places[0]],
    [scratch.runtimeUrl, places[1]],
  ] as const) {
    expect([database, await knock(inDatabase(url, database as string))]).toEqual([
      database,
      '42501',
    ]);
  }
});

test('the catalogue has row security, rights and roles as tenancy needs them', async () => {
  const own = SCHEMAS.map(schemaOf);
  expect(await probing(scratch.runtime, (tx) => checkCatalogue(tx, SHARED, own))).toEqual([]);
  const databases = Object.fromEntries([
    [scratch.database, 'portarium_runtime'],
    ...DATABASES.map((id) => [namesOf(id).place, namesOf(id).runtimeRole]),
  ]);
  expect(await probing(scratch.owner, (tx) => checkDatabases(tx, databases))).toEqual([]);
  for (const id of DATABASES) {
    const its = scratch.login(scratch.databaseUrls.get(id) as string);
    const shared = { ...namesOf(id), schema: 'portarium' };
    expect(await probing(its, (tx) => checkCatalogue(tx, shared, []))).toEqual([]);
  }
});

test('the instance’s tables know a workspace by the role that acts, whatever its id', async () => {
  const some = [...fc.sample(workspaceIds, 40), `a${'-'.repeat(38)}`, 'a-b', 'a--b'];
  const told = await undone(scratch.owner, async (tx) => {
    const came: [string, string][] = [];
    for (const id of new Set(some)) {
      for (const role of rolesOf(id)) {
        await tx.unsafe(`CREATE ROLE ${role} IN ROLE portarium_tenants; SET LOCAL ROLE ${role}`);
        const [row] = await tx`SELECT portarium.own_workspace() AS own`;
        came.push([id, row?.own]);
        await tx`RESET ROLE`;
      }
    }
    return came;
  });
  expect(told.map(([, own]) => own)).toEqual(told.map(([id]) => id));
});

test('a role that was there before, and may do more than a workspace, is not taken for one', async () => {
  await scratch.owner.unsafe('CREATE ROLE ws_sql_taken BYPASSRLS');
  try {
    await expect(provision(scratch, 'sql-taken', 'B')).rejects.toThrow(
      'there is a role ws_sql_taken that may do more than a workspace',
    );
  } finally {
    await scratch.owner.unsafe('DROP ROLE ws_sql_taken');
  }
});

test('who may not close the database of the instance provisions no tier C, and is told what to run', async () => {
  const { database } = scratch;
  await scratch.owner.unsafe(`
    CREATE ROLE test_provisioner LOGIN CREATEROLE CREATEDB PASSWORD 'test' IN ROLE portarium_schema;
    GRANT CONNECT ON DATABASE ${database} TO PUBLIC`);
  const url = new URL(scratch.ownerUrl);
  url.username = 'test_provisioner';
  url.password = 'test';
  try {
    const refused = provision({ ...scratch, ownerUrl: url.href }, 'sql-open', 'C');
    await expect(refused).rejects.toThrow(
      new RegExp(`have its owner run: GRANT CONNECT .* REVOKE CONNECT ON DATABASE ${database}`),
    );
  } finally {
    await scratch.owner.unsafe(`
      REVOKE CONNECT ON DATABASE ${database} FROM PUBLIC; DROP ROLE test_provisioner`);
  }
});
