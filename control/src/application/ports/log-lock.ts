import type { WorkspaceId } from '@portarium/contracts/ids';

/** One sealer a workspace, over all replicas. */
export interface LogLock {
  /**
   * Runs `work` while nobody else holds the workspace's log. A lock is lost with its connection: what `work`
   * writes has to be safe by itself, too. Rejects with `InfraError` when the lock is not got in time.
   */
  hold<T>(workspace: WorkspaceId, work: () => Promise<T>): Promise<T>;
}
