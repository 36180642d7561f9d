/** Proofs about a signed log, each from O(log n) hashes: an entry is in it, and one size is the beginning of another. */
import { type Digest, toHex } from '@portarium/contracts/digest';
import type { WorkspaceId } from '@portarium/contracts/ids';
import type { Context } from './context.ts';
import { failure, type Result, success } from './failure.ts';
import { logTree } from './log-tree.ts';
import type { ReadTransaction } from './ports/workspace-store.ts';

type ProofContext = Pick<Context, 'store'>;

export interface EntryProof {
  readonly seq: number;
  readonly size: number;
  readonly leafHash: Digest;
  readonly rootHash: Digest;
  /** From the leaf upwards (RFC 6962, section 2.1.1). */
  readonly hashes: readonly Digest[];
  /** The signed note over that size, when it is the newest. */
  readonly checkpoint?: string;
}

export interface SizeProof {
  readonly from: number;
  readonly to: number;
  readonly fromRootHash: Digest;
  readonly toRootHash: Digest;
  /** RFC 6962, section 2.1.2. */
  readonly hashes: readonly Digest[];
  /** The signed note over `to`, when it is the newest. */
  readonly checkpoint?: string;
}

/** That entry `seq` is in the log of `size` entries; of the newest signed size when that is left out. */
export function proveEntry(
  context: ProofContext,
  workspace: WorkspaceId,
  asked: { readonly seq: number; readonly size?: number | undefined },
): Promise<Result<EntryProof>> {
  return context.store.read(workspace, async (tx) => {
    const signed = await tx.checkpoint();
    const size = asked.size ?? signed?.size ?? 0;
    const missing = beyond(signed?.size ?? 0, size);
    if (missing !== undefined) return failure('not-found', missing);
    if (asked.seq >= size) {
      return failure('not-found', `The log of ${size} entries has no entry ${asked.seq}.`);
    }
    const tree = logTree(tx, size);
    const [leaf, root, hashes] = await Promise.all([
      tree.leaf(asked.seq),
      tree.root(),
      tree.inclusion(asked.seq),
    ]);
    return success({
      ...{ seq: asked.seq, size, leafHash: digest(leaf), rootHash: digest(root) },
      hashes: hashes.map(digest),
      ...(signed?.size === size ? { checkpoint: signed.note } : {}),
    });
  });
}

/** That the log of `from` entries is the beginning of the log of `to`. */
export function proveConsistency(
  context: ProofContext,
  workspace: WorkspaceId,
  asked: { readonly from: number; readonly to?: number | undefined },
): Promise<Result<SizeProof>> {
  return context.store.read(workspace, async (tx) => {
    const signed = await tx.checkpoint();
    const { from, to = signed?.size ?? 0 } = asked;
    const missing = beyond(signed?.size ?? 0, Math.max(from, to));
    if (missing !== undefined) return failure('not-found', missing);
    if (from > to) {
      return failure('input.invalid', `A log of ${from} entries is no beginning of one of ${to}.`);
    }
    const tree = logTree(tx, to);
    const [fromRoot, toRoot, hashes] = await Promise.all([
      tree.rootAt(from),
      tree.root(),
      tree.consistency(from),
    ]);
    return success({
      ...{ from, to, fromRootHash: digest(fromRoot), toRootHash: digest(toRoot) },
      hashes: hashes.map(digest),
      ...(signed?.size === to ? { checkpoint: signed.note } : {}),
    });
  });
}

/** Audit paths of several entries under one size; what they share is read once. */
export async function auditPaths(
  tx: Pick<ReadTransaction, 'leafHashes' | 'nodeHashes'>,
  sequence: readonly number[],
  size: number,
): Promise<Map<number, readonly Uint8Array[]>> {
  const tree = logTree(tx, size);
  const paths = new Map<number, readonly Uint8Array[]>();
  for (const seq of sequence) paths.set(seq, await tree.inclusion(seq));
  return paths;
}

function beyond(signed: number, size: number): string | undefined {
  return size <= signed ? undefined : `The log has ${signed} signed entries, not ${size}.`;
}

function digest(hash: Uint8Array): Digest {
  return `sha256:${toHex(hash)}`;
}
