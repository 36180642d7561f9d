/**
 * `LogLock` by advisory locks of PostgreSQL, each on a connection of its own: who waits for one must not keep
 * a connection from who holds it.
 */
import type { WorkspaceId } from '@portarium/contracts/ids';
import type { LogLock } from '../../application/ports/log-lock.ts';
import { InfraError } from '../../application/ports/workspace-store.ts';
import { connect, toInfraError } from './connect.ts';

/** Holders at work in one process. */
const CONNECTIONS = 4;

/** What a lock is held for; each purpose has its own. */
export type LockPurpose = 'log' | 'verification' | 'reconciliation' | 'keep';

export function createLogLock(
  url: string,
  purpose: LockPurpose = 'log',
): LogLock & { close(): Promise<void> } {
  const sql = connect(url, { max: CONNECTIONS, name: `portarium-${purpose}-lock` });
  /** In this process they stand in line without a connection. */
  const lines = new Map<WorkspaceId, Promise<unknown>>();

  async function withLock<T>(workspace: WorkspaceId, work: () => Promise<T>): Promise<T> {
    const name = `portarium/${purpose}/${workspace}`;
    const connection = await sql.reserve().catch((error) => Promise.reject(toInfraError(error)));
    try {
      await connection`SELECT pg_advisory_lock(hashtextextended(${name}, 0))`.catch((cause) => {
        throw new InfraError(`the ${purpose} of ${workspace} is somebody else’s for now`, {
          retryable: true,
          cause,
        });
      });
      try {
        return await work();
      } finally {
        await connection`SELECT pg_advisory_unlock(hashtextextended(${name}, 0))`.catch(
          () => undefined,
        );
      }
    } finally {
      connection.release();
    }
  }

  return {
    hold(workspace, work) {
      const before = lines.get(workspace) ?? Promise.resolve();
      const run = before.then(() => withLock(workspace, work));
      const settled = run.then(
        () => undefined,
        () => undefined,
      );
      lines.set(workspace, settled);
      settled.then(() => {
        if (lines.get(workspace) === settled) lines.delete(workspace);
      });
      return run;
    },
    close: () => sql.end({ timeout: 5 }),
  };
}
