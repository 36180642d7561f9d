/** Which actions the entries are about that a recovery put back. */
import type { ActionId, WorkspaceId } from '@portarium/contracts/ids';
import { entryOf } from './action-story.ts';
import type { Context } from './context.ts';

/** Entries that are read at a time. */
const PAGE = 1_000;

/** @param from the first of them */
export async function restoredActions(
  { sealerStore }: Pick<Context, 'sealerStore'>,
  workspace: WorkspaceId,
  from: number,
): Promise<ReadonlySet<ActionId>> {
  const actions = new Set<ActionId>();
  for (let after = from - 1; ; ) {
    const rows = await sealerStore.read(workspace, (tx) => tx.listEntries({ after, limit: PAGE }));
    for (const { bytes } of rows) {
      const { action } = entryOf(bytes).subject;
      if (action !== undefined) actions.add(action as ActionId);
    }
    if (rows.length < PAGE) return actions;
    after = rows.at(-1)?.seq ?? after;
  }
}
