/**
 * Attacks by SQL on the boundary between workspaces. Each is run with a role and a binding, undone, and has one
 * answer that is right. They run on the connection of a login as well as in a transaction of the owner, where
 * something was taken away before.
 */
import type { Sql, TransactionSql } from '../infrastructure/postgres/connect.ts';
import {
  GLOBAL_TABLES,
  insertOf,
  ownerColumn,
  ownerValue,
  type Table,
  tablesOf,
} from './tenancy-rows.ts';

/** No row and no change; an error of rights; a row at least; no error, but perhaps of a key that is taken. */
type Right = 'nothing' | 'refused' | 'something' | 'done';

export interface Probe {
  readonly role: string;
  /** Value of the setting that policies read; null: never set. */
  readonly bound: string | null;
  readonly statement: string;
  readonly right: Right;
}

interface Came {
  readonly state: string;
  readonly rows: number;
  readonly message: string;
}

const PROBE = `
DO $probe$
DECLARE
  probes jsonb := current_setting('probe.input')::jsonb;
  results jsonb[] := '{}';
  probe jsonb;
  touched bigint;
BEGIN
  FOR i IN 0 .. jsonb_array_length(probes) - 1 LOOP
    probe := probes -> i;
    BEGIN
      IF probe ->> 'bound' IS NOT NULL THEN
        PERFORM set_config('portarium.workspace', probe ->> 'bound', true);
      END IF;
      EXECUTE format('SET LOCAL ROLE %I', probe ->> 'role');
      EXECUTE probe ->> 'statement';
      GET DIAGNOSTICS touched = ROW_COUNT;
      RAISE EXCEPTION USING ERRCODE = 'PT000', MESSAGE = touched;
    EXCEPTION WHEN OTHERS THEN
      results := results || CASE WHEN SQLSTATE = 'PT000'
        THEN jsonb_build_object('state', '', 'rows', SQLERRM::bigint, 'message', '')
        ELSE jsonb_build_object('state', SQLSTATE, 'rows', 0, 'message', SQLERRM) END;
    END;
  END LOOP;
  PERFORM set_config('probe.output', to_jsonb(results)::text, true);
END $probe$`;

/** @returns a sentence for each probe that did not end as it should */
export async function run(
  tx: TransactionSql,
  probes: readonly Probe[],
): Promise<readonly string[]> {
  await tx`SELECT set_config('probe.input', ${JSON.stringify(probes)}, true)`;
  await tx.unsafe(PROBE);
  const [row] = await tx`SELECT current_setting('probe.output') AS output`;
  const came = JSON.parse(row?.output as string) as readonly Came[];
  if (came.length !== probes.length) throw new Error('a probe gave no answer');
  return probes.flatMap((probe, at) => {
    const { state, rows, message } = came[at] as Came;
    if (isRight(probe.right, state, rows)) return [];
    const end = state === '' ? `${rows} rows` : `${state} ${message}`;
    return [`${probe.role} bound to ${probe.bound}: ${probe.statement}: ${end}`];
  });
}

function isRight(right: Right, state: string, rows: number): boolean {
  switch (right) {
    case 'nothing':
      return state === '42501' || (state === '' && rows === 0);
    case 'refused':
      return state === '42501';
    case 'something':
      return state === '' && rows > 0;
    case 'done':
      return state === '' || state === '23505';
  }
}

/** What a role may do by its grants, without regard to rows. */
interface Rights {
  readonly read: boolean;
  readonly add: boolean;
  /** Whether it may change {@link Rights.column}; else it may change none. */
  readonly change: boolean;
  readonly column: string;
}

async function rightsOf(
  tx: TransactionSql,
  role: string,
  tables: readonly Table[],
): Promise<(table: Table) => Rights> {
  const rows = await tx`
    SELECT n.nspname || '.' || c.relname AS name, has_table_privilege(${role}, c.oid, 'INSERT') AS add,
      has_any_column_privilege(${role}, c.oid, 'SELECT') AS read,
      has_any_column_privilege(${role}, c.oid, 'UPDATE') AS change,
      (SELECT attname FROM pg_attribute WHERE attrelid = c.oid AND attnum > 0 AND NOT attisdropped
        ORDER BY has_column_privilege(${role}, c.oid, attnum, 'UPDATE') DESC, attnum LIMIT 1) AS column
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE n.nspname = ANY(${[...new Set(tables.map(({ schema }) => schema))]}) AND c.relkind IN ('r', 'p')`;
  const known = new Map(rows.map((row) => [row.name as string, row as unknown as Rights]));
  return ({ schema, name }) => {
    const found = known.get(`${schema}.${name}`);
    if (!found) throw new Error(`${schema}.${name} is not in the catalogue`);
    return found;
  };
}

const placeOf = ({ schema, name }: Table) => `"${schema}"."${name}"`;

/** In tables that hold rows of several workspaces, under policies. @param own whose role or binding it is */
function underPolicies(
  table: Table,
  { role, own, other, rights }: { role: string; own: string; other: string; rights: Rights },
): readonly Probe[] {
  const place = placeOf(table);
  const column = ownerColumn(table);
  const set = `UPDATE ${place} SET "${rights.column}" = "${rights.column}"`;
  const foreign = `WHERE ${column} <> '${ownerValue(table, own)}'`;
  const at =
    (bound: string | null) =>
    (right: Right, statement: string): Probe => ({ role, bound, right, statement });
  const bound = at(own);
  const unbound = [null, ''].flatMap((none) => [
    at(none)('nothing', `SELECT FROM ${place}`),
    at(none)('nothing', set),
    at(none)('nothing', `DELETE FROM ${place}`),
    at(none)('refused', insertOf(table, own, 1)),
  ]);
  return [
    ...unbound,
    bound('nothing', `SELECT FROM ${place} ${foreign}`),
    bound('nothing', `${set} ${foreign}`),
    bound('nothing', `DELETE FROM ${place} ${foreign}`),
    bound('refused', insertOf(table, other, 2)),
    bound('refused', `UPDATE ${place} SET ${column} = '${ownerValue(table, other)}'`),
    ...(rights.read ? [bound('something', `SELECT FROM ${place}`)] : []),
    ...(rights.read && rights.change ? [bound('something', set)] : []),
    ...(rights.add ? [bound('done', insertOf(table, own, 3))] : []),
  ];
}

/** In a table that is none of the role's business. */
function outOfReach(table: Table, role: string, bound: string | null, owner: string): Probe[] {
  const place = placeOf(table);
  const column = table.columns[0]?.name;
  return [
    `SELECT FROM ${place}`,
    `SELECT "${column}" FROM ${place}`,
    `UPDATE ${place} SET "${column}" = "${column}"`,
    `DELETE FROM ${place}`,
    `TRUNCATE ${place}`,
    insertOf(table, owner, 4),
  ].map((statement) => ({ role, bound, statement, right: 'refused' }));
}

export interface Pair {
  readonly own: string;
  readonly other: string;
}

/**
 * Tables that workspaces share (tier A), those of a database that is one workspace's (tier C), and those of a schema
 * of its own as far as their policies go.
 */
export async function probeShared(
  tx: TransactionSql,
  { own, other }: Pair,
  roles: readonly string[],
  only?: string,
  schema = 'portarium',
): Promise<readonly string[]> {
  const tables = await tablesOf(tx, schema, 'tenant', only);
  const probes: Probe[] = [];
  for (const role of roles) {
    const rights = await rightsOf(tx, role, tables);
    for (const table of tables) {
      const reach = { role, own, other, rights: rights(table) };
      // The owner of the tables has every right: what stops it are the policies alone.
      probes.push(...underPolicies(table, reach));
    }
  }
  return run(tx, probes);
}

/**
 * A workspace with a schema of its own (tier B), against another one, the shared tables and those of the instance.
 * @param only one table; all when left out
 */
export async function probeSchema(
  tx: TransactionSql,
  { own, other }: Pair,
  places: { readonly own: string; readonly other: string },
  roles: readonly string[],
  only?: string,
): Promise<readonly string[]> {
  const [mine, theirs, shared, global] = await Promise.all([
    tablesOf(tx, places.own, 'tenant', only),
    tablesOf(tx, places.other, 'tenant', only),
    tablesOf(tx, 'portarium', 'tenant', only),
    tablesOf(tx, 'portarium', 'global', only),
  ]);
  const probes: Probe[] = [];
  for (const role of roles) {
    const rights = await rightsOf(tx, role, [...mine, ...global]);
    for (const table of mine) {
      probes.push(...underPolicies(table, { role, own, other, rights: rights(table) }));
    }
    for (const table of [...theirs, ...shared, ...global.filter(isNobodys)]) {
      for (const bound of [own, other]) probes.push(...outOfReach(table, role, bound, other));
    }
    for (const table of global.filter((one) => !isNobodys(one))) {
      for (const bound of [own, other, null]) {
        probes.push(...ofInstance(table, { role, bound, own, other, rights: rights(table) }));
      }
    }
  }
  return run(tx, probes);
}

const isNobodys = ({ name }: Table) => GLOBAL_TABLES[name] === null;

/** In tables of the instance a role sees its own rows, however the transaction is bound. */
function ofInstance(
  table: Table,
  reach: { role: string; bound: string | null; own: string; other: string; rights: Rights },
): readonly Probe[] {
  const { role, bound, own, other, rights } = reach;
  const place = placeOf(table);
  const column = ownerColumn(table);
  const set = `UPDATE ${place} SET "${rights.column}" = "${rights.column}"`;
  const foreign = `WHERE ${column} <> '${ownerValue(table, own)}'`;
  const mine = `WHERE ${column} = '${ownerValue(table, own)}'`;
  const probe = (right: Right, statement: string): Probe => ({ role, bound, right, statement });
  return [
    probe('nothing', `SELECT FROM ${place} ${foreign}`),
    probe('nothing', `${set} ${foreign}`),
    probe('nothing', `DELETE FROM ${place} ${foreign}`),
    probe('refused', `TRUNCATE ${place}`),
    probe('refused', insertOf(table, other, 5)),
    probe('refused', `UPDATE ${place} SET ${column} = '${ownerValue(table, other)}'`),
    ...(rights.read ? [probe('something', `SELECT FROM ${place} ${mine}`)] : []),
    ...(rights.read && rights.change ? [probe('something', `${set} ${mine}`)] : []),
    ...(rights.add ? [probe('done', insertOf(table, own, 7))] : []),
    ...(table.name === 'api_keys'
      ? [
          probe('refused', `SELECT secret_hash FROM ${place}`),
          probe('refused', `SELECT * FROM ${place}`),
          // A key of the whole instance.
          probe('refused', insertOf(table, null, 6)),
          probe('nothing', `${set} WHERE ${column} IS NULL`),
        ]
      : []),
  ];
}

/** The login, and what disposes, in the schema of a workspace while they are not its role. */
export async function probeLogin(
  tx: TransactionSql,
  workspace: string,
  place: string,
  roles: readonly string[],
): Promise<readonly string[]> {
  const tables = await tablesOf(tx, place);
  if (tables.length === 0) throw new Error(`${place} has no tables`);
  return run(
    tx,
    roles.flatMap((role) =>
      tables.flatMap((table) =>
        [workspace, null].flatMap((bound) => outOfReach(table, role, bound, workspace)),
      ),
    ),
  );
}

/** Runs probes in a transaction of their own. */
export async function probing(
  sql: Sql,
  probe: (tx: TransactionSql) => Promise<readonly string[]>,
): Promise<readonly string[]> {
  const { found } = await sql.begin(async (tx) => ({ found: await probe(tx) }));
  return found;
}
