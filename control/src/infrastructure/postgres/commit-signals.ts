/**
 * Listens for commits of any replica and wakes who waits for an action, an upload or a workspace.
 * A wake-up carries no authority: whoever is woken reads the database again.
 */
import type { ActionId, PluginId, WorkspaceId } from '@portarium/contracts/ids';
import type { ActionSignals } from '../../application/ports/outside.ts';
import { COMMIT_CHANNEL } from './append-entries.ts';
import type { Sql } from './connect.ts';

export interface CommitSignals extends ActionSignals {
  stop(): Promise<void>;
}

/** @param onConnected called whenever it listens on a new connection, or a workspace was restored */
export async function listenForCommits(
  sql: Sql,
  onConnected: () => void = () => {},
): Promise<CommitSignals> {
  const waiting = new Map<string, Set<() => void>>();
  const listeners = new Set<(workspace: WorkspaceId) => void>();

  // The driver reconnects by itself and subscribes again; what was missed meanwhile is why waiters poll.
  const subscription = await sql.listen(
    COMMIT_CHANNEL,
    (payload) => {
      const { w, a, restored } = JSON.parse(payload) as {
        w: WorkspaceId;
        a: (ActionId | PluginId)[];
        restored?: true;
      };
      if (restored) onConnected();
      for (const listener of listeners) listener(w);
      for (const id of a) {
        for (const wake of waiting.get(`${w}/${id}`) ?? []) wake();
      }
    },
    onConnected,
  );

  return {
    changed(workspace, id, timeoutMs) {
      const key = `${workspace}/${id}`;
      return new Promise((resolve) => {
        const set = waiting.get(key) ?? new Set();
        waiting.set(key, set);
        const wake = () => {
          clearTimeout(timer);
          set.delete(wake);
          if (set.size === 0) waiting.delete(key);
          resolve();
        };
        const timer = setTimeout(wake, timeoutMs);
        set.add(wake);
      });
    },
    onCommit(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    async stop() {
      await subscription.unlisten();
    },
  };
}
