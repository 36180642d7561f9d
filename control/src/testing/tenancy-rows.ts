/**
 * The tables that tenancy is about, as the catalogue has them, and rows that fit in any of them: whoever adds a
 * table has it attacked without a word.
 */
import type { Sql, TransactionSql } from '../infrastructure/postgres/connect.ts';

/** Tables of the instance, and the column that says whose a row is; null: of nobody in particular. */
export const GLOBAL_TABLES: Readonly<Record<string, string | null>> = {
  workspaces: 'id',
  api_keys: 'workspace_id',
  outbox: 'workspace_id',
  dispatch_queue: 'workspace_id',
  migration_journal: 'target',
  rate_buckets: null,
  schema_leases: null,
};

export interface Table {
  readonly schema: string;
  readonly name: string;
  readonly columns: readonly { readonly name: string; readonly type: string }[];
}

/** Tables of a schema by name, those of the instance left out or alone. @param only one of them, if it is there */
export async function tablesOf(
  sql: Sql | TransactionSql,
  schema: string,
  which: 'tenant' | 'global' = 'tenant',
  only?: string,
): Promise<readonly Table[]> {
  const rows = await sql`
    SELECT c.relname AS name,
      json_agg(json_build_object('name', a.attname, 'type', format_type(a.atttypid, NULL)) ORDER BY a.attnum) AS columns
    FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
    WHERE c.relnamespace = to_regnamespace(${schema}) AND c.relkind IN ('r', 'p')
      AND (${only ?? null}::text IS NULL OR c.relname = ${only ?? null}) GROUP BY c.relname ORDER BY c.relname`;
  return rows
    .filter(({ name }) => name in GLOBAL_TABLES === (which === 'global'))
    .map(({ name, columns }) => ({ schema, name, columns }));
}

/** Whose a row is. */
export function ownerColumn({ name }: Table): string | null {
  const column = GLOBAL_TABLES[name];
  return column === undefined ? 'workspace_id' : column;
}

/** What stands in the column of the owner. */
export function ownerValue({ name }: Table, workspace: string): string {
  return name === 'migration_journal' ? `workspace/${workspace}` : workspace;
}

const VALUES: Readonly<Record<string, (variant: number) => string>> = {
  text: (variant) => `'filler ${variant}'`,
  'text[]': () => `'{}'`,
  uuid: () => 'gen_random_uuid()',
  smallint: String,
  integer: String,
  bigint: String,
  'double precision': String,
  boolean: () => 'false',
  jsonb: () => `'{}'`,
  bytea: () => `decode('00', 'hex')`,
  'timestamp with time zone': () => 'now()',
};

/** A statement that adds a row of the workspace. @param variant of two that differ the keys differ too */
export function insertOf(table: Table, workspace: string | null, variant: number): string {
  const owner = ownerColumn(table);
  const values = table.columns.map(({ name, type }) => {
    if (name === owner) return workspace === null ? 'NULL' : `'${ownerValue(table, workspace)}'`;
    const value = VALUES[type];
    if (!value)
      throw new Error(`say in tenancy-rows.ts what fits in ${table.name}.${name}: ${type}`);
    return value(variant);
  });
  const names = table.columns.map(({ name }) => `"${name}"`);
  return `INSERT INTO "${table.schema}"."${table.name}" (${names.join(', ')}) VALUES (${values.join(', ')})`;
}

/** A row of each workspace in each table. Checks and triggers go, here and for good: tenancy hangs by neither. */
export async function fill(
  owner: Sql,
  tables: readonly Table[],
  workspaces: readonly string[],
): Promise<void> {
  for (const table of tables) {
    const place = `"${table.schema}"."${table.name}"`;
    const checks = await owner`
      SELECT quote_ident(conname) AS name FROM pg_constraint WHERE contype = 'c' AND conrelid = to_regclass(${place})`;
    await owner.unsafe(
      [
        `ALTER TABLE ${place} DISABLE TRIGGER ALL`,
        ...checks.map(({ name }) => `ALTER TABLE ${place} DROP CONSTRAINT ${name}`),
        ...workspaces.map((one, at) => `${insertOf(table, one, 900 + at)} ON CONFLICT DO NOTHING`),
      ].join('; '),
    );
  }
}
