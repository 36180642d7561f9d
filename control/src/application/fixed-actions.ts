/**
 * Actions as they were requested, kept while they run: input, contract, limits and credentials of an
 * action never change, and every call of a guest is matched against them. State and fence do change: those
 * of a kept record are never looked at.
 */
import type { ActionId, WorkspaceId } from '@portarium/contracts/ids';
import type { ActionRecord } from './ports/records.ts';
import type { WorkspaceStore } from './ports/workspace-store.ts';

export type FixedAction = Omit<
  ActionRecord,
  'state' | 'fence' | 'outputDigest' | 'error' | 'finishedAt'
>;

export interface FixedActions {
  find(workspace: WorkspaceId, id: ActionId): Promise<FixedAction | undefined>;
}

/** Actions that are kept: more than run at once on many sandbox hosts. */
const MOST = 1_000;

export function createFixedActions(store: Pick<WorkspaceStore, 'read'>): FixedActions {
  const kept = new Map<string, FixedAction>();
  return {
    async find(workspace, id) {
      const key = `${workspace}/${id}`;
      const known = kept.get(key);
      if (known) return known;
      const found = await store.read(workspace, (tx) => tx.findAction(id));
      if (!found) return undefined;
      const { state: _state, fence: _fence, outputDigest: _output, ...rest } = found;
      const { error: _error, finishedAt: _finished, ...fixed } = rest;
      kept.set(key, fixed);
      const [oldest] = kept.keys();
      if (kept.size > MOST && oldest !== undefined) kept.delete(oldest);
      return fixed;
    },
  };
}
