/** Entries of a log as it has them: page by page, and what their bytes say. */
import { parseStrictJson } from '@portarium/contracts/canonical-json';
import { type Entry, EntrySchema } from '@portarium/contracts/evidence-entry';
import type { ActionId } from '@portarium/contracts/ids';
import * as v from 'valibot';
import type { LogEntryRecord } from './ports/records.ts';
import type { ReadTransaction } from './ports/workspace-store.ts';

/** Entries that are read at a time. */
const PAGE = 500;

/** Those of one action, or all, behind `after`. @param list each call of it reads one page */
export async function* eachEntry(
  list: ReadTransaction['listEntries'],
  { after = -1, action }: { readonly after?: number; readonly action?: ActionId | undefined },
): AsyncGenerator<LogEntryRecord> {
  const own = action === undefined ? {} : { action };
  for (let last = after; ; ) {
    const page = await list({ after: last, limit: PAGE, ...own });
    yield* page;
    if (page.length < PAGE) return;
    last = page.at(-1)?.seq ?? last;
  }
}

/** @throws Error when it is no entry */
export function entryOf(bytes: Uint8Array): Entry {
  return v.parse(EntrySchema, JSON.parse(new TextDecoder().decode(bytes)));
}

/** As it was checked when it was appended, and so not once more. @throws CanonicalJsonError when it is no JSON */
export function appendedEntry(bytes: Uint8Array): Entry {
  return parseStrictJson(new TextDecoder().decode(bytes)) as unknown as Entry;
}
