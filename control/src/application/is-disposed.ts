/**
 * Whether evidence says that an artifact was disposed of: then it is right that it is not there. One that was
 * named again afterwards, and got lost after that, is found by the verifier of bundles, not here.
 */
import { parseStrictJson } from '@portarium/contracts/canonical-json';
import type { Digest } from '@portarium/contracts/digest';
import type { Entry } from '@portarium/contracts/evidence-entry';
import { disposedDigests } from '@portarium/contracts/verify-disposals';
import type { ReadTransaction } from './ports/workspace-store.ts';

/** Reads every disposal of the workspace: for artifacts that are missed, not for each. */
export async function isDisposed(tx: ReadTransaction, digest: Digest): Promise<boolean> {
  const entries = (await tx.disposals()).map(({ bytes }) => ({
    entry: parseStrictJson(new TextDecoder().decode(bytes)) as unknown as Entry,
  }));
  return disposedDigests(entries).has(digest);
}
