/**
 * `LogLock` by advisory locks of PostgreSQL, each on a connection of its own: who waits for one must not keep
 * a connection from who holds it.
 */
import type { WorkspaceId } from '@portarium/contracts/ids';
import type { LogLock } from '../../application/ports/log-lock.ts';
import { InfraError } from '../../application/ports/workspace-store.ts';
import { connect, toInfraError } from './connect.ts';

/** Sealers at work in one process. */
const CONNECTIONS = 4;

/** @param what is done under it: `log` is sealed, or artifacts are kept and disposed of (`keep`) */
export function createLogLock(
  url: string,
  what: 'log' | 'keep' = 'log',
): LogLock & { close(): Promise<void> } {
  const sql = connect(url, { max: CONNECTIONS, name: `portarium-${what}-lock` });
  /** In this process they stand in line without a connection. */
  const lines = new Map<WorkspaceId, Promise<unknown>>();

  async function withLock<T>(workspace: WorkspaceId, work: () => Promise<T>): Promise<T> {
    const name = `portarium/${what}/${workspace}`;
    const connection = await sql.reserve().catch((error) => Promise.reject(toInfraError(error)));
    try {
      await connection`SELECT pg_advisory_lock(hashtextextended(${name}, 0))`.catch((cause) => {
        const busy =
          what === 'log'
            ? `the log of ${workspace} is being sealed`
            : `artifacts of ${workspace} are being disposed of or held`;
        throw new InfraError(busy, { retryable: true, cause });
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
