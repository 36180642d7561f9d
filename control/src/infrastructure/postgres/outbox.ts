/** The outbox as the relay reads it: unpublished events of each workspace in sequence. */
import type { Sql } from './connect.ts';

export interface OutboxEvent {
  readonly workspace: string;
  readonly seq: number;
  readonly id: string;
  readonly subject: string;
  readonly envelope: string;
}

const RELAY_LOCK_KEY = 7_265_190_002;

/**
 * Runs `work` while this process is the only relay; does nothing when another one is. Rows of a
 * workspace become visible in the order of `seq`, because the log head's lock orders the commits.
 */
export async function asOnlyRelay(sql: Sql, work: () => Promise<void>): Promise<boolean> {
  const connection = await sql.reserve();
  try {
    const [row] = await connection`SELECT pg_try_advisory_lock(${RELAY_LOCK_KEY}) AS mine`;
    if (row?.mine !== true) return false;
    try {
      await work();
    } finally {
      await connection`SELECT pg_advisory_unlock(${RELAY_LOCK_KEY})`;
    }
    return true;
  } finally {
    connection.release();
  }
}

export async function unpublished(sql: Sql, limit: number): Promise<readonly OutboxEvent[]> {
  const rows = await sql`
    SELECT workspace_id, seq, event_id, subject, envelope FROM outbox
    WHERE published_at IS NULL ORDER BY workspace_id, seq LIMIT ${limit}`;
  return rows.map((row) => ({
    workspace: row.workspace_id as string,
    seq: Number(row.seq),
    id: row.event_id as string,
    subject: row.subject as string,
    envelope: row.envelope as string,
  }));
}

export async function markPublished(sql: Sql, workspace: string, upTo: number): Promise<void> {
  await sql`
    UPDATE outbox SET published_at = now() WHERE workspace_id = ${workspace} AND seq <= ${upTo} AND published_at IS NULL`;
}
