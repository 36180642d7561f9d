import { test } from 'bun:test';
import fc from 'fast-check';
import { toHex } from './digest.ts';
import {
  appendLeaf,
  emptyRange,
  inclusionProof,
  merkleRoot,
  rootOf,
  verifyInclusion,
} from './merkle.ts';
import { runCount } from './testing/run-count.ts';

const hash = fc.uint8Array({ minLength: 32, maxLength: 32 });
const hashes = fc.array(hash, { minLength: 1, maxLength: 70 });

test('a compact range gives the root of the whole tree after each append', async () => {
  await fc.assert(
    fc.asyncProperty(hashes, async (leaves) => {
      let range = emptyRange();
      for (const leaf of leaves) range = await appendLeaf(range, leaf);
      return toHex(await rootOf(range)) === toHex(await merkleRoot(leaves));
    }),
    { numRuns: runCount(60, 600) },
  );
});

test('every leaf has a proof that verifies, and no other leaf does with it', async () => {
  await fc.assert(
    fc.asyncProperty(hashes, fc.nat(), hash, async (leaves, pick, other) => {
      const index = pick % leaves.length;
      const leaf = leaves[index] ?? other;
      const proof = await inclusionProof(leaves, index);
      const claim = { leaf, index, size: leaves.length, proof, root: await merkleRoot(leaves) };
      if (!(await verifyInclusion(claim))) return false;
      const same = toHex(other) === toHex(leaf);
      return same || !(await verifyInclusion({ ...claim, leaf: other }));
    }),
    { numRuns: runCount(60, 600) },
  );
});
