/**
 * What the catalogue of a database has to say about tenancy: row security, rights, roles. Each check gives a sentence
 * for whatever is not as it should be.
 */
import type { TransactionSql } from '../infrastructure/postgres/connect.ts';
import type { Row } from '../infrastructure/postgres/rows.ts';
import { GLOBAL_TABLES, tablesOf } from './tenancy-rows.ts';

const BOUND = `(workspace_id = NULLIF(current_setting('portarium.workspace'::text, true), ''::text))`;
/** Rights that row security does not bind, or that open a way around it. */
const BEYOND_ROWS = ['TRUNCATE', 'REFERENCES', 'TRIGGER', 'MAINTAIN'];
const LOGINS = ['portarium_runtime', 'portarium_destroy'];

/** A schema with tenant tables, and who may be there. */
export interface TenantSchema {
  readonly schema: string;
  readonly runtimeRole: string;
  readonly destroyRole: string;
}

export const SHARED: TenantSchema = {
  schema: 'portarium',
  runtimeRole: 'portarium_runtime',
  destroyRole: 'portarium_destroy',
};

/** @param own schemas of workspaces of tier B */
export async function checkCatalogue(
  tx: TransactionSql,
  shared: TenantSchema,
  own: readonly TenantSchema[],
): Promise<readonly string[]> {
  const schemas = [shared, ...own].map(({ schema }) => schema);
  const found = await Promise.all([
    tenantTables(tx, schemas),
    rowSecurity(tx, schemas),
    policies(tx, schemas),
    views(tx, schemas),
    functions(tx, schemas),
    owners(tx, schemas),
    beyondRows(tx, schemas),
    ...own.map((one) => grants(tx, shared, one)),
    sharedGrants(tx, shared),
    roles(tx, own),
    memberships(tx, own),
    ...LOGINS.map((login) => holdsNothing(tx, login, own)),
    defaults(tx),
  ]);
  return found.flat();
}

const told = (rows: readonly Row[], tell: (row: Row) => string) => rows.map((row) => tell(row));

/** Each table is the instance's or has workspaces in it, and a schema of a workspace has what is shared. */
async function tenantTables(
  tx: TransactionSql,
  schemas: readonly string[],
): Promise<readonly string[]> {
  const all = await Promise.all(schemas.map((schema) => tablesOf(tx, schema)));
  const shape = (at: number) =>
    JSON.stringify(all[at]?.map(({ name, columns }) => [name, columns]) ?? []);
  const wrong = schemas.flatMap((schema, at) =>
    (all[at]?.length ?? 0) === 0 || shape(at) !== shape(0)
      ? [`${schema} has not the tables that are shared`]
      : [],
  );
  const loose = (all[0] ?? []).filter(
    ({ columns }) => !columns.some(({ name }) => name === 'workspace_id'),
  );
  return [
    ...wrong,
    ...loose.map(({ name }) => `${name} is of no workspace, and not a table of the instance`),
  ];
}

async function rowSecurity(tx: TransactionSql, schemas: readonly string[]) {
  const rows = await tx`
    SELECT n.nspname AS schema, c.relname AS name, c.relrowsecurity AS enabled, c.relforcerowsecurity AS forced
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE n.nspname = ANY(${[...schemas]}) AND c.relkind IN ('r', 'p')`;
  return rows.flatMap(({ schema, name, enabled, forced }) => {
    const wrong = [];
    if (!enabled && GLOBAL_TABLES[name] !== null) {
      wrong.push(`${schema}.${name} has no row security`);
    }
    if (!forced && !(name in GLOBAL_TABLES)) {
      wrong.push(`row security of ${schema}.${name} is not forced`);
    }
    return wrong;
  });
}

async function policies(tx: TransactionSql, schemas: readonly string[]) {
  const rows = await tx`
    SELECT n.nspname AS schema, c.relname AS name,
      coalesce(json_agg(json_build_object('name', p.polname, 'using', pg_get_expr(p.polqual, c.oid),
        'check', pg_get_expr(p.polwithcheck, c.oid),
        'to', ARRAY(SELECT CASE r WHEN 0 THEN 'PUBLIC' ELSE r::regrole::text END FROM unnest(p.polroles) r))) FILTER (WHERE p.oid IS NOT NULL), '[]') AS policies
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace LEFT JOIN pg_policy p ON p.polrelid = c.oid
    WHERE n.nspname = ANY(${[...schemas]}) AND c.relkind IN ('r', 'p') GROUP BY 1, 2`;
  return rows.flatMap(({ schema, name, policies: all }) => {
    const list = all as {
      name: string;
      using: string | null;
      check: string | null;
      to: string[];
    }[];
    if (name in GLOBAL_TABLES) {
      return list
        .filter((one) => one.name !== 'instance')
        .filter((one) =>
          [one.using, one.check].some((text) => text !== null && !text.includes('own_workspace()')),
        )
        .map((one) => `the policy ${one.name} of ${schema}.${name} is not about one workspace`);
    }
    const right = list.length === 1 && list[0]?.using === BOUND && list[0].check === BOUND;
    return right ? [] : [`${schema}.${name} is not bound to one workspace by one policy`];
  });
}

async function views(tx: TransactionSql, schemas: readonly string[]) {
  const rows = await tx`
    SELECT c.oid::regclass::text AS name FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE n.nspname = ANY(${[...schemas]}) AND (c.relkind = 'm' OR c.relkind = 'v'
      AND NOT coalesce('security_invoker=true' = ANY(c.reloptions) OR 'security_invoker=on' = ANY(c.reloptions), false))`;
  return told(rows, ({ name }) => `${name} shows what its owner sees`);
}

async function functions(tx: TransactionSql, schemas: readonly string[]) {
  const rows = await tx`
    SELECT p.oid::regprocedure::text AS name FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
    WHERE n.nspname = ANY(${[...schemas]}) AND p.prosecdef`;
  return told(rows, ({ name }) => `${name} runs as its owner`);
}

/** Whoever owns a table is bound by its policies, but may change them. */
async function owners(tx: TransactionSql, schemas: readonly string[]) {
  const rows = await tx`
    SELECT c.oid::regclass::text AS name, c.relowner::regrole::text AS owner
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE n.nspname = ANY(${[...schemas]}) AND c.relkind IN ('r', 'p', 'v', 'S') AND c.relowner <> 'portarium_schema'::regrole`;
  const members = await tx`
    SELECT rolname AS name FROM pg_roles
    WHERE (rolname = ANY(${[...LOGINS, 'portarium_tenants']}) OR rolname ~ '^w[sd]_') AND pg_has_role(oid, 'portarium_schema', 'MEMBER')`;
  return [
    ...told(rows, ({ name, owner }) => `${name} is owned by ${owner}`),
    ...told(members, ({ name }) => `${name} may become the owner of the tables`),
  ];
}

async function beyondRows(tx: TransactionSql, schemas: readonly string[]) {
  const rows = await tx`
    SELECT c.oid::regclass::text AS name, a.privilege_type AS privilege, a.grantee::regrole::text AS role
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace, aclexplode(c.relacl) a
    WHERE n.nspname = ANY(${[...schemas]}) AND a.privilege_type = ANY(${BEYOND_ROWS}) AND a.grantee <> c.relowner`;
  return told(rows, ({ name, privilege, role }) => `${role} has ${privilege} on ${name}`);
}

interface Grant {
  readonly what: string;
  readonly to: string;
}

/** Whatever is granted in a schema to others than its owner; PUBLIC may call the functions of triggers, which nobody can. */
async function grantsIn(tx: TransactionSql, schema: string): Promise<readonly Grant[]> {
  return tx<Grant[]>`
    SELECT kind || ' ' || name || ' ' || privilege_type AS what,
      CASE grantee WHEN 0 THEN 'PUBLIC' ELSE grantee::regrole::text END AS to
    FROM (
      SELECT 'schema' AS kind, '' AS name, nspowner AS owner, (aclexplode(nspacl)).* FROM pg_namespace WHERE nspname = ${schema}
      UNION ALL SELECT 'table', relname, relowner, (aclexplode(relacl)).* FROM pg_class WHERE relnamespace = to_regnamespace(${schema})
      UNION ALL SELECT 'column', c.relname || '.' || a.attname, c.relowner, (aclexplode(a.attacl)).* FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
        WHERE c.relnamespace = to_regnamespace(${schema})
      UNION ALL SELECT 'function', proname, proowner, (aclexplode(proacl)).* FROM pg_proc WHERE pronamespace = to_regnamespace(${schema})
      UNION ALL SELECT 'type', typname, typowner, (aclexplode(typacl)).* FROM pg_type WHERE typnamespace = to_regnamespace(${schema})
    ) granted WHERE grantee <> owner AND NOT (kind = 'function' AND grantee = 0)`;
}

/** A workspace's own schema gives its roles what the shared tables give the instance's, and nobody anything else. */
async function grants(
  tx: TransactionSql,
  shared: TenantSchema,
  own: TenantSchema,
): Promise<readonly string[]> {
  const given = new Set((await grantsIn(tx, own.schema)).map(({ what, to }) => `${what} to ${to}`));
  const roleIn = (to: string) => {
    if (to === shared.runtimeRole) return own.runtimeRole;
    return to === shared.destroyRole ? own.destroyRole : undefined;
  };
  const wanted = new Set(
    (await grantsIn(tx, shared.schema)).flatMap(({ what, to }) => {
      const role = roleIn(to);
      const table = what.split(/[ .]/)[1] ?? '';
      return role === undefined || table in GLOBAL_TABLES ? [] : [`${what} to ${role}`];
    }),
  );
  return [
    ...[...given.difference(wanted)].map((one) => `in ${own.schema} is granted ${one}`),
    ...[...wanted.difference(given)].map((one) => `in ${own.schema} is not granted ${one}`),
  ];
}

/** Nobody but the roles of the instance has a right in tables that are shared. */
async function sharedGrants(tx: TransactionSql, shared: TenantSchema): Promise<readonly string[]> {
  const mine = new Set([shared.runtimeRole, shared.destroyRole]);
  return (await grantsIn(tx, shared.schema))
    .filter(({ what, to }) => {
      const table = what.split(/[ .]/)[1] ?? '';
      return !mine.has(to) && table !== '' && !(table in GLOBAL_TABLES);
    })
    .map(({ what, to }) => `of what is shared ${to} has ${what}`);
}

async function roles(tx: TransactionSql, own: readonly TenantSchema[]) {
  const names = own.flatMap(({ runtimeRole, destroyRole }) => [runtimeRole, destroyRole]);
  const rows = await tx`
    SELECT rolname AS name FROM pg_roles
    WHERE rolname = ANY(${[...names, 'portarium_tenants', 'portarium_destroy', 'portarium_schema']}) AND rolcanlogin
      OR (rolname = ANY(${[...names, ...LOGINS, 'portarium_tenants', 'portarium_schema']}))
        AND (rolsuper OR rolbypassrls OR rolcreaterole OR rolcreatedb OR rolreplication)`;
  return told(rows, ({ name }) => `${name} logs in, or may more than a role of rows`);
}

/** The login may become a workspace for a transaction, and has nothing of it by itself; workspaces are nothing to each other. */
async function memberships(tx: TransactionSql, own: readonly TenantSchema[]) {
  const names = own.flatMap(({ runtimeRole, destroyRole }) => [runtimeRole, destroyRole]);
  const rows = await tx`
    SELECT m.roleid::regrole::text AS role, m.member::regrole::text AS member, m.admin_option, m.inherit_option, m.set_option
    FROM pg_auth_members m JOIN pg_roles r ON r.oid = m.roleid JOIN pg_roles w ON w.oid = m.member
    WHERE r.rolname = ANY(${names}) OR w.rolname = ANY(${[...names, ...LOGINS, 'portarium_tenants']})`;
  const known = new Set(rows.map(({ role, member }) => `${role} ${member}`));
  const lacks = names.flatMap((name) =>
    [`${name} portarium_runtime`, `portarium_tenants ${name}`].filter((one) => !known.has(one)),
  );
  const wrong = rows.filter((row) => {
    if (row.admin_option) return true;
    if (names.includes(row.member)) return row.role !== 'portarium_tenants';
    return row.member !== 'portarium_runtime' || row.inherit_option || !row.set_option;
  });
  return [
    ...lacks.map((one) => `a membership is missing: ${one}`),
    ...told(wrong, ({ role, member }) => `${member} is a member of ${role} as it should not be`),
  ];
}

/** Whatever has a right by itself in the schema of a workspace has it for every transaction, bound or not. */
async function holdsNothing(
  tx: TransactionSql,
  login: string,
  own: readonly TenantSchema[],
): Promise<readonly string[]> {
  const rows = await tx`
    WITH places AS (SELECT oid, nspname FROM pg_namespace WHERE nspname = ANY(${own.map(({ schema }) => schema)}))
    SELECT nspname || ' itself' AS what FROM places
      WHERE has_schema_privilege(${login}, oid, 'USAGE') OR has_schema_privilege(${login}, oid, 'CREATE')
    UNION ALL SELECT nspname || '.' || relname FROM places p JOIN pg_class c ON c.relnamespace = p.oid
      WHERE CASE WHEN relkind IN ('r', 'p', 'v', 'm', 'f')
        THEN has_table_privilege(${login}, c.oid, 'SELECT, INSERT, UPDATE, DELETE, TRUNCATE, REFERENCES, TRIGGER, MAINTAIN')
          OR has_any_column_privilege(${login}, c.oid, 'SELECT, INSERT, UPDATE, REFERENCES')
        WHEN relkind = 'S' THEN has_sequence_privilege(${login}, c.oid, 'USAGE, SELECT, UPDATE') ELSE false END
    -- PUBLIC may execute a function; to call it takes a way to its schema.
    UNION ALL SELECT nspname || '.' || proname FROM places p JOIN pg_proc f ON f.pronamespace = p.oid
      WHERE has_function_privilege(${login}, f.oid, 'EXECUTE') AND has_schema_privilege(${login}, p.oid, 'USAGE')`;
  return told(rows, ({ what }) => `${login} by itself has a right on ${what}`);
}

/** What is created later is for nobody who is not named then. */
async function defaults(tx: TransactionSql) {
  const rows = await tx`SELECT pg_get_userbyid(defaclrole) AS role FROM pg_default_acl`;
  return told(rows, ({ role }) => `what ${role} creates is granted ahead`);
}

/** Who may connect where. @param databases each with the one login beside the owner that it is for */
export async function checkDatabases(
  tx: TransactionSql,
  databases: Readonly<Record<string, string>>,
): Promise<readonly string[]> {
  const logins = [...new Set(Object.values(databases)), 'public'];
  const wrong: string[] = [];
  for (const [database, its] of Object.entries(databases)) {
    for (const login of logins) {
      const [row] =
        await tx`SELECT has_database_privilege(${login}, ${database}, 'CONNECT') AS may`;
      if (row?.may !== (login === its)) {
        wrong.push(`${login} ${row?.may ? 'may' : 'may not'} connect to ${database}`);
      }
    }
  }
  return wrong;
}
