/** A database that is there for a rehearsal, with every Expand applied, and the catalogue that a rehearsal compares. */
import { randomBytes } from 'node:crypto';
import { connect, type Sql } from '../connect.ts';
import { sharedTargets } from '../tenancy/migration-target.ts';
import { CREATE_JOURNAL } from './journal.ts';
import { type Migration, MigrationError } from './migration-files.ts';
import { preamble } from './run-migration.ts';

/** @returns what `work` gives; the database is gone by then */
export async function inScratchDatabase<T>(
  ownerUrl: string,
  work: (sql: Sql) => Promise<T>,
): Promise<T> {
  const owner = connect(ownerUrl, { max: 1, name: 'portarium-migrate' });
  const name = `portarium_scratch_${randomBytes(6).toString('hex')}`;
  try {
    await owner.unsafe(`CREATE DATABASE ${name} TEMPLATE template0 ENCODING 'UTF8'`);
    const url = new URL(ownerUrl);
    url.pathname = `/${name}`;
    const sql = connect(url.href, { max: 1, name: 'portarium-migrate' });
    try {
      await sql.unsafe(`
        CREATE SCHEMA portarium AUTHORIZATION portarium_schema;
        SET ROLE portarium_schema; ${CREATE_JOURNAL} RESET ROLE;`);
      return await work(sql);
    } finally {
      await sql.end({ timeout: 5 });
    }
  } finally {
    await owner.unsafe(`DROP DATABASE IF EXISTS ${name} WITH (FORCE)`).catch(() => undefined);
    await owner.end({ timeout: 5 });
  }
}

/** Runs statements of a file as its target would, with nothing in the journal. */
export async function runText(
  sql: Sql,
  migration: Migration,
  text: string,
  schema = 'portarium',
): Promise<void> {
  const [shared] = sharedTargets('postgres://unused');
  if (!shared) throw new Error('an instance has shared tables');
  const target = { ...shared, schema };
  // Nobody else is there: an index need not be built beside others.
  const plain = text.replaceAll(/\bCONCURRENTLY\b/gi, '');
  try {
    await sql.unsafe(`BEGIN; ${preamble({ target, migration })}\n${plain}\n; COMMIT;`);
  } catch (error) {
    await sql.unsafe('ROLLBACK').catch(() => undefined);
    const { folder, name } = migration;
    throw new MigrationError(`${folder}/${name}: ${(error as Error).message}`, { cause: error });
  }
}

/** Everything that a migration can change, one line each, in an order that does not depend on when it was made. */
export async function catalogueOf(sql: Sql): Promise<readonly string[]> {
  const rows = await sql.unsafe(`
    SELECT line FROM (
      SELECT format('column %s.%s %s%s default %s', c.relname, a.attname, format_type(a.atttypid, a.atttypmod),
        CASE WHEN a.attnotnull THEN ' not null' ELSE '' END, pg_get_expr(d.adbin, d.adrelid)) AS line
      FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
      LEFT JOIN pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum
      WHERE c.relnamespace = 'portarium'::regnamespace AND c.relkind IN ('r', 'v', 'p', 'm')
      UNION ALL SELECT format('relation %s %s rls %s forced %s', relkind, relname, relrowsecurity, relforcerowsecurity)
      FROM pg_class WHERE relnamespace = 'portarium'::regnamespace
      UNION ALL SELECT format('grant %s %s', relname, acl) FROM pg_class, unnest(relacl) acl WHERE relnamespace = 'portarium'::regnamespace
      UNION ALL SELECT format('column grant %s.%s %s', c.relname, a.attname, acl)
      FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid, unnest(a.attacl) acl WHERE c.relnamespace = 'portarium'::regnamespace AND NOT a.attisdropped
      UNION ALL SELECT format('constraint %s %s %s', conrelid::regclass, conname, pg_get_constraintdef(oid)) FROM pg_constraint WHERE connamespace = 'portarium'::regnamespace
      UNION ALL SELECT indexdef FROM pg_indexes WHERE schemaname = 'portarium'
      UNION ALL SELECT format('policy %s %s %s %s %s %s', tablename, policyname, roles, cmd, qual, with_check) FROM pg_policies WHERE schemaname = 'portarium'
      UNION ALL SELECT format('trigger %s %s', tgrelid::regclass, pg_get_triggerdef(oid)) FROM pg_trigger WHERE NOT tgisinternal
      UNION ALL SELECT format('function %s', pg_get_functiondef(oid)) FROM pg_proc WHERE pronamespace = 'portarium'::regnamespace
      UNION ALL SELECT format('view %s %s', viewname, definition) FROM pg_views WHERE schemaname = 'portarium'
    ) AS all_lines ORDER BY line COLLATE "C"`);
  return rows.map(({ line }) => line as string);
}

/** What one has and the other has not, for people. */
export function differenceOf(
  before: readonly string[],
  after: readonly string[],
): readonly string[] {
  const [old, now] = [new Set(before), new Set(after)];
  return [
    ...before.filter((line) => !now.has(line)).map((line) => `- ${line}`),
    ...after.filter((line) => !old.has(line)).map((line) => `+ ${line}`),
  ];
}
