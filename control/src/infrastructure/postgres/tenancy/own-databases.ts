/** What the instance does in every database of tier C: one that is away keeps the others from nothing. */
import { getLogger } from '@logtape/logtape';
import type { WorkspaceId } from '@portarium/contracts/ids';
import type { Sql } from '../connect.ts';
import type { Places } from './places.ts';

const log = getLogger(['portarium', 'tenancy']);

/** @returns what `work` gave in each that answers */
export async function inOwnDatabases<T>(
  instance: Sql,
  places: Places,
  work: (sql: Sql, workspace: WorkspaceId) => Promise<T>,
): Promise<readonly T[]> {
  const rows =
    await instance`SELECT id FROM workspaces WHERE tenancy_tier = 'C' AND state = 'active' ORDER BY id`;
  const done = await Promise.allSettled(
    rows.map(async ({ id }) => work((await places.of(id as WorkspaceId)).sql, id as WorkspaceId)),
  );
  return done.flatMap((one, at) => {
    if (one.status === 'fulfilled') return [one.value];
    log.warn('the database of {workspace} is left for later: {reason}', {
      workspace: rows[at]?.id as string,
      reason: String(one.reason),
    });
    return [];
  });
}
