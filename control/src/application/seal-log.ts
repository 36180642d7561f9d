/** Signs a checkpoint over what a workspace's log holds. Never signs a smaller log than before. */
import type { WorkspaceId } from '@portarium/contracts/ids';
import { appendLeaf, emptyRange, rootOf } from '@portarium/contracts/merkle';
import type { Context } from './context.ts';
import type { CheckpointRecord } from './ports/workspace-store.ts';
import { readLeaves } from './read-leaves.ts';

/** @returns the newest checkpoint, or undefined while the log is empty */
export async function sealLog(
  context: Pick<Context, 'store' | 'signer'>,
  workspace: WorkspaceId,
): Promise<CheckpointRecord | undefined> {
  for (;;) {
    const before = await context.store.read(workspace, async (tx) => ({
      size: await tx.logSize(),
      checkpoint: await tx.checkpoint(),
    }));
    if (before.size === (before.checkpoint?.size ?? 0)) return before.checkpoint;
    if (before.size < (before.checkpoint?.size ?? 0)) {
      throw new Error(
        `the log of ${workspace} has ${before.size} entries and a checkpoint over ${before.checkpoint?.size}: the database was rolled back`,
      );
    }
    let range = before.checkpoint?.range ?? emptyRange();
    for await (const leaf of readLeaves(context, workspace, range.size, before.size)) {
      range = await appendLeaf(range, leaf);
    }
    const note = await context.signer.sign(workspace, range.size, await rootOf(range));
    const next: CheckpointRecord = { size: range.size, note, range };
    const replaced = await context.store.submit(workspace, (tx) =>
      tx.replaceCheckpoint(before.checkpoint?.size, next),
    );
    if (replaced) return next;
    // Another sealer was first; look again.
  }
}
