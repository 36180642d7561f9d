/**
 * The Merkle tree of a log read through its tiles (C2SP tlog-tiles, height 8): roots and proofs cost
 * O(log n) tiles and hashes, however many leaves there are. It trusts the tiles; whoever gets a proof
 * checks it against a signed root.
 */
import { sha256, toHex } from './digest.ts';
import { TILE_WIDTH } from './entry-bundle.ts';
import { type CompactRange, merkleRoot, nodeHash } from './merkle.ts';

const TILE_HEIGHT = 8;

/** The first `width` hashes, 1 to 256, of tile `index` at `level`. */
export type ReadTile = (
  level: number,
  index: number,
  width: number,
) => Promise<readonly Uint8Array[]>;

export class TileTree {
  /** Leaves. */
  readonly size: number;
  readonly #read: ReadTile;
  readonly #tiles = new Map<string, Promise<readonly Uint8Array[]>>();
  readonly #nodes = new Map<string, Promise<Uint8Array>>();

  /** @param read is asked for each tile once */
  constructor(size: number, read: ReadTile) {
    if (!Number.isSafeInteger(size) || size < 0) throw new RangeError(`no tree of ${size} leaves`);
    this.size = size;
    this.#read = read;
  }

  /** Of an empty tree the SHA-256 of nothing. */
  root(): Promise<Uint8Array> {
    return this.rootAt(this.size);
  }

  /** The root of the first `size` leaves. */
  async rootAt(size: number): Promise<Uint8Array> {
    this.#assertSize(size);
    return size === 0 ? sha256(new Uint8Array()) : this.#subtree(0, size);
  }

  /** The frontier at `size`. */
  async rangeAt(size: number): Promise<CompactRange> {
    this.#assertSize(size);
    const hashes: Promise<Uint8Array>[] = [];
    for (let start = 0; start < size; ) {
      let width = 1;
      while (width * 2 <= size - start) width *= 2;
      hashes.push(this.#subtree(start, start + width));
      start += width;
    }
    return { size, hashes: (await Promise.all(hashes)).map(toHex) };
  }

  /**
   * The audit path of the leaf at `index` (RFC 6962, section 2.1.1), from the leaf upwards.
   * @throws RangeError when there is no such leaf
   */
  async inclusion(index: number): Promise<Uint8Array[]> {
    if (!Number.isSafeInteger(index) || index < 0 || index >= this.size) {
      throw new RangeError(`no leaf ${index} in a tree of ${this.size}`);
    }
    return Promise.all(this.#path(index, 0, this.size));
  }

  /**
   * The proof that the tree of the first `from` leaves is the beginning of this one (RFC 6962, section 2.1.2).
   * @throws RangeError when `from` is larger than the tree
   */
  async consistency(from: number): Promise<Uint8Array[]> {
    this.#assertSize(from);
    if (from === 0 || from === this.size) return [];
    return Promise.all(this.#subproof(from, 0, this.size, true));
  }

  /** The hash of the leaf at `index`. */
  async leaf(index: number): Promise<Uint8Array> {
    return this.#subtree(index, index + 1);
  }

  #path(index: number, start: number, end: number): Promise<Uint8Array>[] {
    if (end - start === 1) return [];
    const middle = start + splitOf(end - start);
    return index < middle
      ? [...this.#path(index, start, middle), this.#subtree(middle, end)]
      : [...this.#path(index, middle, end), this.#subtree(start, middle)];
  }

  #subproof(from: number, start: number, end: number, whole: boolean): Promise<Uint8Array>[] {
    if (from === end) return whole ? [] : [this.#subtree(start, end)];
    const middle = start + splitOf(end - start);
    return from <= middle
      ? [...this.#subproof(from, start, middle, whole), this.#subtree(middle, end)]
      : [...this.#subproof(from, middle, end, false), this.#subtree(start, middle)];
  }

  /** The root over the leaves from `start` up to `end`; `start` is a multiple of the power of two that covers them. */
  async #subtree(start: number, end: number): Promise<Uint8Array> {
    const width = end - start;
    let height = 0;
    while (2 ** height < width) height++;
    if (2 ** height === width) return this.#node(height, start / width);
    const middle = start + splitOf(width);
    const [left, right] = await Promise.all([
      this.#subtree(start, middle),
      this.#subtree(middle, end),
    ]);
    return nodeHash(left, right);
  }

  /** The root of the perfect subtree over leaves `index * 2^height` and following. */
  #node(height: number, index: number): Promise<Uint8Array> {
    const key = `${height}/${index}`;
    let node = this.#nodes.get(key);
    if (!node) {
      node = this.#makeNode(height, index);
      this.#nodes.set(key, node);
    }
    return node;
  }

  async #makeNode(height: number, index: number): Promise<Uint8Array> {
    if (height % TILE_HEIGHT === 0) {
      const level = height / TILE_HEIGHT;
      const tile = await this.#tile(level, Math.floor(index / TILE_WIDTH));
      const hash = tile[index % TILE_WIDTH];
      if (!hash) throw new Error(`hash ${index} of level ${level} is not in its tile`);
      return hash;
    }
    const [left, right] = await Promise.all([
      this.#node(height - 1, 2 * index),
      this.#node(height - 1, 2 * index + 1),
    ]);
    return nodeHash(left, right);
  }

  #tile(level: number, index: number): Promise<readonly Uint8Array[]> {
    const key = `${level}/${index}`;
    let tile = this.#tiles.get(key);
    if (!tile) {
      const hashes = Math.floor(this.size / TILE_WIDTH ** level);
      const width = Math.min(TILE_WIDTH, hashes - index * TILE_WIDTH);
      tile = this.#read(level, index, width);
      this.#tiles.set(key, tile);
    }
    return tile;
  }

  #assertSize(size: number): void {
    if (!Number.isSafeInteger(size) || size < 0 || size > this.size) {
      throw new RangeError(`no tree of ${size} leaves in one of ${this.size}`);
    }
  }
}

/** The largest power of two below `width`, which is at least 2. */
function splitOf(width: number): number {
  let split = 1;
  while (split * 2 < width) split *= 2;
  return split;
}

/** Reads of tiles that lie in memory: leaf hashes, and what they make. For verifiers and tests. */
export function tilesOf(leaves: readonly Uint8Array[]): ReadTile {
  const levels: Promise<readonly Uint8Array[]>[] = [Promise.resolve(leaves)];
  return async (level, index, width) => {
    for (let next = levels.length; next <= level; next++) {
      levels.push(aboveOf(await (levels[next - 1] ?? [])));
    }
    const hashes = (await levels[level]) ?? [];
    return hashes.slice(index * TILE_WIDTH, index * TILE_WIDTH + width);
  };
}

async function aboveOf(level: readonly Uint8Array[]): Promise<readonly Uint8Array[]> {
  const above: Uint8Array[] = [];
  for (let start = 0; start + TILE_WIDTH <= level.length; start += TILE_WIDTH) {
    above.push(await merkleRoot(level.slice(start, start + TILE_WIDTH)));
  }
  return above;
}
