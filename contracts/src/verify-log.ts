/**
 * Checks what the log signed: the checkpoint's signature and origin, and proofs of inclusion; the tree
 * itself is checked in `verify-tree.ts`. Which keys are believed is `verify-keys.ts`'s.
 */
import { BUNDLE_PATHS, proofPath } from './bundle-layout.ts';
import { type Checkpoint, parseCheckpoint } from './checkpoint.ts';
import { verifyInclusion } from './merkle.ts';
import { openNote, type VerifierKey, verifierKey } from './signed-note.ts';
import { parseTlogProof } from './tlog-proof.ts';
import { strictText } from './verify-entries.ts';
import type { Findings } from './verify-report.ts';

export interface SignedCheckpoint {
  readonly checkpoint: Checkpoint;
  /** The signed note, verbatim. */
  readonly note: string;
  /** The newest of the keys given that signed it. */
  readonly key: VerifierKey;
  /** All of them, as verifier keys. */
  readonly signedBy: readonly string[];
}

/** Leaf hashes by position; undefined where an entry is missing. */
export type Leaves = readonly (Uint8Array | undefined)[];

type Files = ReadonlyMap<string, Uint8Array>;

/** The bundle's checkpoint, when one of `keys` verifies it. */
export async function readCheckpoint(
  files: Files,
  origin: string,
  keys: { readonly pinned: boolean; readonly accepted: readonly string[] },
  findings: Findings,
): Promise<SignedCheckpoint | undefined> {
  const bytes = files.get(BUNDLE_PATHS.checkpoint);
  if (!bytes) {
    if (keys.pinned) {
      findings.add('checkpoint.missing', 'no checkpoint: nothing here is signed by the pinned key');
    }
    return undefined;
  }
  const note = strictText(bytes) ?? '';
  const signed = await openCheckpoint(note, keys.accepted, 'checkpoint', findings);
  if (signed && signed.checkpoint.origin !== origin) {
    findings.add('checkpoint.origin', `signed for ${signed.checkpoint.origin}, expected ${origin}`);
  }
  return signed;
}

/**
 * A key that has handed over signs nothing newer by itself: whoever still has it could go on with a log of his
 * own. `retired` says when each verifier key handed over.
 */
export function checkExpiry(
  signed: SignedCheckpoint | undefined,
  entries: readonly { readonly entry: { readonly seq: number; readonly time: string } }[],
  retired: ReadonlyMap<string, string>,
  findings: Findings,
): void {
  if (!signed) return;
  const ends = signed.signedBy.map((key) => retired.get(key));
  const known = ends.filter((end) => end !== undefined);
  if (known.length < ends.length) return;
  const end = known.toSorted().at(-1) ?? '';
  const { size } = signed.checkpoint;
  const late = entries.find(({ entry }) => entry.seq < size && entry.time > end);
  if (!late) return;
  const message = `the checkpoint is signed only by a key that handed over at ${end}, and this entry is later`;
  findings.add('checkpoint.key-expired', message, late.entry.seq);
}

/** Opens the signed note of a checkpoint; findings carry the prefix `rule`. */
export async function openCheckpoint(
  note: string,
  keys: readonly string[],
  rule: string,
  findings: Findings,
): Promise<SignedCheckpoint | undefined> {
  const opened = await openNote(note, keys);
  if (!opened.ok) {
    findings.add(
      opened.reason === 'malformed' ? `${rule}.malformed` : `${rule}.signature`,
      opened.error,
    );
    return undefined;
  }
  const checkpoint = parseCheckpoint(opened.text);
  const key = opened.signedBy.at(-1);
  if (!checkpoint || !key) {
    findings.add(`${rule}.malformed`, 'the signed text is not a checkpoint');
    return undefined;
  }
  const signedBy = await Promise.all(
    opened.signedBy.map(({ name, publicKey }) => verifierKey(name, publicKey)),
  );
  return { checkpoint, note, key, signedBy };
}

/** One action: each entry below the signed size has a proof that leads to the signed root. */
export async function checkProofs(
  files: Files,
  entries: readonly { readonly seq: number; readonly leaf: Uint8Array | undefined }[],
  signed: SignedCheckpoint | undefined,
  findings: Findings,
): Promise<void> {
  for (const { seq, leaf } of entries) {
    const bytes = files.get(proofPath(seq));
    const covered = signed !== undefined && seq < signed.checkpoint.size;
    if (!bytes) {
      if (covered) findings.add('proof.missing', 'no proof that the log holds it', seq);
      continue;
    }
    const proof = parseTlogProof(strictText(bytes) ?? '');
    if (!proof || proof.index !== seq) {
      findings.add('proof.malformed', 'its proof is not a tlog-proof for its seq', seq);
    } else if (!signed || proof.checkpoint !== signed.note) {
      findings.add('proof.checkpoint', 'its proof is under another checkpoint', seq);
    } else if (leaf) {
      const { size, root } = signed.checkpoint;
      const claim = { leaf, index: seq, size, proof: proof.hashes, root };
      if (!(await verifyInclusion(claim))) {
        findings.add('proof.inclusion', 'its proof does not lead to the signed root', seq);
      }
    }
  }
}
