/**
 * Makes the schema (tier B) or the database (tier C) of a workspace, with its roles and rights, as the owner of the
 * instance's database. Complete or to be repeated: each step is done only where it is missing.
 */
import { randomBytes } from 'node:crypto';
import type { WorkspaceId } from '@portarium/contracts/ids';
import { connect, type Sql } from '../connect.ts';
import { databaseTarget, type MigrationTarget, schemaTarget } from './migration-target.ts';
import { tenantNames } from './names.ts';

/** What stands in the way, and what to do about it. */
export class ProvisionError extends Error {
  override readonly name = 'ProvisionError';
}

export interface ProvisionOptions {
  readonly ownerUrl: string;
  readonly runtimeUrl: string;
  /** Applies every pending Expand to the target. */
  readonly migrate: (target: MigrationTarget) => Promise<unknown>;
}

export interface Provisioned {
  readonly workspace: WorkspaceId;
  readonly tier: 'B' | 'C';
  /** Login to the database of tier C; a new password each time. */
  readonly databaseUrl?: string;
}

/** @throws ProvisionError when the id is taken, or was once */
export async function provisionWorkspace(
  { ownerUrl, runtimeUrl, migrate }: ProvisionOptions,
  workspace: WorkspaceId,
  tier: 'B' | 'C',
): Promise<Provisioned> {
  const owner = connect(ownerUrl, { max: 1, name: 'portarium-provision' });
  try {
    await reserve(owner, workspace, tier);
    if (tier === 'B') {
      await makeSchema(owner, workspace);
      await migrate(schemaTarget(ownerUrl, workspace));
      return { workspace, tier };
    }
    const databaseUrl = await makeDatabase(owner, { ownerUrl, runtimeUrl }, workspace);
    await migrate(databaseTarget(ownerUrl, workspace));
    await nameItself(ownerUrl, workspace);
    return { workspace, tier, databaseUrl };
  } finally {
    await owner.end({ timeout: 5 });
  }
}

/** From then on the id is this workspace's, whoever asks for it. */
async function reserve(owner: Sql, workspace: WorkspaceId, tier: 'B' | 'C'): Promise<void> {
  const [row] = await owner`
    INSERT INTO portarium.workspaces AS w (id, name, tenancy_tier, created_at, state)
    VALUES (${workspace}, ${workspace}, ${tier}, now(), 'provisioning')
    ON CONFLICT (id) DO UPDATE SET id = excluded.id RETURNING tenancy_tier, state`;
  if (row?.state === 'deprovisioned') {
    throw new ProvisionError(
      `there was a workspace ${workspace}, whose log goes by that name for good; choose another id`,
    );
  }
  // What it has is in use: another password would take it away from whoever uses it.
  if (row?.state === 'active')
    throw new ProvisionError(`there is a workspace ${workspace} already`);
  if (row?.tenancy_tier !== tier) {
    throw new ProvisionError(
      `${workspace} was begun in tier ${row?.tenancy_tier}; end that, or choose another id`,
    );
  }
}

/** Members of the group that the rights in the global tables are given to. */
async function makeRoles(owner: Sql, workspace: WorkspaceId, login?: string): Promise<void> {
  const { runtimeRole, destroyRole } = tenantNames(workspace);
  const rights = 'NOSUPERUSER NOCREATEDB NOCREATEROLE NOBYPASSRLS';
  for (const role of [runtimeRole, destroyRole]) {
    const [found] = await owner`
      SELECT rolsuper OR rolbypassrls OR rolcreatedb OR rolcreaterole OR rolreplication AS powerful
      FROM pg_roles WHERE rolname = ${role}`;
    if (found?.powerful) {
      throw new ProvisionError(
        `there is a role ${role} that may do more than a workspace; rename it, or choose another id`,
      );
    }
    if (!found) await owner.unsafe(`CREATE ROLE ${role} NOLOGIN ${rights}`);
  }
  if (login !== undefined) {
    await owner.unsafe(`ALTER ROLE ${runtimeRole} LOGIN PASSWORD '${login}'`);
    await owner.unsafe(`GRANT ${destroyRole} TO ${runtimeRole} WITH INHERIT FALSE, SET TRUE`);
    return;
  }
  await owner.unsafe(`GRANT portarium_tenants TO ${runtimeRole}, ${destroyRole}`);
  // The login may become them for a transaction, and has none of their rights by itself.
  await owner.unsafe(
    `GRANT ${runtimeRole}, ${destroyRole} TO portarium_runtime WITH INHERIT FALSE, SET TRUE`,
  );
}

/**
 * PostgreSQL lets every login connect to a database: that of one workspace has no business in the database of
 * all the others.
 */
async function closeInstance(owner: Sql): Promise<void> {
  const look = async () => {
    const [row] = await owner`
      SELECT quote_ident(current_database()) AS name, quote_ident(current_user) AS me,
        has_database_privilege('public', current_database(), 'CONNECT') AS open`;
    return row as { readonly name: string; readonly me: string; readonly open: boolean };
  };
  const { name, me, open } = await look();
  if (!open) return;
  const close = `GRANT CONNECT ON DATABASE ${name} TO portarium_runtime, ${me}; REVOKE CONNECT ON DATABASE ${name} FROM PUBLIC`;
  await owner.unsafe(close);
  // Who may not do it is only warned.
  if (!(await look()).open) return;
  throw new ProvisionError(
    `every login may connect to ${name}, so that of a workspace of tier C could too; have its owner run: ${close}`,
  );
}

async function makeSchema(owner: Sql, workspace: WorkspaceId): Promise<void> {
  const { place, runtimeRole, destroyRole } = tenantNames(workspace);
  await makeRoles(owner, workspace);
  await owner.unsafe(`CREATE SCHEMA IF NOT EXISTS ${place} AUTHORIZATION portarium_schema`);
  await owner.unsafe(`GRANT USAGE ON SCHEMA ${place} TO ${runtimeRole}, ${destroyRole}`);
}

/** @returns the address that the workspace's own login uses */
async function makeDatabase(
  owner: Sql,
  { ownerUrl, runtimeUrl }: Pick<ProvisionOptions, 'ownerUrl' | 'runtimeUrl'>,
  workspace: WorkspaceId,
): Promise<string> {
  const { place, runtimeRole, destroyRole } = tenantNames(workspace);
  const password = randomBytes(24).toString('hex');
  await closeInstance(owner);
  await makeRoles(owner, workspace, password);
  const [found] = await owner`SELECT FROM pg_database WHERE datname = ${place}`;
  if (!found) await owner.unsafe(`CREATE DATABASE ${place} TEMPLATE template0 ENCODING 'UTF8'`);
  await owner.unsafe(`REVOKE ALL ON DATABASE ${place} FROM PUBLIC`);
  await owner.unsafe(`GRANT CONNECT ON DATABASE ${place} TO ${runtimeRole}`);
  const inside = connect(databaseTarget(ownerUrl, workspace).ownerUrl, {
    max: 1,
    name: 'portarium-provision',
  });
  try {
    await inside.unsafe(`
      GRANT portarium_schema TO CURRENT_USER;
      CREATE SCHEMA IF NOT EXISTS portarium AUTHORIZATION portarium_schema;
      REVOKE CREATE ON SCHEMA public FROM PUBLIC;
      GRANT USAGE ON SCHEMA portarium TO ${runtimeRole}, ${destroyRole};
      ALTER ROLE ${runtimeRole} IN DATABASE ${place} SET search_path = portarium;
    `);
  } finally {
    await inside.end({ timeout: 5 });
  }
  const url = new URL(runtimeUrl);
  url.username = runtimeRole;
  url.password = password;
  url.pathname = `/${place}`;
  return url.href;
}

/** Its own row: what names a workspace there refers to it. */
async function nameItself(ownerUrl: string, workspace: WorkspaceId): Promise<void> {
  const inside = connect(databaseTarget(ownerUrl, workspace).ownerUrl, {
    max: 1,
    name: 'portarium-provision',
  });
  try {
    await inside`
      INSERT INTO portarium.workspaces (id, name, tenancy_tier, created_at)
      VALUES (${workspace}, ${workspace}, 'C', now()) ON CONFLICT DO NOTHING`;
  } finally {
    await inside.end({ timeout: 5 });
  }
}
