/**
 * The store that use cases write through: before the first write to a workspace in this process, its log is
 * held against the newest checkpoint in the evidence store. So after a restore of an older database nothing is
 * appended that would make two logs of one.
 */
import type { WorkspaceId } from '@portarium/contracts/ids';
import type { WorkspaceStore } from './ports/workspace-store.ts';

export interface CheckedStore extends WorkspaceStore {
  /** Every log is looked at anew before its next write: the database may be another one. */
  forget(): void;
}

/** @param check resolves when the workspace's log may be written to */
export function createCheckedStore(
  store: WorkspaceStore,
  check: (workspace: WorkspaceId) => Promise<unknown>,
): CheckedStore {
  const checked = new Map<WorkspaceId, Promise<unknown>>();

  function checkOnce(workspace: WorkspaceId): Promise<unknown> {
    const known = checked.get(workspace);
    if (known) return known;
    const running = check(workspace);
    checked.set(workspace, running);
    running.catch(() => {
      if (checked.get(workspace) === running) checked.delete(workspace);
    });
    return running;
  }

  return {
    read: (workspace, query) => store.read(workspace, query),
    async submit(workspace, unit) {
      await checkOnce(workspace);
      return store.submit(workspace, unit);
    },
    forget: () => checked.clear(),
  };
}
