/** `Directory` on PostgreSQL: the global tables. */
import { idFromUuid, uuidOf, type WorkspaceId } from '@portarium/contracts/ids';
import type {
  Directory,
  DueDispatch,
  WorkspaceRecord,
  WorkspaceState,
} from '../../application/ports/directory.ts';
import { type Sql, toInfraError } from './connect.ts';
import { keyOf, workspaceOf } from './rows.ts';
import { inOwnDatabases } from './tenancy/own-databases.ts';
import { type Places, sharedPlaces } from './tenancy/places.ts';

const KEY_COLUMNS = [
  'id',
  'workspace_id',
  'name',
  'owner',
  'created_by',
  'role',
  'created_at',
  'expires_at',
  'revoked_at',
  'last_used_at',
];

async function guarded<T>(run: () => Promise<T>): Promise<T> {
  try {
    return await run();
  } catch (error) {
    throw toInfraError(error);
  }
}

async function dueIn(
  queue: Sql,
  olderThanMs: number,
  workspace?: WorkspaceId,
): Promise<readonly DueDispatch[]> {
  const rows = await queue`
    SELECT workspace_id, action_id, wake_id FROM dispatch_queue
    WHERE due_at < now() - make_interval(secs => ${olderThanMs / 1000})
      ${workspace === undefined ? queue`` : queue`AND workspace_id = ${workspace}`} ORDER BY due_at LIMIT 100`;
  return rows.map((row) => ({
    workspace: row.workspace_id as WorkspaceId,
    action: idFromUuid('action', row.action_id as string),
    wake: (row.wake_id ?? null) as string | null,
  }));
}

/** A key's last use is written at most this often; the statement itself says the same to replicas. */
const TOUCH_MS = 60_000;

export function createDirectory(sql: Sql, places: Places = sharedPlaces(sql)): Directory {
  const touched = new Map<string, number>();
  return {
    findWorkspace: (id) =>
      guarded(async () => {
        const [row] =
          await sql`SELECT id, name, tenancy_tier, created_at FROM workspaces WHERE id = ${id} AND state = 'active'`;
        return row && workspaceOf(row);
      }),
    lookUpWorkspace: (id) =>
      guarded(async () => {
        const [row] = await sql`SELECT state, tenancy_tier FROM workspaces WHERE id = ${id}`;
        return (
          row && {
            state: row.state as WorkspaceState,
            tenancyTier: row.tenancy_tier as WorkspaceRecord['tenancyTier'],
          }
        );
      }),
    setDatabaseSecret: (id, secret) =>
      guarded(async () => {
        await sql`UPDATE workspaces SET database_secret = ${secret} WHERE id = ${id}`;
      }),
    activateWorkspace: ({ id, name, createdAt }) =>
      guarded(async () => {
        await sql`
          UPDATE workspaces SET state = 'active', name = ${name}, created_at = ${createdAt}
          WHERE id = ${id} AND state = 'provisioning'`;
      }),
    listWorkspaces: (page) =>
      guarded(async () => {
        const rows = await sql`
          SELECT id, name, tenancy_tier, created_at FROM workspaces
          WHERE id > ${page?.after ?? ''} AND state = 'active' ORDER BY id LIMIT ${page?.limit ?? null}`;
        return rows.map(workspaceOf);
      }),
    findKey: (id) =>
      guarded(async () => {
        const [row] =
          await sql`SELECT ${sql(KEY_COLUMNS)}, secret_hash FROM api_keys WHERE id = ${uuidOf(id)}`;
        return (
          row && { key: keyOf(row), secretHash: new Uint8Array(row.secret_hash as Uint8Array) }
        );
      }),
    listKeys: (workspace) =>
      guarded(async () => {
        const rows =
          await sql`SELECT ${sql(KEY_COLUMNS)} FROM api_keys WHERE workspace_id IS NOT DISTINCT FROM ${workspace} ORDER BY id DESC LIMIT 1000`;
        return rows.map(keyOf);
      }),
    touchKey: (id) =>
      guarded(async () => {
        const now = performance.now();
        if (now - (touched.get(id) ?? Number.NEGATIVE_INFINITY) < TOUCH_MS) return;
        touched.set(id, now);
        await sql`
          UPDATE api_keys SET last_used_at = now() WHERE id = ${uuidOf(id)} AND (last_used_at IS NULL OR last_used_at < now() - interval '1 minute')`;
      }),
    dueDispatches: (olderThanMs, workspace) =>
      guarded(async () => {
        if (workspace !== undefined) {
          return dueIn((await places.of(workspace)).sql, olderThanMs, workspace);
        }
        const due = (queue: Sql) => dueIn(queue, olderThanMs);
        return [...(await due(sql)), ...(await inOwnDatabases(sql, places, due)).flat()];
      }),
    dispatched: (workspace, action, wake) =>
      guarded(async () => {
        const { sql: queue } = await places.of(workspace);
        await queue`DELETE FROM dispatch_queue WHERE action_id = ${uuidOf(action)} AND wake_id IS NOT DISTINCT FROM ${wake}`;
      }),
    postpone: (workspace, action, wake, ms) =>
      guarded(async () => {
        const { sql: queue } = await places.of(workspace);
        await queue`
          UPDATE dispatch_queue SET due_at = now() + make_interval(secs => ${ms / 1000})
          WHERE action_id = ${uuidOf(action)} AND wake_id IS NOT DISTINCT FROM ${wake}`;
      }),
    ping: () =>
      guarded(async () => {
        await sql`SELECT 1`;
      }),
  };
}
