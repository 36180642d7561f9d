/**
 * Merkle tree of RFC 6962 (section 2.1) over leaf hashes. Pure: it never hashes an entry itself
 * (`leafHash` does) and never trusts a proof that it was given.
 */
import { fromHex, sha256, toHex } from './digest.ts';

const HASH_BYTES = 32;

/**
 * The frontier of a tree: the roots of its perfect subtrees, widest (leftmost) first, as lowercase
 * hexadecimal. Holds one hash for each set bit of `size`, so appending costs O(log n).
 */
export interface CompactRange {
  readonly size: number;
  readonly hashes: readonly string[];
}

/** An inclusion proof and what it is about; hashes are 32 bytes, from the leaf upwards. */
export interface InclusionClaim {
  readonly leaf: Uint8Array;
  readonly index: number;
  readonly size: number;
  readonly proof: readonly Uint8Array[];
  readonly root: Uint8Array;
}

/** A consistency proof and what it is about: the tree of `from` leaves is the beginning of that of `to`. */
export interface ConsistencyClaim {
  readonly from: number;
  readonly fromRoot: Uint8Array;
  readonly to: number;
  readonly toRoot: Uint8Array;
  readonly proof: readonly Uint8Array[];
}

/** RFC 6962, section 2.1: the hash of an inner node. */
export async function nodeHash(left: Uint8Array, right: Uint8Array): Promise<Uint8Array> {
  const bytes = new Uint8Array(1 + 2 * HASH_BYTES);
  bytes[0] = 1;
  bytes.set(left, 1);
  bytes.set(right, 1 + HASH_BYTES);
  return sha256(bytes);
}

export function emptyRange(): CompactRange {
  return { size: 0, hashes: [] };
}

/**
 * The range with one more leaf at its end; `range` itself is left alone.
 * @throws RangeError when the range or the leaf is not well formed
 */
export async function appendLeaf(range: CompactRange, leaf: Uint8Array): Promise<CompactRange> {
  assertRange(range);
  assertHash(leaf);
  const hashes = [...range.hashes];
  let carry = leaf;
  for (let rest = range.size; rest % 2 === 1; rest = Math.floor(rest / 2)) {
    carry = await nodeHash(fromHex(hashes.pop() ?? ''), carry);
  }
  hashes.push(toHex(carry));
  return { size: range.size + 1, hashes };
}

/** The root of the tree; of an empty tree the SHA-256 of nothing. */
export async function rootOf(range: CompactRange): Promise<Uint8Array> {
  assertRange(range);
  const hashes = range.hashes.map(fromHex);
  let root = hashes.pop();
  if (root === undefined) return sha256(new Uint8Array());
  for (let left = hashes.pop(); left !== undefined; left = hashes.pop()) {
    root = await nodeHash(left, root);
  }
  return root;
}

/** The root over all `leaves` (leaf hashes), level by level. */
export async function merkleRoot(leaves: readonly Uint8Array[]): Promise<Uint8Array> {
  if (leaves.length === 0) return sha256(new Uint8Array());
  let level = leaves;
  while (level.length > 1) level = await parentLevel(level);
  return level[0] ?? sha256(new Uint8Array());
}

/** The level above: pairs hashed, an odd last node carried up unchanged. */
async function parentLevel(level: readonly Uint8Array[]): Promise<Uint8Array[]> {
  const above: Uint8Array[] = [];
  for (let i = 0; i < level.length; i += 2) {
    const left = level[i];
    const right = level[i + 1];
    if (left) above.push(right ? await nodeHash(left, right) : left);
  }
  return above;
}

/**
 * The audit path of the leaf at `index` in the tree over `leaves`, from the leaf upwards.
 * @throws RangeError when there is no such leaf
 */
export async function inclusionProof(
  leaves: readonly Uint8Array[],
  index: number,
): Promise<Uint8Array[]> {
  return (await inclusionProofs(leaves, [index])).get(index) ?? [];
}

/** {@link inclusionProof} of several leaves, hashing the tree once. */
export async function inclusionProofs(
  leaves: readonly Uint8Array[],
  indices: readonly number[],
): Promise<Map<number, Uint8Array[]>> {
  const proofs = new Map<number, Uint8Array[]>();
  for (const index of indices) {
    if (!Number.isSafeInteger(index) || index < 0 || index >= leaves.length) {
      throw new RangeError(`no leaf ${index} in a tree of ${leaves.length}`);
    }
    proofs.set(index, []);
  }
  let level = leaves;
  for (let width = 1; level.length > 1; width *= 2) {
    for (const [index, proof] of proofs) {
      const at = Math.floor(index / width);
      const sibling = level[at % 2 === 0 ? at + 1 : at - 1];
      if (sibling) proof.push(sibling);
    }
    level = await parentLevel(level);
  }
  return proofs;
}

/** RFC 9162, section 2.1.3.2. False for anything malformed; never throws. */
export async function verifyInclusion(claim: InclusionClaim): Promise<boolean> {
  const { index, size, proof } = claim;
  if (!Number.isSafeInteger(index) || !Number.isSafeInteger(size)) return false;
  if (index < 0 || index >= size) return false;
  if ([claim.leaf, claim.root, ...proof].some((hash) => hash.length !== HASH_BYTES)) return false;
  let node = index;
  let last = size - 1;
  let hash = claim.leaf;
  for (const sibling of proof) {
    if (last === 0) return false;
    if (node % 2 === 1 || node === last) {
      hash = await nodeHash(sibling, hash);
      while (node % 2 === 0 && node !== 0) {
        node /= 2;
        last = Math.floor(last / 2);
      }
    } else {
      hash = await nodeHash(hash, sibling);
    }
    node = Math.floor(node / 2);
    last = Math.floor(last / 2);
  }
  return last === 0 && toHex(hash) === toHex(claim.root);
}

/**
 * RFC 9162, section 2.1.4.2; between equal sizes the roots are equal, and every tree begins with the
 * empty one, both with an empty proof. False for anything malformed; never throws.
 */
export async function verifyConsistency(claim: ConsistencyClaim): Promise<boolean> {
  const { from, to, proof, fromRoot, toRoot } = claim;
  if (!Number.isSafeInteger(from) || !Number.isSafeInteger(to) || from < 0 || from > to) {
    return false;
  }
  if ([fromRoot, toRoot, ...proof].some((hash) => hash.length !== HASH_BYTES)) return false;
  if (from === to) return proof.length === 0 && toHex(fromRoot) === toHex(toRoot);
  if (from === 0) {
    return proof.length === 0 && toHex(fromRoot) === toHex(await sha256(new Uint8Array()));
  }
  const path = isPowerOfTwo(from) ? [fromRoot, ...proof] : proof;
  const [first, ...rest] = path;
  if (!first) return false;
  let node = from - 1;
  let last = to - 1;
  while (node % 2 === 1) {
    node = Math.floor(node / 2);
    last = Math.floor(last / 2);
  }
  let older = first;
  let newer = first;
  for (const sibling of rest) {
    if (last === 0) return false;
    if (node % 2 === 1 || node === last) {
      older = await nodeHash(sibling, older);
      newer = await nodeHash(sibling, newer);
      while (node % 2 === 0 && node !== 0) {
        node /= 2;
        last = Math.floor(last / 2);
      }
    } else {
      newer = await nodeHash(newer, sibling);
    }
    node = Math.floor(node / 2);
    last = Math.floor(last / 2);
  }
  return last === 0 && toHex(older) === toHex(fromRoot) && toHex(newer) === toHex(toRoot);
}

function isPowerOfTwo(size: number): boolean {
  let rest = size;
  while (rest % 2 === 0) rest /= 2;
  return rest === 1;
}

function assertHash(hash: Uint8Array): void {
  if (hash.length !== HASH_BYTES) {
    throw new RangeError(`a hash has ${HASH_BYTES} bytes, got ${hash.length}`);
  }
}

function assertRange(range: CompactRange): void {
  let bits = 0;
  for (let rest = range.size; rest > 0; rest = Math.floor(rest / 2)) bits += rest % 2;
  if (!Number.isSafeInteger(range.size) || range.size < 0 || bits !== range.hashes.length) {
    throw new RangeError(
      `a range of size ${range.size} has one hash for each set bit, got ${range.hashes.length}`,
    );
  }
  if (!range.hashes.every((hash) => /^[0-9a-f]{64}$/.test(hash))) {
    throw new RangeError('a hash of a range is 64 lowercase hexadecimal digits');
  }
}
