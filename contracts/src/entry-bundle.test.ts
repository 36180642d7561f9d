import { expect, test } from 'bun:test';
import fc from 'fast-check';
import { toHex } from './digest.ts';
import {
  decodeEntryBundle,
  encodeEntryBundle,
  entryBundlePath,
  entryBundles,
  hashTiles,
  parseEntryBundlePath,
  tilePath,
} from './entry-bundle.ts';
import { merkleRoot } from './merkle.ts';

const hash = (n: number) => new Uint8Array(32).fill(n % 256);
const hashes = (count: number) => Array.from({ length: count }, (_, i) => hash(i));

test('entries stand behind their length in two bytes, big-endian', () => {
  const bundle = encodeEntryBundle([new Uint8Array([7]), new Uint8Array(), new Uint8Array(258)]);
  expect(toHex(bundle.subarray(0, 7))).toBe('00010700000102');
  const decoded = decodeEntryBundle(bundle);
  expect(decoded.ok && decoded.entries.map((entry) => entry.length)).toEqual([1, 0, 258]);
});

test('the largest entry fits and a larger one does not', () => {
  const decoded = decodeEntryBundle(encodeEntryBundle([new Uint8Array(65_535)]));
  expect(decoded.ok && decoded.entries[0]?.length).toBe(65_535);
  expect(() => encodeEntryBundle([new Uint8Array(65_536)])).toThrow('65535');
  expect(() => encodeEntryBundle([])).toThrow('1 to 256');
  expect(() => encodeEntryBundle(hashes(257))).toThrow('1 to 256');
});

test('a bundle that was cut, or holds too much or nothing, is refused', () => {
  expect(decodeEntryBundle(new Uint8Array())).toMatchObject({ ok: false });
  expect(decodeEntryBundle(new Uint8Array([0]))).toMatchObject({ ok: false });
  expect(decodeEntryBundle(new Uint8Array([0, 2, 1]))).toMatchObject({ ok: false });
  expect(decodeEntryBundle(new Uint8Array(2 * 257))).toMatchObject({ ok: false });
});

test('paths are those of tlog-tiles', () => {
  expect(entryBundlePath(0)).toBe('tile/entries/000');
  expect(entryBundlePath(1_234_067)).toBe('tile/entries/x001/x234/067');
  expect(entryBundlePath(273, 112)).toBe('tile/entries/273.p/112');
  expect(tilePath(2, 0, 1)).toBe('tile/2/000.p/1');
  expect(tilePath(1, 1_000)).toBe('tile/1/x001/000');
  expect(() => entryBundlePath(0, 0)).toThrow(RangeError);
  expect(() => entryBundlePath(-1)).toThrow(RangeError);
  expect(() => tilePath(64, 0)).toThrow(RangeError);
});

test('a bundle’s path is read back, and no other spelling of it', () => {
  fc.assert(
    fc.property(fc.nat(2_000_000_000), fc.integer({ min: 1, max: 256 }), (index, width) => {
      expect(parseEntryBundlePath(entryBundlePath(index, width))).toEqual({ index, width });
    }),
  );
  for (const path of [
    'tile/entries/0',
    'tile/entries/x000/001',
    'tile/entries/000.p/256',
    'tile/0/000',
  ]) {
    expect(parseEntryBundlePath(path)).toBeUndefined();
  }
});

test('a log of 70,000 has the tiles that the specification counts', async () => {
  const paths = (await hashTiles(hashes(70_000))).map((tile) => tile.path);
  expect(paths).toHaveLength(277);
  expect(paths).toContain('tile/0/273.p/112');
  expect(paths).toContain('tile/1/000');
  expect(paths).toContain('tile/1/001.p/17');
  expect(paths).toContain('tile/2/000.p/1');
}, 20_000);

test('a log of 256 has one full tile and one of width 1 above it, which holds its root', async () => {
  const tiles = await hashTiles(hashes(256));
  expect(tiles.map((tile) => tile.path)).toEqual(['tile/0/000', 'tile/1/000.p/1']);
  expect(tiles[1]?.bytes).toEqual(await merkleRoot(hashes(256)));
});

test('a log of 300 entries lies in one full bundle and one of 44', () => {
  expect(entryBundles(hashes(300)).map((file) => file.path)).toEqual([
    'tile/entries/000',
    'tile/entries/001.p/44',
  ]);
});
