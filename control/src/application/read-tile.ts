/** One tile or entry bundle of a signed log, byte for byte as C2SP tlog-tiles has it. */
import {
  encodeEntryBundle,
  encodeTile,
  TILE_WIDTH,
  type TilePlace,
} from '@portarium/contracts/entry-bundle';
import type { WorkspaceId } from '@portarium/contracts/ids';
import type { Context } from './context.ts';
import { readTilesOf } from './log-tree.ts';

/** @returns undefined beyond what is signed, and where no tile is */
export function readTile(
  context: Pick<Context, 'store'>,
  workspace: WorkspaceId,
  { level, index, width }: TilePlace,
): Promise<Uint8Array | undefined> {
  return context.store.read(workspace, async (tx) => {
    const signed = (await tx.checkpoint())?.size ?? 0;
    const hashes = Math.floor(signed / TILE_WIDTH ** (level === 'entries' ? 0 : level));
    const first = index * TILE_WIDTH;
    if (first + width > hashes) return undefined;
    if (level === 'entries') {
      const entries = await tx.listEntries({ after: first - 1, limit: width });
      return entries.length === width
        ? encodeEntryBundle(entries.map(({ bytes }) => bytes))
        : undefined;
    }
    const tile = await readTilesOf(tx)(level, index, width);
    return tile.length === width ? encodeTile(tile) : undefined;
  });
}
