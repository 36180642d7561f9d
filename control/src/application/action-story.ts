/** All entries of one action, in the order of the log. */
import type { Entry } from '@portarium/contracts/evidence-entry';
import type { ActionId } from '@portarium/contracts/ids';
import type { ReadTransaction } from './ports/workspace-store.ts';
import { eachEntry, entryOf } from './read-entries.ts';

/** @throws Error when an entry can not be read */
export async function readStory(
  tx: Pick<ReadTransaction, 'listEntries'>,
  action: ActionId,
): Promise<readonly Entry[]> {
  const entries: Entry[] = [];
  const list: ReadTransaction['listEntries'] = (page) => tx.listEntries(page);
  for await (const { bytes } of eachEntry(list, { action })) entries.push(entryOf(bytes));
  return entries;
}
