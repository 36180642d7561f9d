/** What an instance has to migrate: its global tables, the shared ones of tier A, and each workspace of tiers B and C. */
import { type WorkspaceId, WorkspaceIdSchema } from '@portarium/contracts/ids';
import * as v from 'valibot';
import type { Sql } from '../connect.ts';
import {
  databaseTarget,
  type MigrationTarget,
  schemaTarget,
  sharedTargets,
} from '../tenancy/migration-target.ts';
import { MigrationError } from './migration-files.ts';

export interface TargetChoice {
  readonly ownerUrl: string;
  /** `global`, `tenant`, `all` or the id of a workspace; all when left out. */
  readonly target?: string;
  /** The first workspace; the oldest when left out. */
  readonly canary?: string;
}

/** Every target of the instance in the order of a run; `wanted` leaves the others out. */
export async function listTargets(
  sql: Sql,
  { ownerUrl, target: wanted = 'all', canary }: TargetChoice,
): Promise<readonly MigrationTarget[]> {
  const shared = sharedTargets(ownerUrl);
  if (wanted === 'global' || wanted === 'tenant') {
    return shared.filter(({ name }) => name === wanted);
  }
  const workspaces = await workspaceTargets(sql, ownerUrl);
  const first = canary === undefined ? undefined : workspaces.find(isOf(canary));
  if (canary !== undefined && !first) {
    throw new MigrationError(`there is no workspace ${canary} of tier B or C to begin with`);
  }
  const ordered = first ? [first, ...workspaces.filter((one) => one !== first)] : workspaces;
  if (wanted === 'all') return [...shared, ...ordered];
  const one = ordered.find(isOf(wanted.replace(/^workspace\//, '')));
  if (one) return [one];
  throw new MigrationError(
    `there is no target ${wanted}; name global, tenant, all, or a workspace of tier B or C`,
  );
}

const isOf =
  (workspace: string) =>
  ({ name }: MigrationTarget) =>
    name === `workspace/${workspace}`;

async function workspaceTargets(sql: Sql, ownerUrl: string): Promise<readonly MigrationTarget[]> {
  const [has] = await sql`
    SELECT FROM information_schema.columns
    WHERE table_schema = 'portarium' AND table_name = 'workspaces' AND column_name = 'state'`;
  if (!has) return [];
  const rows = await sql`
    SELECT id, tenancy_tier FROM portarium.workspaces
    WHERE tenancy_tier IN ('B', 'C') AND state <> 'deprovisioned' ORDER BY created_at, id`;
  return rows.flatMap(({ id, tenancy_tier: tier }) => {
    if (!v.is(WorkspaceIdSchema, id)) return [];
    const workspace = id as WorkspaceId;
    return [tier === 'B' ? schemaTarget(ownerUrl, workspace) : databaseTarget(ownerUrl, workspace)];
  });
}

export const isWorkspace = (name: string) => name.startsWith('workspace/');

/** Whether the journal of the target is in a database of its own. */
export const isElsewhere = ({ sets, name }: MigrationTarget) =>
  isWorkspace(name) && sets.some(({ journal }) => journal === 'tenant');
