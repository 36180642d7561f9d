/** All entries of one action, in the order of the log. */
import { type Entry, EntrySchema } from '@portarium/contracts/evidence-entry';
import type { ActionId } from '@portarium/contracts/ids';
import * as v from 'valibot';
import type { ReadTransaction } from './ports/workspace-store.ts';

/** Entries that are read at a time. */
const PAGE = 1_000;

/** @throws Error when an entry can not be read */
export async function readStory(
  tx: Pick<ReadTransaction, 'listEntries'>,
  action: ActionId,
): Promise<readonly Entry[]> {
  const entries: Entry[] = [];
  for (let after = -1; ; ) {
    const rows = await tx.listEntries({ after, limit: PAGE, action });
    entries.push(...rows.map(({ bytes }) => entryOf(bytes)));
    if (rows.length < PAGE) return entries;
    after = rows.at(-1)?.seq ?? after;
  }
}

export function entryOf(bytes: Uint8Array): Entry {
  return v.parse(EntrySchema, JSON.parse(new TextDecoder().decode(bytes)));
}
