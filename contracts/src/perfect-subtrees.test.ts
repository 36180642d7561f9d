import { expect, test } from 'bun:test';
import { sha256, sha256ByWebCrypto, sha256Each, sha256Now, toHex } from './digest.ts';
import { hashTiles } from './entry-bundle.ts';
import { merkleRoot } from './merkle.ts';
import { PerfectSubtrees } from './perfect-subtrees.ts';

const leaf = (i: number) => sha256(new TextEncoder().encode(String(i)));
const SIZES = [0, 1, 2, 3, 255, 256, 257, 511, 512, 513, 700, 1_024];
const leaves = await Promise.all(Array.from({ length: 1_024 }, (_, i) => leaf(i)));

test('roots and tiles at every size are those of the tree over so many leaves', async () => {
  const tree = await PerfectSubtrees.over(leaves);
  for (const size of SIZES) {
    const part = leaves.slice(0, size);
    expect(toHex(await tree.rootAt(size))).toBe(toHex(await merkleRoot(part)));
    const paths = (files: readonly { path: string; bytes: Uint8Array }[]) =>
      files.map(({ path, bytes }) => `${path} ${toHex(bytes)}`);
    expect(paths(tree.tilesAt(size))).toEqual(paths(await hashTiles(part)));
  }
  await expect(tree.rootAt(1_025)).rejects.toThrow(RangeError);
});

test('hashes by Web Crypto, as browsers make them, are those of the runtime', async () => {
  for (const size of [0, 1, 55, 56, 64, 1_000]) {
    const bytes = new Uint8Array(size).fill(size);
    expect(toHex(await sha256ByWebCrypto(bytes))).toBe(toHex(await sha256(bytes)));
  }
  expect(sha256Now).toBeDefined();
});

test('messages may share one buffer', async () => {
  const buffer = new Uint8Array(4);
  const hashes = await sha256Each(3, (i) => buffer.fill(i));
  for (const [i, hash] of hashes.entries()) {
    expect(toHex(hash)).toBe(toHex(await sha256(new Uint8Array(4).fill(i))));
  }
});
