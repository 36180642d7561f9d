/**
 * Which tiles (C2SP tlog-tiles) prove a range of a log: those over its entries, their ancestors, and the
 * partial one at the right edge of each level, from which the root follows. For the whole log: all.
 */
import { TILE_WIDTH, type TilePlace } from './entry-bundle.ts';

/** A tile of hashes: not an entry bundle. */
export interface HashTilePlace extends TilePlace {
  readonly level: number;
}

/** Entries from `first` to before `end`: what is exported when somebody asks for a part. */
export interface EntryRange {
  readonly first: number;
  readonly end: number;
}

/**
 * A range is exported in whole entry bundles, which hold 256 entries each, the last of a log fewer.
 * @param size entries in the log
 */
export function widened(asked: { readonly from: number; readonly to: number }, size: number) {
  const first = Math.floor(asked.from / TILE_WIDTH) * TILE_WIDTH;
  const end = Math.min(size, (Math.floor(asked.to / TILE_WIDTH) + 1) * TILE_WIDTH);
  return { first, end };
}

/** Hashes that a level of tiles has in a tree of `size`. */
export function hashesAt(level: number, size: number): number {
  return Math.floor(size / TILE_WIDTH ** level);
}

/** From the lowest level upwards, each level from left to right. */
export function tilesOfRange({ first, end }: EntryRange, size: number): HashTilePlace[] {
  const places: HashTilePlace[] = [];
  let [from, to] = [first, Math.min(end, size)];
  for (let level = 0; hashesAt(level, size) > 0; level++) {
    const count = hashesAt(level, size);
    const full = Math.floor(count / TILE_WIDTH);
    const indices: number[] = [];
    for (let at = Math.floor(from / TILE_WIDTH); at * TILE_WIDTH < to; at++) indices.push(at);
    if (count % TILE_WIDTH > 0 && indices.at(-1) !== full) indices.push(full);
    for (const index of indices) {
      places.push({ level, index, width: index < full ? TILE_WIDTH : count % TILE_WIDTH });
    }
    // Full tiles stand as one hash each in the level above.
    const above = Math.min(full, Math.ceil(to / TILE_WIDTH));
    [from, to] = to > from ? [Math.floor(from / TILE_WIDTH), above] : [0, 0];
    if (to <= from) [from, to] = [0, 0];
  }
  return places;
}
