import type { WorkspaceId } from '@portarium/contracts/ids';

/** One a workspace, over all replicas: of sealers, of verifiers, or of reconcilers. */
export interface LogLock {
  /**
   * Runs `work` while nobody else holds the workspace's lock of that purpose. A lock is lost with its connection: what `work`
   * writes has to be safe by itself, too. Rejects with `InfraError` when the lock is not got in time.
   */
  hold<T>(workspace: WorkspaceId, work: () => Promise<T>): Promise<T>;
}
