/**
 * Makes the store's own legal holds what the holds of the workspace say. What decides is the log and the holds, at the
 * time of disposal; the flag in the store is there for whoever goes around Portarium.
 */
import type { Digest } from '@portarium/contracts/digest';
import type { WorkspaceId } from '@portarium/contracts/ids';
import type { Context } from './context.ts';
import { inTurns } from './in-turns.ts';

const BATCH = 200;
/** Of them in one request; the next change of holds, or disposal, goes on. */
const BATCHES = 25;
/** Requests to the store at once. */
const AT_ONCE = 8;

/**
 * Under the lock `keep` of the workspace, whose catalogue is caught up with.
 * @returns whether it came to its end
 */
export async function settleHolds(
  { catalogue, objects }: Pick<Context, 'catalogue' | 'objects'>,
  workspace: WorkspaceId,
): Promise<boolean> {
  const put = (digests: readonly Digest[], held: boolean) =>
    inTurns(digests, AT_ONCE, (digest) => objects.setHold(workspace, digest, held));
  for (let left = BATCHES; left > 0; left--) {
    const { set, release } = await catalogue.flagsToChange(workspace, BATCH);
    if (set.length === 0 && release.length === 0) return true;
    await put(set, true);
    await catalogue.flagged(workspace, set);
    await put(release, false);
    await catalogue.released(workspace, release);
  }
  return false;
}
