/**
 * All perfect subtrees over the leaves of a log, hashed once (RFC 6962, section 2.1). From them come the
 * root at every size, and every tile, without another hash but O(log n).
 */
import { sha256, sha256Each } from './digest.ts';
import { TILE_WIDTH, type TileFile, tilePath } from './entry-bundle.ts';
import { nodeHash } from './merkle.ts';
import { type HashTilePlace, tilesOfRange } from './range-tiles.ts';

const HASH_BYTES = 32;
/** Levels of the tree in one level of tiles: 256 hashes. */
const TILE_LEVELS = 8;

export class PerfectSubtrees {
  readonly size: number;
  /** By height: the hashes of all perfect subtrees of that height, one behind another. */
  readonly #levels: readonly Uint8Array[];

  private constructor(size: number, levels: readonly Uint8Array[]) {
    this.size = size;
    this.#levels = levels;
  }

  /** @param leaves leaf hashes of 32 bytes */
  static async over(leaves: readonly Uint8Array[]): Promise<PerfectSubtrees> {
    let level = new Uint8Array(leaves.length * HASH_BYTES);
    leaves.forEach((leaf, index) => {
      level.set(leaf, index * HASH_BYTES);
    });
    const levels = [level];
    while (level.length >= 2 * HASH_BYTES) {
      level = await levelAbove(level);
      levels.push(level);
    }
    return new PerfectSubtrees(leaves.length, levels);
  }

  /** The root over the first `size` leaves. @throws RangeError when there are not so many */
  async rootAt(size: number): Promise<Uint8Array> {
    if (!Number.isSafeInteger(size) || size < 0 || size > this.size) {
      throw new RangeError(`no tree of size ${size} within ${this.size} leaves`);
    }
    let root: Uint8Array | undefined;
    // The set bits of the size, from the lowest: each stands for one perfect subtree.
    for (let height = 0, rest = size; rest > 0; height++, rest = Math.floor(rest / 2)) {
      if (rest % 2 === 0) continue;
      const subtree = this.#hash(height, rest - 1);
      root = root ? await nodeHash(subtree, root) : subtree;
    }
    return root ?? sha256(new Uint8Array());
  }

  /** The hash tiles of the tree over the first `size` leaves, as C2SP tlog-tiles has them. */
  tilesAt(size: number): TileFile[] {
    return tilesOfRange({ first: 0, end: size }, size).map((place) => this.tile(place));
  }

  /** @throws RangeError when there are not so many leaves */
  tile({ level, index, width }: HashTilePlace): TileFile {
    const hashes = this.#levels[level * TILE_LEVELS] ?? new Uint8Array();
    const start = index * TILE_WIDTH * HASH_BYTES;
    const bytes = hashes.subarray(start, start + width * HASH_BYTES);
    const path = tilePath(level, index, width);
    if (bytes.length < width * HASH_BYTES) throw new RangeError(`the tree has no ${path}`);
    return { path, bytes };
  }

  #hash(height: number, index: number): Uint8Array {
    const hashes = this.#levels[height] ?? new Uint8Array();
    return hashes.slice(index * HASH_BYTES, (index + 1) * HASH_BYTES);
  }
}

/** Pairs hashed; an odd last one is no perfect subtree. */
async function levelAbove(level: Uint8Array): Promise<Uint8Array<ArrayBuffer>> {
  const pairs = Math.floor(level.length / (2 * HASH_BYTES));
  const message = new Uint8Array(1 + 2 * HASH_BYTES);
  message[0] = 1;
  const hashes = await sha256Each(pairs, (index) => {
    const start = index * 2 * HASH_BYTES;
    message.set(level.subarray(start, start + 2 * HASH_BYTES), 1);
    return message;
  });
  const above = new Uint8Array(pairs * HASH_BYTES);
  hashes.forEach((hash, index) => {
    above.set(hash, index * HASH_BYTES);
  });
  return above;
}
