/**
 * Checks the Merkle tree of a bundle: a whole log's entries give the signed root and the tiles, and of a
 * range the tiles lead from its entries to the signed root.
 */
import { toHex } from './digest.ts';
import { TILE_WIDTH, tilePath } from './entry-bundle.ts';
import { merkleRoot, nodeHash } from './merkle.ts';
import { PerfectSubtrees } from './perfect-subtrees.ts';
import { type EntryRange, type HashTilePlace, hashesAt, tilesOfRange } from './range-tiles.ts';
import { sameBytes } from './verify-files.ts';
import type { Leaves, SignedCheckpoint } from './verify-log.ts';
import type { Findings } from './verify-report.ts';

type Files = ReadonlyMap<string, Uint8Array>;

const HASH_BYTES = 32;

/** The tree over the leaves up to the first that is missing. */
export async function treeOf(leaves: Leaves): Promise<PerfectSubtrees> {
  const known: Uint8Array[] = [];
  for (const leaf of leaves) {
    if (!leaf) break;
    known.push(leaf);
  }
  return PerfectSubtrees.over(known);
}

/** The root over the first `size` leaves as hexadecimal, or undefined when one is missing. */
export async function rootAt(tree: PerfectSubtrees, size: number): Promise<string | undefined> {
  return size > tree.size ? undefined : toHex(await tree.rootAt(size));
}

/** A whole log: the root of its entries is the signed one, and its tiles say the same. */
export async function checkTree(
  files: Files,
  log: { readonly leaves: Leaves; readonly tree: PerfectSubtrees },
  signed: SignedCheckpoint | undefined,
  findings: Findings,
): Promise<void> {
  const { leaves, tree } = log;
  const { size, root } = signed?.checkpoint ?? { size: 0, root: new Uint8Array() };
  if (size > leaves.length)
    findings.add('checkpoint.size', cutOff(size, leaves.length), leaves.length);
  if (signed && (await rootAt(tree, size)) !== toHex(root)) {
    await blameByTiles(files, leaves, signed, findings);
    if (size <= leaves.length) {
      findings.add('checkpoint.root', `the entries do not give the root signed at size ${size}`);
    }
  }
  if (size <= tree.size) checkTiles(files, tree.tilesAt(size), findings);
}

export function cutOff(size: number, entries: number): string {
  return `${size} entries are signed, the bundle has ${entries}: the end was cut off`;
}

/**
 * When the tiles of level 0 give the signed root, they are what was signed: an entry whose hash
 * differs from its tile is the one that was changed.
 */
async function blameByTiles(
  files: Files,
  leaves: Leaves,
  signed: SignedCheckpoint,
  findings: Findings,
): Promise<void> {
  const { size, root } = signed.checkpoint;
  const stored: Uint8Array[] = [];
  for (let start = 0; start < size; start += TILE_WIDTH) {
    const width = Math.min(TILE_WIDTH, size - start);
    const tile = files.get(`log/${tilePath(0, start / TILE_WIDTH, width)}`);
    if (tile?.length !== width * HASH_BYTES) return;
    for (let i = 0; i < width; i++) stored.push(hashIn(tile, i));
  }
  if (!sameBytes(await merkleRoot(stored), root)) return;
  stored.forEach((hash, seq) => {
    blame(leaves[seq], hash, seq, findings);
  });
}

function blame(
  leaf: Uint8Array | undefined,
  hash: Uint8Array,
  seq: number,
  findings: Findings,
): void {
  if (leaf && !sameBytes(leaf, hash)) {
    findings.add('log.leaf', 'its bytes are not those that the log signed', seq);
  }
}

/** Tiles must be exactly those of the signed size. */
function checkTiles(
  files: Files,
  tiles: readonly { readonly path: string; readonly bytes: Uint8Array }[],
  findings: Findings,
): void {
  const expected = new Map(tiles.map(({ path, bytes }) => [`log/${path}`, bytes]));
  for (const [path, bytes] of files) {
    if (!isHashTile(path)) continue;
    const want = expected.get(path);
    expected.delete(path);
    if (!sameBytes(want, bytes)) {
      findings.add('tile.hash', `${path} is not the tile that the entries give`);
    }
  }
  for (const path of expected.keys()) findings.add('tile.missing', `${path} is not in the bundle`);
}

function isHashTile(path: string): boolean {
  return /^log\/tile\/\d/.test(path);
}

/**
 * A range: the partial tiles at the right edge give the signed root, each full tile is a hash of the one
 * above it, and each entry is a hash of its tile. So every entry stands in the signed log at its place.
 * @param leaves of the range's entries, the first of which stands at `first`
 */
export async function checkRange(
  files: Files,
  range: EntryRange & { readonly leaves: Leaves },
  signed: SignedCheckpoint | undefined,
  findings: Findings,
): Promise<void> {
  if (!signed) return;
  const { size, root } = signed.checkpoint;
  const places = tilesOfRange(range, size);
  const tiles = readTiles(files, places, findings);
  if (!tiles) return;
  if (!sameBytes(await rootOfEdge(tiles, size), root)) {
    findings.add('checkpoint.root', `the tiles do not give the root signed at size ${size}`);
  }
  for (const { level, index, width } of places) {
    if (width < TILE_WIDTH) continue;
    const tile = tiles.get(nameOf(level, index));
    const above = tiles.get(nameOf(level + 1, Math.floor(index / TILE_WIDTH)));
    if (!tile || !above) continue;
    if (!sameBytes(await merkleRoot(hashesIn(tile)), hashIn(above, index % TILE_WIDTH))) {
      const path = tilePath(level, index);
      findings.add('tile.hash', `log/${path} is not the tile that the one above it names`);
    }
  }
  range.leaves.forEach((leaf, i) => {
    const seq = range.first + i;
    const tile = tiles.get(nameOf(0, Math.floor(seq / TILE_WIDTH)));
    if (tile && seq < size) blame(leaf, hashIn(tile, seq % TILE_WIDTH), seq, findings);
  });
}

const nameOf = (level: number, index: number) => `${level}/${index}`;

/** The tiles that the range needs; undefined after a finding when one is not there, or has another size. */
function readTiles(
  files: Files,
  places: readonly HashTilePlace[],
  findings: Findings,
): ReadonlyMap<string, Uint8Array> | undefined {
  const tiles = new Map<string, Uint8Array>();
  const paths = new Set<string>();
  for (const { level, index, width } of places) {
    const path = `log/${tilePath(level, index, width)}`;
    const tile = files.get(path);
    paths.add(path);
    if (tile?.length === width * HASH_BYTES) tiles.set(nameOf(level, index), tile);
    else findings.add('tile.missing', `${path} is not in the bundle, or has another length`);
  }
  for (const path of files.keys()) {
    if (isHashTile(path) && !paths.has(path)) {
      findings.add('tile.hash', `${path} proves nothing of this range`);
    }
  }
  return tiles.size === places.length ? tiles : undefined;
}

/**
 * The root, from the partial tile of each level: what they cover lies side by side, the lowest rightmost.
 * Each tile is a run of perfect subtrees, one for each set bit of its width.
 */
async function rootOfEdge(
  tiles: ReadonlyMap<string, Uint8Array>,
  size: number,
): Promise<Uint8Array | undefined> {
  let root: Uint8Array | undefined;
  for (let level = 0; hashesAt(level, size) > 0; level++) {
    const count = hashesAt(level, size);
    if (count % TILE_WIDTH === 0) continue;
    const tile = tiles.get(nameOf(level, Math.floor(count / TILE_WIDTH)));
    if (!tile) return undefined;
    const hashes = hashesIn(tile);
    for (let width = 1; width <= hashes.length; width *= 2) {
      if ((hashes.length & width) === 0) continue;
      const start = hashes.length & ~(2 * width - 1);
      const subtree = await merkleRoot(hashes.slice(start, start + width));
      root = root ? await nodeHash(subtree, root) : subtree;
    }
  }
  return root;
}

function hashIn(tile: Uint8Array, index: number): Uint8Array {
  return tile.subarray(index * HASH_BYTES, (index + 1) * HASH_BYTES);
}

function hashesIn(tile: Uint8Array): Uint8Array[] {
  return Array.from({ length: tile.length / HASH_BYTES }, (_, i) => hashIn(tile, i));
}
