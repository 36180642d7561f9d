/** Whether evidence says that an artifact was disposed of: then it is right that it is not there. */
import type { Digest } from '@portarium/contracts/digest';
import type { ReadTransaction } from './ports/workspace-store.ts';

/** Nothing is disposed of yet: no entry type says so. */
export async function isDisposed(_tx: ReadTransaction, _digest: Digest): Promise<boolean> {
  return false;
}
