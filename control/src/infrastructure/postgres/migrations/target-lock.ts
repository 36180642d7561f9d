/**
 * One run at a time on a target: advisory locks of a session, on a connection that does nothing else, so that neither a
 * rolled back transaction nor a pool gives one up. Each is in the database that has the target’s journal.
 */
import { hostname } from 'node:os';
import { connect, type Sql } from '../connect.ts';
import type { MigrationTarget } from '../tenancy/migration-target.ts';
import { MigrationError } from './migration-files.ts';

type Named = Pick<MigrationTarget, 'name'>;

const POLL_MS = 200;
const WAIT_MS = 60_000;

export interface TargetLocks {
  /**
   * Runs `work` while nobody else migrates the target. `waited`: somebody else did until now.
   * @throws MigrationError with who holds it when it is not had in time
   */
  hold<T>(target: Named, work: (waited: boolean) => Promise<T>): Promise<T>;
  /** Cancels the statement of whoever runs a file on the target, if that waits for a lock. @returns whether it did */
  cancelWait(target: Named): Promise<boolean>;
  close(): Promise<void>;
}

export interface LockOptions {
  /** Until a target that somebody else migrates counts as failed; a minute when left out. */
  readonly waitMs?: number | undefined;
  /** Called once for a target that somebody else migrates. */
  readonly onWait?: ((target: string, holder: string) => void) | undefined;
}

/** Key of the advisory lock that a transaction holds while it runs a file on the target. */
export const runningKey = ({ name }: Named) => `portarium/migrate/${name}`;
const heldKey = ({ name }: Named) => `portarium/migrate/held/${name}`;

export function openTargetLocks(
  url: string,
  { waitMs = WAIT_MS, onWait }: LockOptions = {},
): TargetLocks {
  // What others read who have to wait. PostgreSQL keeps 63 bytes.
  const name = `portarium-migrate ${process.pid} on ${hostname()}`.slice(0, 63);
  const sql = connect(url, { max: 1, name, keep: true });

  async function take(target: Named): Promise<boolean> {
    const [row] =
      await sql`SELECT pg_try_advisory_lock(hashtextextended(${heldKey(target)}, 0)) AS had`;
    return row?.had === true;
  }

  /** @returns whether it had to wait */
  async function acquire(target: Named): Promise<boolean> {
    if (await take(target)) return false;
    const until = performance.now() + waitMs;
    const holder = await holderOf(sql, heldKey(target));
    onWait?.(target.name, holder);
    while (!(await take(target))) {
      if (performance.now() > until) {
        throw new MigrationError(
          `${target.name}: ${holder} migrates it; nothing was done within ${waitMs / 1_000} s. Wait for that, or end it`,
        );
      }
      await new Promise((resolve) => setTimeout(resolve, POLL_MS));
    }
    return true;
  }

  return {
    async hold(target, work) {
      const waited = await acquire(target);
      try {
        return await work(waited);
      } finally {
        // A connection that was lost has given it up already.
        await sql`SELECT pg_advisory_unlock(hashtextextended(${heldKey(target)}, 0))`.catch(
          () => undefined,
        );
      }
    },
    async cancelWait(target) {
      const rows = await sql`
        SELECT pg_cancel_backend(l.pid) FROM ${holders(sql, runningKey(target))} l
        JOIN pg_stat_activity a ON a.pid = l.pid AND a.wait_event_type = 'Lock'`;
      return rows.length > 0;
    },
    close: () => sql.end({ timeout: 5 }),
  };
}

/** Processes of the server that hold an advisory lock: its 64 bits are in two columns. */
const holders = (sql: Sql, key: string) => sql`(
  SELECT pid FROM pg_locks, hashtextextended(${key}, 0) AS key
  WHERE locktype = 'advisory' AND granted AND objsubid = 1
    AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
    AND (classid::bigint << 32 | objid::bigint) = key)`;

async function holderOf(sql: Sql, key: string): Promise<string> {
  const [row] = await sql`
    SELECT a.application_name AS name, a.backend_start AS since FROM ${holders(sql, key)} l
    JOIN pg_stat_activity a ON a.pid = l.pid`;
  if (!row) return 'another run';
  return `${row.name} (since ${(row.since as Date).toISOString()})`;
}
