/** The owner of the database, whom no trigger stops: what an administrator could do to a log. */
import type { WorkspaceId } from '@portarium/contracts/ids';
import type { Sql } from '../infrastructure/postgres/connect.ts';

/** Runs `change` with the append-only triggers out of the way. @param owner one connection of the owner */
export async function asOwner(
  owner: Sql,
  workspace: WorkspaceId,
  change: (sql: Sql) => Promise<void>,
): Promise<void> {
  const tables = ['log_entries', 'log_heads', 'log_nodes'];
  await owner`SET search_path TO portarium`;
  await owner`SELECT set_config('portarium.workspace', ${workspace}, false)`;
  for (const table of tables) await owner`ALTER TABLE ${owner(table)} DISABLE TRIGGER USER`;
  try {
    await change(owner);
  } finally {
    for (const table of tables) await owner`ALTER TABLE ${owner(table)} ENABLE TRIGGER USER`;
    await owner`ALTER TABLE log_entries ENABLE ALWAYS TRIGGER log_entries_not_frozen`;
  }
}
