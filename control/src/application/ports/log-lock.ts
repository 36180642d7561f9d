import type { WorkspaceId } from '@portarium/contracts/ids';

/** One at a time a workspace, over all replicas: one sealer, or one that holds or disposes of artifacts. */
export interface LogLock {
  /**
   * Runs `work` while nobody else holds the same lock of the workspace. A lock is lost with its connection: what `work`
   * writes has to be safe by itself, too. Rejects with `InfraError` when the lock is not got in time.
   */
  hold<T>(workspace: WorkspaceId, work: () => Promise<T>): Promise<T>;
}
