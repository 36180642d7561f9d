/**
 * Tiles and entry bundles (C2SP tlog-tiles): how a log lies in files. Never checks a hash; that is
 * the verifier's.
 */
import { merkleRoot } from './merkle.ts';

/** Hashes in a full tile, entries in a full bundle. */
export const TILE_WIDTH = 256;
const HASH_BYTES = 32;
const MAX_ENTRY_BYTES = 0xffff;

export type EntriesResult =
  | { readonly ok: true; readonly entries: Uint8Array[] }
  | { readonly ok: false; readonly error: string };

/**
 * One bundle: each entry behind its length as big-endian uint16.
 * @param entries 1 to 256 entries of at most 65,535 bytes
 * @throws RangeError beyond those bounds
 */
export function encodeEntryBundle(entries: readonly Uint8Array[]): Uint8Array {
  if (entries.length < 1 || entries.length > TILE_WIDTH) {
    throw new RangeError(`a bundle holds 1 to ${TILE_WIDTH} entries, got ${entries.length}`);
  }
  const bundle = new Uint8Array(entries.reduce((sum, entry) => sum + 2 + entry.length, 0));
  let at = 0;
  for (const entry of entries) {
    if (entry.length > MAX_ENTRY_BYTES) {
      throw new RangeError(`an entry has at most ${MAX_ENTRY_BYTES} bytes, got ${entry.length}`);
    }
    bundle[at] = entry.length >> 8;
    bundle[at + 1] = entry.length & 0xff;
    bundle.set(entry, at + 2);
    at += 2 + entry.length;
  }
  return bundle;
}

/** The inverse of {@link encodeEntryBundle}. Never throws. */
export function decodeEntryBundle(bundle: Uint8Array): EntriesResult {
  const entries: Uint8Array[] = [];
  let at = 0;
  while (at < bundle.length) {
    const high = bundle[at];
    const low = bundle[at + 1];
    if (high === undefined || low === undefined) {
      return { ok: false, error: 'cut off within the length of an entry' };
    }
    const end = at + 2 + high * 256 + low;
    if (end > bundle.length) return { ok: false, error: 'cut off within an entry' };
    entries.push(bundle.subarray(at + 2, end));
    at = end;
  }
  if (entries.length < 1 || entries.length > TILE_WIDTH) {
    return { ok: false, error: `expected 1 to ${TILE_WIDTH} entries, found ${entries.length}` };
  }
  return { ok: true, entries };
}

/** `001`, or `x001/x234/067`: groups of three digits, all but the last marked. */
function indexPath(index: number): string {
  if (!Number.isSafeInteger(index) || index < 0) throw new RangeError(`no tile ${index}`);
  const groups: string[] = [];
  for (let rest = index; groups.length === 0 || rest > 0; rest = Math.floor(rest / 1000)) {
    const group = (rest % 1000).toString().padStart(3, '0');
    groups.unshift(groups.length === 0 ? group : `x${group}`);
  }
  return groups.join('/');
}

function withWidth(path: string, width: number): string {
  if (!Number.isInteger(width) || width < 1 || width > TILE_WIDTH) {
    throw new RangeError(`a tile is 1 to ${TILE_WIDTH} wide, got ${width}`);
  }
  return width === TILE_WIDTH ? path : `${path}.p/${width}`;
}

/** `tile/entries/<N>[.p/<W>]`; partial unless `width` is 256. */
export function entryBundlePath(index: number, width: number = TILE_WIDTH): string {
  return withWidth(`tile/entries/${indexPath(index)}`, width);
}

/** The inverse of {@link entryBundlePath}; undefined for any other path. */
export function parseEntryBundlePath(
  path: string,
): { readonly index: number; readonly width: number } | undefined {
  const match = /^tile\/entries\/((?:x\d{3}\/)*\d{3})(?:\.p\/([1-9]\d{0,2}))?$/.exec(path);
  if (match?.[1] === undefined) return undefined;
  const index = Number(match[1].replaceAll(/[x/]/g, ''));
  const width = match[2] === undefined ? TILE_WIDTH : Number(match[2]);
  if (!Number.isSafeInteger(index) || width > TILE_WIDTH) return undefined;
  return entryBundlePath(index, width) === path ? { index, width } : undefined;
}

/** `tile/<L>/<N>[.p/<W>]`; partial unless `width` is 256. */
export function tilePath(level: number, index: number, width: number = TILE_WIDTH): string {
  if (!Number.isInteger(level) || level < 0 || level > 63)
    throw new RangeError(`no level ${level}`);
  return withWidth(`tile/${level}/${indexPath(index)}`, width);
}

/** A tile as its path names it. */
export interface TilePlace {
  readonly level: number | 'entries';
  readonly index: number;
  /** 256 when it is full. */
  readonly width: number;
}

/** The inverse of {@link tilePath} and {@link entryBundlePath}; undefined for any other path. */
export function parseTilePath(path: string): TilePlace | undefined {
  const entries = parseEntryBundlePath(path);
  if (entries) return { level: 'entries', ...entries };
  const match = /^tile\/(\d|[1-5]\d|6[0-3])\/((?:x\d{3}\/)*\d{3})(?:\.p\/([1-9]\d{0,2}))?$/.exec(
    path,
  );
  if (match?.[1] === undefined || match[2] === undefined) return undefined;
  const level = Number(match[1]);
  const index = Number(match[2].replaceAll(/[x/]/g, ''));
  const width = match[3] === undefined ? TILE_WIDTH : Number(match[3]);
  if (!Number.isSafeInteger(index) || width > TILE_WIDTH) return undefined;
  return tilePath(level, index, width) === path ? { level, index, width } : undefined;
}

/** A path below `tile/` and its bytes. */
export interface TileFile {
  readonly path: string;
  readonly bytes: Uint8Array;
}

/** The entry bundles of a log of these entries, the last one partial unless it is full. */
export function entryBundles(entries: readonly Uint8Array[]): TileFile[] {
  const files: TileFile[] = [];
  for (let start = 0; start < entries.length; start += TILE_WIDTH) {
    const part = entries.slice(start, start + TILE_WIDTH);
    files.push({
      path: entryBundlePath(start / TILE_WIDTH, part.length),
      bytes: encodeEntryBundle(part),
    });
  }
  return files;
}

/** The hash tiles of a tree over these leaf hashes, from level 0 upwards. */
export async function hashTiles(leaves: readonly Uint8Array[]): Promise<TileFile[]> {
  const files: TileFile[] = [];
  let hashes = leaves;
  for (let level = 0; hashes.length > 0; level++) {
    const above: Uint8Array[] = [];
    for (let start = 0; start < hashes.length; start += TILE_WIDTH) {
      const part = hashes.slice(start, start + TILE_WIDTH);
      const path = tilePath(level, start / TILE_WIDTH, part.length);
      files.push({ path, bytes: encodeTile(part) });
      if (part.length === TILE_WIDTH) above.push(await merkleRoot(part));
    }
    hashes = above;
  }
  return files;
}

/** The bytes of a hash tile. */
export function encodeTile(hashes: readonly Uint8Array[]): Uint8Array {
  const bytes = new Uint8Array(hashes.length * HASH_BYTES);
  hashes.forEach((hash, index) => {
    bytes.set(hash, index * HASH_BYTES);
  });
  return bytes;
}
