/** The leaf hashes of a log, read in pages. */
import { fromHex } from '@portarium/contracts/digest';
import type { WorkspaceId } from '@portarium/contracts/ids';
import type { Context } from './context.ts';

/** Leaf hashes that one read takes into memory: 32 bytes each. */
const LEAVES_PER_READ = 10_000;

/**
 * Hashes of the entries with `from <= seq < size`, in order.
 * @throws Error when the log lacks one of them
 */
export async function* readLeaves(
  context: Pick<Context, 'store'>,
  workspace: WorkspaceId,
  from: number,
  size: number,
): AsyncGenerator<Uint8Array> {
  for (let next = from; next < size; ) {
    const limit = Math.min(LEAVES_PER_READ, size - next);
    const page = await context.store.read(workspace, (tx) => tx.leafHashes(next, limit));
    if (page.length === 0) throw new Error(`the log of ${workspace} lacks entry ${next}`);
    for (const leaf of page) yield fromHex(leaf.slice('sha256:'.length));
    next += page.length;
  }
}
