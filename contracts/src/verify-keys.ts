/**
 * Which keys a bundle's checkpoint may be signed with: the pinned one, and those that it handed over to. A key
 * is believed because the pinned key signed for it, never because a list in the bundle names it.
 */
import * as v from 'valibot';
import { fromBase64 } from './base64.ts';
import { BUNDLE_PATHS } from './bundle-layout.ts';
import { parseCheckpoint } from './checkpoint.ts';
import { EntrySchema, leafHash } from './evidence-entry.ts';
import { INSTANCE_WORKSPACE } from './ids.ts';
import {
  parseRotationText,
  type RotationStatement,
  type Rotations,
  RotationsSchema,
} from './key-rotation.ts';
import { verifyConsistency, verifyInclusion } from './merkle.ts';
import { noteText, openNote } from './signed-note.ts';
import { readCanonical, strictText } from './verify-entries.ts';
import type { Findings } from './verify-report.ts';

type Files = ReadonlyMap<string, Uint8Array>;

export interface KnownKeys {
  /** What may sign the bundle's checkpoint, the newest last. */
  readonly accepted: readonly string[];
  /** What may have signed an older checkpoint that the caller kept: keys from before the pinned one, too. */
  readonly ever: readonly string[];
  /** When a key handed over; RFC 3339. It signs nothing later by itself. */
  readonly retired: ReadonlyMap<string, string>;
  /** Handovers between the pinned key and the newest. */
  readonly handovers: number;
}

/** More keys than any log has had; bounds the work that a hostile list causes. */
const MAX_KEYS = 100;

/** @param pin undefined believes what the bundle lists, which then is not verified but consistent at most */
export async function reachKeys(
  files: Files,
  instance: string,
  pin: string | undefined,
  findings: Findings,
): Promise<KnownKeys> {
  const chain = await readRotations(files, instance, findings);
  const retired = new Map(chain.map(({ statement, time }) => [statement.from, time]));
  if (pin === undefined) {
    const listed = listedKeys(files);
    return { accepted: listed, ever: listed, retired, handovers: 0 };
  }
  const at = chain.findIndex(({ statement }) => statement.from === pin);
  const later = at < 0 ? [] : chain.slice(at).map(({ statement }) => statement.to);
  const reached = chain.some(({ statement }) => statement.from === pin || statement.to === pin);
  const all = chain.flatMap(({ statement }) => [statement.from, statement.to]);
  return {
    accepted: [pin, ...later],
    ever: reached ? [...new Set([pin, ...all])] : [pin],
    retired,
    handovers: later.length,
  };
}

function listedKeys(files: Files): string[] {
  const text = strictText(files.get(BUNDLE_PATHS.vkeys) ?? new Uint8Array()) ?? '';
  return text.split('\n', MAX_KEYS).filter((line) => line !== '');
}

interface Handover {
  readonly statement: RotationStatement;
  /** Of the entry. */
  readonly time: string;
  readonly seq: number;
  readonly leaf: Uint8Array;
}

/** The rotations that hold, in their order; none when anything about them is wrong. */
async function readRotations(
  files: Files,
  instance: string,
  findings: Findings,
): Promise<readonly Handover[]> {
  const bytes = files.get(BUNDLE_PATHS.rotations);
  if (!bytes) return [];
  const read = readCanonical(bytes);
  const parsed = read.ok ? v.safeParse(RotationsSchema, read.value) : undefined;
  if (!parsed?.success || parsed.output.rotations.length === 0) {
    findings.add('rotation.malformed', 'log/rotations.json is not a list of rotations with proofs');
    return [];
  }
  const { checkpoint, rotations } = parsed.output;
  const origin = `${instance}/${INSTANCE_WORKSPACE}`;
  const chain: Handover[] = [];
  for (const { entry } of rotations.slice(0, MAX_KEYS)) {
    const handover = await readHandover(entry, origin);
    if (typeof handover === 'string') {
      findings.add('rotation.signature', handover);
      return [];
    }
    const before = chain.at(-1);
    if (before && (before.statement.to !== handover.statement.from || before.seq >= handover.seq)) {
      findings.add(
        'rotation.chain',
        'a rotation does not begin with the key that the one before names',
      );
      return [];
    }
    chain.push(handover);
  }
  const problem = await proofProblem({ checkpoint, rotations, origin }, chain);
  if (problem === undefined) return chain;
  findings.add('rotation.proof', problem);
  return [];
}

/** An entry of the instance's log that both keys signed for, or what is wrong with it. */
async function readHandover(encoded: string, origin: string): Promise<Handover | string> {
  const bytes = fromBase64(encoded);
  const read = bytes && readCanonical(bytes);
  const parsed = read?.ok ? v.safeParse(EntrySchema, read.value) : undefined;
  if (!bytes || !parsed?.success || parsed.output.type !== 'log-key.rotated') {
    return 'a rotation is no entry of the type log-key.rotated';
  }
  const { workspace, data, seq, time } = parsed.output;
  const note = typeof data.statement === 'string' ? data.statement : '';
  const statement = parseRotationText(noteText(note));
  if (workspace !== INSTANCE_WORKSPACE || statement?.origin !== origin || statement.size > seq) {
    return 'a rotation states nothing about the log of this instance';
  }
  const opened = await openNote(note, [statement.from, statement.to]);
  if (!opened.ok || opened.signedBy.length !== 2 || statement.from === statement.to) {
    return 'a rotation is not signed by both the old key and the new one';
  }
  return { statement, time, seq, leaf: await leafHash(bytes) };
}

/** The newest key signs a log of the instance that holds them all, and what each of them names. */
async function proofProblem(
  bundle: Pick<Rotations, 'checkpoint' | 'rotations'> & { readonly origin: string },
  chain: readonly Handover[],
): Promise<string | undefined> {
  const newest = chain.at(-1)?.statement.to ?? '';
  // Signed by keys of the instance and by nobody else: a line that says nothing may have said something.
  const all = [...new Set(chain.flatMap(({ statement }) => [statement.from, statement.to]))];
  const opened = await openNote(bundle.checkpoint, all);
  const own = opened.ok && opened.strangers === 0 ? opened : undefined;
  const byNewest = (await openNote(bundle.checkpoint, [newest])).ok;
  const signed = own && byNewest ? parseCheckpoint(own.text) : undefined;
  if (signed?.origin !== bundle.origin) {
    return 'no checkpoint of the instance’s log, signed by the newest key, holds the rotations';
  }
  for (const [i, { statement, seq, leaf }] of chain.entries()) {
    const proofs = bundle.rotations[i];
    const inclusion = hashesOf(proofs?.inclusion);
    const consistency = hashesOf(proofs?.consistency);
    if (!inclusion || !consistency) return 'the proofs of a rotation are not base64';
    const { size, root } = signed;
    if (!(await verifyInclusion({ leaf, index: seq, size, proof: inclusion, root }))) {
      return `the rotation in entry ${seq} is not in the instance’s log`;
    }
    const claim = { from: statement.size, fromRoot: statement.root, to: size, toRoot: root };
    if (!(await verifyConsistency({ ...claim, proof: consistency }))) {
      return `what the rotation in entry ${seq} was signed over is not the beginning of the instance’s log`;
    }
  }
  return undefined;
}

function hashesOf(encoded: readonly string[] | undefined): Uint8Array[] | undefined {
  const hashes = encoded?.map(fromBase64) ?? [];
  const known = hashes.filter((hash) => hash !== undefined);
  return known.length === hashes.length ? known : undefined;
}
