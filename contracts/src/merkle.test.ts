import { expect, test } from 'bun:test';
import { fromHex, toHex } from './digest.ts';
import { leafHash } from './evidence-entry.ts';
import {
  appendLeaf,
  emptyRange,
  inclusionProof,
  merkleRoot,
  rootOf,
  verifyInclusion,
} from './merkle.ts';

/** The inputs, roots and paths of the Certificate Transparency reference tests. */
const INPUTS = [
  '',
  '00',
  '10',
  '2021',
  '3031',
  '40414243',
  '5051525354555657',
  '606162636465666768696a6b6c6d6e6f',
];
const EMPTY_ROOT = 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855';
const ROOTS = [
  '6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d',
  'fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125',
  'aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77',
  'd37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7',
  '4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4',
  '76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef',
  'ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c',
  '5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328',
];
const FIRST_OF_EIGHT = [
  '96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7',
  '5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e',
  '6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4',
];
const leaves = await Promise.all(INPUTS.map((hex) => leafHash(fromHex(hex))));

test('the tree of no leaves has the SHA-256 of nothing as its root', async () => {
  expect(toHex(await merkleRoot([]))).toBe(EMPTY_ROOT);
  expect(toHex(await rootOf(emptyRange()))).toBe(EMPTY_ROOT);
});

test('roots are those of the Certificate Transparency reference tests', async () => {
  let range = emptyRange();
  for (const [i, root] of ROOTS.entries()) {
    range = await appendLeaf(range, leaves[i] ?? new Uint8Array());
    expect(toHex(await rootOf(range))).toBe(root);
    expect(toHex(await merkleRoot(leaves.slice(0, i + 1)))).toBe(root);
  }
});

test('an audit path is that of the reference tests', async () => {
  expect((await inclusionProof(leaves, 0)).map(toHex)).toEqual(FIRST_OF_EIGHT);
});

test('a range survives its own JSON', async () => {
  let range = emptyRange();
  for (const leaf of leaves.slice(0, 7)) range = await appendLeaf(range, leaf);
  expect(JSON.parse(JSON.stringify(range))).toEqual(range);
  expect(range.hashes).toHaveLength(3);
});

test('a malformed range or leaf is refused instead of hashed', async () => {
  const leaf = leaves[0] ?? new Uint8Array();
  await expect(appendLeaf({ size: 1, hashes: [] }, leaf)).rejects.toThrow(
    'one hash for each set bit',
  );
  await expect(appendLeaf({ size: 1, hashes: ['00'] }, leaf)).rejects.toThrow('64 lowercase');
  await expect(appendLeaf(emptyRange(), new Uint8Array(31))).rejects.toThrow('32 bytes');
  await expect(inclusionProof(leaves, 8)).rejects.toThrow('no leaf 8 in a tree of 8');
});

test('an inclusion proof holds for its own leaf, index, size and root only', async () => {
  const [leaf, root] = [leaves[2] ?? new Uint8Array(), await merkleRoot(leaves)];
  const claim = { leaf, index: 2, size: 8, proof: await inclusionProof(leaves, 2), root };
  expect(await verifyInclusion(claim)).toBe(true);
  for (const change of [
    { leaf: root },
    { index: 3 },
    { index: -1 },
    { index: 2.5 },
    { size: 2 },
    { size: 0 },
    { size: Number.NaN },
    { root: leaf },
    { proof: claim.proof.slice(1) },
    { proof: [...claim.proof, leaf] },
    { proof: claim.proof.toReversed() },
    { proof: [new Uint8Array(31), ...claim.proof.slice(1)] },
  ]) {
    expect(await verifyInclusion({ ...claim, ...change })).toBe(false);
  }
});
