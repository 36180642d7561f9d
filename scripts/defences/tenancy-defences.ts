/** What keeps workspaces apart: bindings, roles, rights and policies, in all three tiers. */
import type { Defence } from './defence.ts';

const POSTGRES = 'control/src/infrastructure/postgres';
const TENANCY = `${POSTGRES}/tenancy`;
const PLACES = `${TENANCY}/places.ts`;
const PROVISION = `${TENANCY}/provision.ts`;
const GLOBAL = 'migrations/global/0004_expand_tenants.sql';
const ON_PLACES = `${TENANCY}/places.integration.test.ts`;
const BY_SQL = `${TENANCY}/isolation-sql.integration.test.ts`;
const NAMES = `${TENANCY}/names.property.test.ts`;
const BOUND = 'a transaction is bound to its workspace, and leaves the connection bound to nothing';
const INSERTS = '200 inserts at once';
const DISPOSES = 'what disposes is bound to the other role';
const SHAPES = 'prepared for another shape of a table run once more';
const OWN_SCHEMA = 'tier B: the roles of a workspace reach its own rows';
const CATALOGUE = 'the catalogue has row security, rights and roles';
const DATABASES = 'tier C: no login connects';

const SHARED_BINDING =
  // biome-ignore lint/suspicious/noTemplateCurlyInString: it is source
  "      await tx`SELECT set_config('portarium.workspace', ${workspace}, true)`.execute();\n";

const ON_CONNECTIONS: readonly Defence[] = [
  {
    name: 'the binding of a transaction in shared tables',
    file: PLACES,
    source: SHARED_BINDING,
    without: '',
    tests: ON_PLACES,
    watching: BOUND,
  },
  {
    name: 'the end of that binding with the transaction',
    file: PLACES,
    source: SHARED_BINDING,
    without: SHARED_BINDING.replace('true', 'false'),
    tests: ON_PLACES,
    watching: BOUND,
  },
  {
    name: 'the binding that goes before what is asked behind it',
    file: PLACES,
    source: SHARED_BINDING,
    without: SHARED_BINDING.replace('.execute()', ''),
    tests: ON_PLACES,
    watching: 'a binding goes first',
  },
  {
    name: 'the role of a workspace in its transaction',
    file: PLACES,
    // biome-ignore lint/suspicious/noTemplateCurlyInString: it is source
    source: "set_config('role', ${own}, true), ",
    without: '',
    tests: ON_PLACES,
    watching: INSERTS,
  },
  {
    name: 'the end of that role with the transaction',
    file: PLACES,
    // biome-ignore lint/suspicious/noTemplateCurlyInString: it is source
    source: "set_config('role', ${own}, true)",
    // biome-ignore lint/suspicious/noTemplateCurlyInString: it is source
    without: "set_config('role', ${own}, false)",
    tests: ON_PLACES,
    watching: BOUND,
  },
  {
    name: 'the search path of a workspace in its transaction',
    file: PLACES,
    // biome-ignore lint/suspicious/noTemplateCurlyInString: it is source
    source: "set_config('search_path', ${`${place}, portarium`}, true),",
    without: '',
    tests: ON_PLACES,
    watching: INSERTS,
  },
  {
    name: 'the other role of a workspace for what disposes',
    file: PLACES,
    source: "const own = role === 'runtime' ? runtimeRole : destroyRole;",
    without: 'const own = role === destroyRole ? destroyRole : runtimeRole;',
    tests: ON_PLACES,
    watching: DISPOSES,
  },
  {
    name: 'that role in a database of its own',
    file: PLACES,
    source: '{ role: tenantNames(workspace).destroyRole }',
    without: '{}',
    tests: ON_PLACES,
    watching: DISPOSES,
  },
  {
    name: 'the binding of reads',
    file: `${POSTGRES}/workspace-store.ts`,
    source: 'const bound = bind(tx);',
    without: 'const bound = [bind].length;',
    tests: ON_PLACES,
    watching: INSERTS,
  },
  {
    name: 'the binding of units',
    file: `${POSTGRES}/workspace-store.ts`,
    source: '  ahead(bind(tx));\n',
    without: '',
    tests: ON_PLACES,
    watching: INSERTS,
  },
  {
    name: 'the binding of the catalogue of what disposes',
    file: `${POSTGRES}/catalogue.ts`,
    source: '        await bind(tx);\n',
    without: '',
    tests: ON_PLACES,
    watching: 'the catalogue of what disposes',
  },
  {
    name: 'the second run of a unit whose statement was prepared for another shape',
    file: `${POSTGRES}/connect.ts`,
    source: "new Set(['40001', '40P01', '0A000'])",
    without: "new Set(['40001', '40P01'])",
    tests: ON_PLACES,
    watching: SHAPES,
  },
];

const IN_NAMES: readonly Defence[] = [
  {
    name: 'the underscore that a hyphen becomes',
    file: `${TENANCY}/names.ts`,
    source: "workspace.replaceAll('-', '_')",
    without: "workspace.replaceAll('-', '')",
    tests: NAMES,
    watching: 'never have a name of a schema',
  },
  {
    name: 'the check of an id before it names anything',
    file: `${TENANCY}/names.ts`,
    source: 'if (!v.is(WorkspaceIdSchema, workspace)) {',
    without: 'if (!v.is(v.string(), workspace)) {',
    tests: NAMES,
    watching: 'what is no id of a workspace has no names',
  },
];

const IN_THE_DATABASE: readonly Defence[] = [
  {
    name: 'the membership that the login does not inherit',
    file: PROVISION,
    source: 'TO portarium_runtime WITH INHERIT FALSE, SET TRUE',
    without: 'TO portarium_runtime',
    tests: BY_SQL,
    watching: 'tier B: the login itself',
  },
  {
    name: 'the database of a workspace that is closed to others',
    file: PROVISION,
    // biome-ignore lint/suspicious/noTemplateCurlyInString: it is source
    source: '  await owner.unsafe(`REVOKE ALL ON DATABASE ${place} FROM PUBLIC`);\n',
    without: '',
    tests: BY_SQL,
    watching: DATABASES,
  },
  {
    name: 'the database of the instance that is closed to others',
    file: PROVISION,
    source: '  await closeInstance(owner);\n',
    without: '',
    tests: BY_SQL,
    watching: DATABASES,
  },
  {
    name: 'row security of the instance’s tables',
    file: GLOBAL,
    source: "    EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', global_table);\n",
    without: '',
    tests: BY_SQL,
    watching: OWN_SCHEMA,
  },
  {
    name: 'the policy that shows a workspace its own keys alone',
    file: GLOBAL,
    source: 'USING (workspace_id IS NULL OR workspace_id = own_workspace())',
    without: 'USING (true)',
    tests: BY_SQL,
    watching: OWN_SCHEMA,
  },
  {
    name: 'the policy that lets a workspace add its own keys alone',
    file: GLOBAL,
    source: 'FOR INSERT TO portarium_tenants WITH CHECK (workspace_id = own_workspace())',
    without: 'FOR INSERT TO portarium_tenants WITH CHECK (true)',
    tests: BY_SQL,
    watching: OWN_SCHEMA,
  },
  {
    name: 'the secret of a key that workspaces do not see',
    file: GLOBAL,
    source:
      'GRANT SELECT (id, workspace_id, name, owner, created_by, role, created_at, expires_at, revoked_at, last_used_at) ON api_keys TO portarium_tenants',
    without: 'GRANT SELECT ON api_keys TO portarium_tenants',
    tests: BY_SQL,
    watching: OWN_SCHEMA,
  },
  {
    name: 'the hyphens of the workspace that a role acts for',
    file: GLOBAL,
    source: "replace(substr(current_user, 4), '_', '-')",
    without: 'substr(current_user, 4)',
    tests: BY_SQL,
    watching: 'know a workspace by the role that acts',
  },
  {
    name: 'row security that is forced, of one table among many',
    file: 'migrations/tenant/0011_expand_workspace_limits.sql',
    source: 'ALTER TABLE workspace_limits FORCE ROW LEVEL SECURITY;\n',
    without: '',
    tests: BY_SQL,
    watching: CATALOGUE,
  },
  {
    name: 'a policy of one table among many',
    file: 'migrations/tenant/0009_expand_egress_rates.sql',
    source: "  USING (workspace_id = nullif(current_setting('portarium.workspace', true), ''))\n",
    without: '  USING (true)\n',
    tests: BY_SQL,
    watching: 'tier A: portarium_runtime sees',
  },
];

export const TENANCY_DEFENCES: readonly Defence[] = [
  ...ON_CONNECTIONS,
  ...IN_NAMES,
  ...IN_THE_DATABASE,
  {
    name: 'the workspace that a key is bound to',
    file: 'control/src/domain/permissions.ts',
    source: 'principal.workspace === workspace',
    without: 'principal.workspace !== undefined',
    tests: 'control/src/domain/permissions.test.ts',
    watching: 'each role has exactly the permissions',
  },
];
