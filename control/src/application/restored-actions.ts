/** Which actions the entries are about that a recovery put back. */
import type { ActionId, WorkspaceId } from '@portarium/contracts/ids';
import type { Context } from './context.ts';
import type { ReadTransaction } from './ports/workspace-store.ts';
import { eachEntry, entryOf } from './read-entries.ts';

/** @param from the first of them */
export async function restoredActions(
  { sealerStore }: Pick<Context, 'sealerStore'>,
  workspace: WorkspaceId,
  from: number,
): Promise<ReadonlySet<ActionId>> {
  const actions = new Set<ActionId>();
  const list: ReadTransaction['listEntries'] = (page) =>
    sealerStore.read(workspace, (tx) => tx.listEntries(page));
  for await (const { bytes } of eachEntry(list, { after: from - 1 })) {
    const { action } = entryOf(bytes).subject;
    if (action !== undefined) actions.add(action as ActionId);
  }
  return actions;
}
