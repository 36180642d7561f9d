import { expect, test } from 'bun:test';
import fc from 'fast-check';
import { sha256, toHex } from './digest.ts';
import {
  type ConsistencyClaim,
  inclusionProof,
  merkleRoot,
  nodeHash,
  rootOf,
  verifyConsistency,
  verifyInclusion,
} from './merkle.ts';
import { runCount } from './testing/run-count.ts';
import { type ReadTile, TileTree, tilesOf } from './tile-tree.ts';

const encoder = new TextEncoder();
const LEAVES = await Promise.all(
  Array.from({ length: 1_400 }, (_, i) => sha256(encoder.encode(`leaf ${i}`))),
);
/** Around the edges of tiles as often as anywhere. */
const size = fc.oneof(
  fc.integer({ min: 1, max: 40 }),
  fc.integer({ min: 250, max: 262 }),
  fc.integer({ min: 508, max: 520 }),
  fc.integer({ min: 1, max: LEAVES.length }),
);

/** RFC 6962, section 2.1.2, word by word. */
async function naiveSubproof(
  from: number,
  leaves: readonly Uint8Array[],
  whole: boolean,
): Promise<Uint8Array[]> {
  if (from === leaves.length) return whole ? [] : [await merkleRoot(leaves)];
  let split = 1;
  while (split * 2 < leaves.length) split *= 2;
  const [left, right] = [leaves.slice(0, split), leaves.slice(split)];
  return from <= split
    ? [...(await naiveSubproof(from, left, whole)), await merkleRoot(right)]
    : [...(await naiveSubproof(from - split, right, false)), await merkleRoot(left)];
}

async function claimOf(from: number, to: number): Promise<ConsistencyClaim> {
  return {
    ...{ from, to },
    fromRoot: await merkleRoot(LEAVES.slice(0, from)),
    toRoot: await merkleRoot(LEAVES.slice(0, to)),
    proof: from === 0 ? [] : await naiveSubproof(from, LEAVES.slice(0, to), true),
  };
}

const hex = (hashes: readonly Uint8Array[]) => hashes.map(toHex);

test('roots and proofs by tiles are those of the naive tree', async () => {
  await fc.assert(
    fc.asyncProperty(size, fc.nat(), fc.nat(), async (to, a, b) => {
      const leaves = LEAVES.slice(0, to);
      const tree = new TileTree(to, tilesOf(leaves));
      const [index, from] = [a % to, b % (to + 1)];
      const claim = await claimOf(from, to);
      expect(toHex(await tree.root())).toBe(toHex(claim.toRoot));
      expect(toHex(await tree.rootAt(from))).toBe(toHex(claim.fromRoot));
      expect(toHex(await rootOf(await tree.rangeAt(from)))).toBe(toHex(claim.fromRoot));
      expect(toHex(await tree.leaf(index))).toBe(toHex(leaves[index] ?? new Uint8Array()));
      const proof = await tree.inclusion(index);
      expect(hex(proof)).toEqual(hex(await inclusionProof(leaves, index)));
      expect(hex(await tree.consistency(from))).toEqual(hex(claim.proof));
    }),
    { numRuns: runCount(60, 600) },
  );
});

test('a consistency proof verifies for its sizes and roots, and for no others', async () => {
  await fc.assert(
    fc.asyncProperty(size, fc.nat(), fc.nat(), fc.nat(), async (to, a, b, c) => {
      const from = 1 + (a % to);
      const claim = await claimOf(from, to);
      if (!(await verifyConsistency(claim))) return false;
      const flipped = (hash: Uint8Array) =>
        hash.map((byte, i) => (i === b % 32 ? byte ^ (1 << (c % 8)) : byte));
      const at = c % Math.max(1, claim.proof.length);
      const lies = [
        { ...claim, fromRoot: flipped(claim.fromRoot) },
        { ...claim, toRoot: flipped(claim.toRoot) },
        { ...claim, proof: [...claim.proof, flipped(claim.toRoot)] },
        ...(from === to
          ? []
          : [
              { ...claim, from: to, to: from },
              { ...claim, fromRoot: claim.toRoot },
            ]),
        ...(claim.proof.length === 0
          ? []
          : [
              { ...claim, proof: claim.proof.slice(1) },
              { ...claim, proof: claim.proof.with(at, flipped(claim.proof[at] ?? claim.toRoot)) },
            ]),
      ];
      for (const lie of lies) if (await verifyConsistency(lie)) return false;
      return true;
    }),
    { numRuns: runCount(60, 600) },
  );
});

test('a proof between trees that differ in one early leaf verifies for neither pair of roots', async () => {
  const other = [...LEAVES];
  other[3] = await nodeHash(LEAVES[0] ?? new Uint8Array(32), LEAVES[1] ?? new Uint8Array(32));
  const tree = new TileTree(900, tilesOf(other.slice(0, 900)));
  const [proof, toRoot] = [await tree.consistency(700), await tree.root()];
  const fromRoot = await merkleRoot(LEAVES.slice(0, 700));
  expect(await verifyConsistency({ from: 700, to: 900, fromRoot, toRoot, proof })).toBe(false);
  const own = await tree.rootAt(700);
  expect(await verifyConsistency({ from: 700, to: 900, fromRoot: own, toRoot, proof })).toBe(true);
});

test('malformed consistency claims are refused and nothing is thrown', async () => {
  const claim = await claimOf(5, 9);
  const bad = [
    ...[-1, 0.5, Number.NaN, 2 ** 53].map((from) => ({ ...claim, from })),
    ...[4, 4.5, Number.NaN, 2 ** 53].map((to) => ({ ...claim, to })),
    { ...claim, proof: [] },
    { ...claim, proof: [new Uint8Array(31)] },
    { ...claim, fromRoot: new Uint8Array() },
    { ...claim, from: 0, proof: [] },
  ];
  for (const lie of bad) expect(await verifyConsistency(lie)).toBe(false);
  // Every log begins with the empty one.
  expect(await verifyConsistency(await claimOf(0, 9))).toBe(true);
});

test('a proof reads at most two tiles a level, whatever the size', async () => {
  // A log of equal leaves needs no memory: every full tile of a level is the same.
  const level: Uint8Array[] = [new Uint8Array(32)];
  for (let i = 0; i < 4; i++) {
    const below = level[i] ?? new Uint8Array(32);
    level.push(await merkleRoot(Array.from({ length: 256 }, () => below)));
  }
  for (const to of [1_000, 1_000_000, 4_000_000_000]) {
    for (const make of [
      (tree: TileTree) => tree.inclusion(Math.floor(to / 3)),
      (tree: TileTree) => tree.consistency(Math.floor(to / 3)),
    ]) {
      const reads: number[] = [];
      const read: ReadTile = async (at, _, width) => {
        reads.push(at);
        return Array.from({ length: width }, () => level[at] ?? new Uint8Array(32));
      };
      await make(new TileTree(to, read));
      for (const count of Map.groupBy(reads, (at) => at).values()) {
        expect(count.length).toBeLessThanOrEqual(2);
      }
      expect(Math.max(...reads)).toBeLessThan(4);
    }
  }
});

test('what lies outside the tree is refused', async () => {
  const tree = new TileTree(10, tilesOf(LEAVES.slice(0, 10)));
  for (const index of [-1, 10, 0.5]) await expect(tree.inclusion(index)).rejects.toThrow('no leaf');
  for (const from of [-1, 11, 0.5]) await expect(tree.consistency(from)).rejects.toThrow('no tree');
  const leaf = LEAVES[4] ?? new Uint8Array();
  const claim = { leaf, index: 4, size: 10, root: await tree.root() };
  expect(await verifyInclusion({ ...claim, proof: await tree.inclusion(4) })).toBe(true);
});
