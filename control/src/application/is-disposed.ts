/** Whether evidence says that an artifact was disposed of: then it is right that it is not there. */
import type { Digest } from '@portarium/contracts/digest';
import { disposedDigests } from '@portarium/contracts/verify-disposals';
import type { ReadTransaction } from './ports/workspace-store.ts';
import { appendedEntry } from './read-entries.ts';

/**
 * Reads every disposal of the workspace: for artifacts that are missed, not for each.
 * @param named `seq` of the last entry that names it; an order before that one is over
 */
export async function isDisposed(
  tx: ReadTransaction,
  digest: Digest,
  named: number,
): Promise<boolean> {
  const entries = (await tx.disposals())
    .filter(({ seq }) => seq > named)
    .map(({ bytes }) => ({ entry: appendedEntry(bytes) }));
  return disposedDigests(entries).has(digest);
}
