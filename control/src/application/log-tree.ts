/** The Merkle tree of a workspace's log as the database has it, read by tiles. */
import { fromHex } from '@portarium/contracts/digest';
import { TILE_WIDTH } from '@portarium/contracts/entry-bundle';
import { type ReadTile, TileTree } from '@portarium/contracts/tile-tree';
import type { LogReads } from './ports/log-store.ts';

/** Tiles of the database: leaves from the entries, all above from nodes that the sealer made. */
export function readTilesOf(tx: Pick<LogReads, 'leafHashes' | 'nodeHashes'>): ReadTile {
  return async (level, index, width) => {
    const first = index * TILE_WIDTH;
    if (level > 0) return tx.nodeHashes(level, first, width);
    const leaves = await tx.leafHashes(first, width);
    return leaves.map((leaf) => fromHex(leaf.slice('sha256:'.length)));
  };
}

/** @param size at most that of the newest checkpoint: beyond it nodes may not be there yet */
export function logTree(tx: Pick<LogReads, 'leafHashes' | 'nodeHashes'>, size: number): TileTree {
  return new TileTree(size, readTilesOf(tx));
}
