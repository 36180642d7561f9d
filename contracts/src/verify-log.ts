/**
 * Checks what the log signed: the checkpoint's signature and origin, the Merkle root, tiles, and
 * proofs of inclusion. A key is believed only when the caller pinned it.
 */
import { BUNDLE_PATHS, proofPath } from './bundle-layout.ts';
import { type Checkpoint, parseCheckpoint } from './checkpoint.ts';
import { fromHex, toHex } from './digest.ts';
import { hashTiles, TILE_WIDTH, tilePath } from './entry-bundle.ts';
import { merkleRoot, verifyInclusion } from './merkle.ts';
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

/** Leaf hashes as hexadecimal, by position; undefined where an entry is missing. */
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

/** The root over the first `size` leaves, or undefined when one is missing. */
export async function rootAt(leaves: Leaves, size: number): Promise<string | undefined> {
  const first = leaves.slice(0, size);
  const known = first.filter((leaf) => leaf !== undefined);
  return first.length < size || known.length < size ? undefined : toHex(await merkleRoot(known));
}

/** A whole log: the root of its entries is the signed one, and its tiles say the same. */
export async function checkTree(
  files: Files,
  leaves: Leaves,
  signed: SignedCheckpoint | undefined,
  findings: Findings,
): Promise<void> {
  const { size, root } = signed?.checkpoint ?? { size: 0, root: new Uint8Array() };
  if (size > leaves.length) {
    findings.add(
      'checkpoint.size',
      `${size} entries are signed, the bundle has ${leaves.length}: the end was cut off`,
      leaves.length,
    );
  }
  await blameByTiles(files, leaves, signed, findings);
  if (signed && size <= leaves.length && (await rootAt(leaves, size)) !== toHex(root)) {
    findings.add('checkpoint.root', `the entries do not give the root signed at size ${size}`);
  }
  await checkTiles(files, leaves, size, findings);
}

/**
 * When the tiles of level 0 give the signed root, they are what was signed: an entry whose hash
 * differs from its tile is the one that was changed.
 */
async function blameByTiles(
  files: Files,
  leaves: Leaves,
  signed: SignedCheckpoint | undefined,
  findings: Findings,
): Promise<void> {
  if (!signed) return;
  const { size, root } = signed.checkpoint;
  const stored: Uint8Array[] = [];
  for (let start = 0; start < size; start += TILE_WIDTH) {
    const width = Math.min(TILE_WIDTH, size - start);
    const tile = files.get(`log/${tilePath(0, start / TILE_WIDTH, width)}`);
    if (tile?.length !== width * 32) return;
    for (let i = 0; i < width; i++) stored.push(tile.subarray(32 * i, 32 * i + 32));
  }
  if (toHex(await merkleRoot(stored)) !== toHex(root)) return;
  stored.forEach((hash, seq) => {
    const leaf = leaves[seq];
    if (leaf && toHex(leaf) !== toHex(hash)) {
      findings.add('log.leaf', 'its bytes are not those that the log signed', seq);
    }
  });
}

/** Tiles must be exactly those of the signed size. */
async function checkTiles(
  files: Files,
  leaves: Leaves,
  size: number,
  findings: Findings,
): Promise<void> {
  const known = leaves.slice(0, size).filter((leaf) => leaf !== undefined);
  if (known.length < size) return;
  const expected = new Map<string, Uint8Array>();
  for (const { path, bytes } of await hashTiles(known)) expected.set(`log/${path}`, bytes);
  for (const [path, bytes] of files) {
    if (!/^log\/tile\/\d/.test(path)) continue;
    const want = expected.get(path);
    expected.delete(path);
    if (!want || toHex(want) !== toHex(bytes)) {
      findings.add('tile.hash', `${path} is not the tile that the entries give`);
    }
  }
  for (const path of expected.keys()) findings.add('tile.missing', `${path} is not in the bundle`);
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

/** The leaf inside an entry's hash. */
export function leafOf(hash: string): Uint8Array {
  return fromHex(hash.slice('sha256:'.length));
}
