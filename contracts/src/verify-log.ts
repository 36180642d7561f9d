/**
 * Checks what the log signed: the checkpoint's signature and origin, and proofs of inclusion; the tree
 * itself is checked in `verify-tree.ts`. A key is believed only when the caller pinned it.
 */
import { BUNDLE_PATHS, proofPath } from './bundle-layout.ts';
import { type Checkpoint, parseCheckpoint } from './checkpoint.ts';
import { verifyInclusion } from './merkle.ts';
import { openNote, type VerifierKey } from './signed-note.ts';
import { parseTlogProof } from './tlog-proof.ts';
import { strictText } from './verify-entries.ts';
import type { Findings } from './verify-report.ts';

export interface SignedCheckpoint {
  readonly checkpoint: Checkpoint;
  /** The signed note, verbatim. */
  readonly note: string;
  readonly key: VerifierKey;
}

/** Leaf hashes by position; undefined where an entry is missing. */
export type Leaves = readonly (Uint8Array | undefined)[];

type Files = ReadonlyMap<string, Uint8Array>;

/** The bundle's checkpoint, when a key verifies it: the pinned one, else one of `log/vkeys`. */
export async function readCheckpoint(
  files: Files,
  origin: string,
  pin: string | undefined,
  findings: Findings,
): Promise<SignedCheckpoint | undefined> {
  const bytes = files.get(BUNDLE_PATHS.checkpoint);
  if (!bytes) {
    if (pin !== undefined) {
      findings.add('checkpoint.missing', 'no checkpoint: nothing here is signed by the pinned key');
    }
    return undefined;
  }
  const keys = pin === undefined ? bundleKeys(files) : [pin];
  const signed = await openCheckpoint(strictText(bytes) ?? '', keys, 'checkpoint', findings);
  if (signed && signed.checkpoint.origin !== origin) {
    findings.add('checkpoint.origin', `signed for ${signed.checkpoint.origin}, expected ${origin}`);
  }
  return signed;
}

/** More keys than any log has had; bounds the work that a hostile list causes. */
const MAX_KEYS = 100;

function bundleKeys(files: Files): string[] {
  const text = strictText(files.get(BUNDLE_PATHS.vkeys) ?? new Uint8Array()) ?? '';
  return text.split('\n', MAX_KEYS).filter((line) => line !== '');
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
  const key = opened.signedBy[0];
  if (!checkpoint || !key) {
    findings.add(`${rule}.malformed`, 'the signed text is not a checkpoint');
    return undefined;
  }
  return { checkpoint, note, key };
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
