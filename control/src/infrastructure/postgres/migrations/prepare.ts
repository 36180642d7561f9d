/** What has to be there before the first file: roles, schema and journal. */
import { connect, type Sql } from '../connect.ts';
import { CREATE_JOURNAL } from './journal.ts';
import { MigrationError } from './migration-files.ts';

const LOCK_KEY = 7_265_190_001;

/** @throws MigrationError when the Control Plane would log in as another role */
export async function prepare(ownerUrl: string, runtimeUrl: string): Promise<void> {
  const runtime = new URL(runtimeUrl);
  const role = decodeURIComponent(runtime.username);
  if (role !== 'portarium_runtime') {
    throw new MigrationError(
      `PORTARIUM_DATABASE_URL logs in as ${role}; it must be portarium_runtime`,
    );
  }
  const literal = `'${decodeURIComponent(runtime.password).replaceAll("'", "''")}'`;
  const sql = connect(ownerUrl, { max: 1, name: 'portarium-migrate' });
  try {
    // Two that start together would both find the roles missing.
    await sql`SELECT pg_advisory_lock(${LOCK_KEY})`;
    await makeRoles(sql);
    await sql.unsafe(`
      GRANT portarium_destroy TO portarium_runtime WITH INHERIT FALSE, SET TRUE;
      ALTER ROLE portarium_runtime PASSWORD ${literal};
      GRANT portarium_schema TO CURRENT_USER;
      CREATE SCHEMA IF NOT EXISTS portarium AUTHORIZATION portarium_schema;
      REVOKE CREATE ON SCHEMA public FROM PUBLIC;
      GRANT USAGE ON SCHEMA portarium TO portarium_runtime, portarium_destroy, portarium_tenants;
      ALTER ROLE portarium_runtime SET search_path = portarium;
      SET ROLE portarium_schema;
      SET search_path = portarium;
      ${CREATE_JOURNAL}
      GRANT SELECT, UPDATE (told) ON migration_journal TO portarium_runtime;
    `);
  } finally {
    await sql.end({ timeout: 5 });
  }
}

async function makeRoles(sql: Sql): Promise<void> {
  const rights = 'NOSUPERUSER NOCREATEDB NOCREATEROLE NOBYPASSRLS';
  for (const [role, login] of [
    ['portarium_schema', 'NOLOGIN'],
    ['portarium_runtime', `LOGIN ${rights}`],
    ['portarium_destroy', `NOLOGIN ${rights}`],
    ['portarium_tenants', `NOLOGIN ${rights}`],
  ] as const) {
    const [found] = await sql`SELECT FROM pg_roles WHERE rolname = ${role}`;
    if (!found) await sql.unsafe(`CREATE ROLE ${role} ${login}`);
  }
}
