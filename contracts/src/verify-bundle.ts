/**
 * Verifies an exported bundle offline. The same code runs in the CLI, in the server and in the
 * browser: WebCrypto, valibot and canonicalize are all that it needs. It never throws on what a
 * bundle holds, and believes no key that the caller did not pin.
 */
import * as v from 'valibot';
import { BundleFiles } from './bundle-files.ts';
import { BUNDLE_PATHS, type BundleManifest, BundleManifestSchema } from './bundle-layout.ts';
import { toHex } from './digest.ts';
import { readPublisherKey } from './plugin-signature.ts';
import { parseVerifierKey, type VerifierKey } from './signed-note.ts';
import { readTar } from './tar.ts';
import { BundleArtifacts } from './verify-artifacts.ts';
import { DISPOSAL_TYPES, disposedDigests } from './verify-disposals.ts';
import { checkChain, readCanonical, readEntry } from './verify-entries.ts';
import { actionEntries, checkContents, checkFiles, wholeLogEntries } from './verify-files.ts';
import { reachKeys } from './verify-keys.ts';
import {
  checkExpiry,
  checkProofs,
  checkTree,
  leafOf,
  openCheckpoint,
  readCheckpoint,
  rootAt,
  type SignedCheckpoint,
} from './verify-log.ts';
import {
  EXIT_CODES,
  Findings,
  type ReadEntry,
  type Verdict,
  type VerifyReport,
} from './verify-report.ts';
import { checkStory } from './verify-story.ts';
import { checkSignatures, checkVersions } from './verify-versions.ts';

export interface VerifyOptions {
  /** The verifier key to believe (C2SP signed-note); got by another way than the bundle. */
  readonly pin?: string | undefined;
  /** A checkpoint (signed note) kept from before, which the log must still contain. */
  readonly since?: string | undefined;
  /**
   * Accept entries of a whole log beyond its checkpoint. They are counted and prove nothing; an
   * exporter seals first and writes none.
   */
  readonly allowUnsigned?: boolean | undefined;
  /** Verifier keys of publishers: every version that the bundle admits has to be signed by one of them. */
  readonly publishers?: readonly string[] | undefined;
}

/** @param tar the bundle as `buildBundle` writes it, from anywhere */
export async function verifyBundle(
  tar: Uint8Array,
  options: VerifyOptions = {},
): Promise<VerifyReport> {
  try {
    return await verify(tar, options);
  } catch (error) {
    // Nothing above throws by design; should it, the answer must not be "verified".
    return unreadable('bundle.unreadable', error instanceof Error ? error.message : String(error));
  }
}

async function verify(tar: Uint8Array, options: VerifyOptions): Promise<VerifyReport> {
  const archive = readTar(tar);
  if (!archive.ok) return unreadable('bundle.tar', archive.error);
  const manifest = readManifest(archive.files);
  if (typeof manifest === 'string') return unreadable('bundle.manifest', manifest);
  const { files } = archive;
  const hashed = new BundleFiles(files);
  const pin = options.pin?.trim();
  if (pin !== undefined && !(await parseVerifierKey(pin))) {
    return unreadable('pin.malformed', 'the pinned key is not a verifier key: name+hash+base64');
  }
  const publishers = options.publishers?.map((text) => text.trim());
  for (const text of publishers ?? []) {
    const key = await readPublisherKey(text);
    if (typeof key === 'string') return unreadable('publisher.malformed', key);
  }
  const findings = new Findings();
  const whole = manifest.asked.action === undefined;
  const stored = (whole ? wholeLogEntries : actionEntries)(files, manifest, findings);
  const read: (ReadEntry | undefined)[] = [];
  for (const { seq, bytes } of stored) read.push(await readEntry(bytes, seq, findings));
  const leaves = read.map((entry) => entry && leafOf(entry.hash));
  const origin = `${manifest.instance}/${manifest.workspace}`;
  const keys = await reachKeys(files, manifest.instance, pin, findings);
  const { accepted, retired } = keys;
  const signed = await readCheckpoint(
    files,
    origin,
    { pinned: pin !== undefined, accepted },
    findings,
  );
  if (whole) await checkTree(files, leaves, signed, findings);
  else {
    const claims = stored.map(({ seq }, i) => ({ seq, leaf: leaves[i] }));
    await checkProofs(files, claims, signed, findings);
  }
  checkChain(read, manifest.workspace, findings);
  const size = signed?.checkpoint.size ?? 0;
  const unsigned = stored.filter(({ seq }) => seq >= size);
  checkSigned(unsigned, { whole, signed, pin, allow: options.allowUnsigned === true }, findings);
  const entries = read.filter((entry) => entry !== undefined);
  const signedEntries = entries.filter(({ entry }) => entry.seq < size);
  checkExpiry(signed, entries, retired, findings);
  const disposed = disposedDigests(signedEntries);
  const artifacts = new BundleArtifacts(hashed, manifest.omitted, disposed);
  const stories = await checkStories(signedEntries, manifest, artifacts, findings);
  if (!whole) checkWholeAction(entries, stories.openActions, findings);
  const signedVersions = await checkSignatures(signedEntries, { whole, publishers }, findings);
  if (whole) checkVersions(signedEntries, findings);
  const included = await checkContents(hashed, manifest, { entries, size }, findings);
  const since = {
    note: options.since,
    leaves: whole ? leaves : undefined,
    keys: pin === undefined ? (signed?.signedBy ?? []) : keys.ever,
  };
  const problem = await checkSince(since, signed, findings);
  if (problem) return unreadable('since.malformed', problem);
  await checkFiles(hashed, manifest, findings);
  return report(findings, pin !== undefined, {
    entries: stored.length,
    unsigned: unsigned.length,
    ...(signed ? { checkpoint: { origin: signed.checkpoint.origin, size } } : {}),
    ...(signed ? { signedBy: keyName(signed.key) } : {}),
    ...(keys.handovers > 0 ? { keyHandovers: keys.handovers } : {}),
    ...stories,
    artifacts: artifactCounts(included.artifacts, manifest, disposed),
    modules: included.modules,
    signedVersions,
  });
}

function readManifest(files: ReadonlyMap<string, Uint8Array>): BundleManifest | string {
  const bytes = files.get(BUNDLE_PATHS.manifest);
  if (!bytes) return 'manifest.json is missing; this is no bundle of Portarium';
  const read = readCanonical(bytes);
  if (!read.ok) return `manifest.json is ${read.error}`;
  const parsed = v.safeParse(BundleManifestSchema, read.value);
  if (parsed.success) return parsed.output;
  const issue = parsed.issues[0];
  return `manifest.json, ${v.getDotPath(issue) ?? 'top'}: ${issue.message}`;
}

/** Anyone can append entries beyond a checkpoint, so they may not stand beside signed ones. */
function checkSigned(
  unsigned: readonly { readonly seq: number }[],
  bundle: {
    readonly whole: boolean;
    readonly signed: SignedCheckpoint | undefined;
    readonly pin: string | undefined;
    readonly allow: boolean;
  },
  findings: Findings,
): void {
  const { whole, signed, pin, allow } = bundle;
  const [first] = unsigned;
  if (!first) return;
  if (!whole) {
    const message = `${unsigned.length} entries from here are beyond what is signed; an export of one action has none`;
    findings.add('entry.unsigned', message, first.seq);
  } else if (signed && pin !== undefined && !allow) {
    const message = `${unsigned.length} entries from here are beyond what is signed, so anyone may have written them; export again`;
    findings.addMissing('entry.unsigned', message, first.seq);
  }
}

/** Nothing signed says how many entries an action has, until its final one does. */
function checkWholeAction(entries: readonly ReadEntry[], open: number, findings: Findings): void {
  const last = entries.findLast(({ entry }) => entry.type.startsWith('action.'));
  if (entries.length === 0) {
    findings.add('bundle.empty', 'no entry of the action that was asked for');
  } else if (open > 0 && last?.entry.type === 'action.outcome-unknown') {
    const message =
      'a write was sent, and nobody has said yet what came of it: resolve the action, then export again once it has ended';
    findings.addMissing('story.open', message);
  } else if (open > 0) {
    const message =
      'the action had not ended when this was exported, or its end was cut off; export again once it has ended';
    findings.addMissing('story.open', message);
  }
}

/** Beside an action’s own entries stand those that say why an artifact of it is not there any more. */
function belongs(
  { type, subject }: ReadEntry['entry'],
  asked: BundleManifest['asked']['action'],
): boolean {
  return asked === undefined || subject.action === asked || DISPOSAL_TYPES.has(type);
}

function artifactCounts(
  included: number,
  { omitted }: BundleManifest,
  disposed: ReadonlySet<string>,
): VerifyReport['artifacts'] {
  const gone = omitted.filter((digest) => disposed.has(digest)).length;
  return { included, omitted: omitted.length - gone, disposed: gone };
}

/** Groups entries, signed ones alone, by action and checks each story. */
async function checkStories(
  entries: readonly ReadEntry[],
  manifest: BundleManifest,
  artifacts: BundleArtifacts,
  findings: Findings,
): Promise<{ readonly actions: number; readonly openActions: number }> {
  const actions = new Map<string, ReadEntry[]>();
  for (const read of entries) {
    const { action } = read.entry.subject;
    if (!belongs(read.entry, manifest.asked.action)) {
      findings.add('bundle.asked', 'is not about the action that was asked for', read.entry.seq);
    }
    if (action !== undefined) {
      const story = actions.get(action);
      if (story) story.push(read);
      else actions.set(action, [read]);
    } else if (read.entry.actionSeq !== undefined || read.entry.actionPrev !== undefined) {
      findings.add('action.chain', 'stands in an action’s chain without one', read.entry.seq);
    }
  }
  let openActions = 0;
  for (const story of actions.values()) {
    if (!(await checkStory(story, artifacts, findings))) openActions++;
  }
  return { actions: actions.size, openActions };
}

/**
 * The log still contains what an older checkpoint signed.
 * @returns why the question can not be answered, or undefined
 */
async function checkSince(
  since: {
    readonly note: string | undefined;
    readonly leaves: readonly (Uint8Array | undefined)[] | undefined;
    readonly keys: readonly string[];
  },
  signed: SignedCheckpoint | undefined,
  findings: Findings,
): Promise<string | undefined> {
  if (since.note === undefined) return undefined;
  const opening = new Findings();
  const older = await openCheckpoint(since.note, since.keys, 'since', opening);
  if (!older) return `the older checkpoint: ${opening.list[0]?.message ?? 'unreadable'}`;
  const { origin, size, root } = older.checkpoint;
  const now = signed?.checkpoint;
  if (now && now.origin !== origin) {
    findings.add('since.origin', `the older checkpoint is of ${origin}, this log ${now.origin}`);
  } else if (!now || now.size < size) {
    const message = `the bundle ends after ${now?.size ?? 0} signed entries, before the ${size} of the checkpoint: it is older than that, or its end was cut off; export again`;
    findings.addMissing('since.size', message);
  } else if (now.size === size) {
    if (toHex(now.root) !== toHex(root)) {
      findings.add('since.root', `two different logs of size ${size} are signed: a fork`);
    }
  } else if (!since.leaves) {
    return 'an older checkpoint needs the whole log; export without --action';
  } else if ((await rootAt(since.leaves, size)) !== toHex(root)) {
    findings.add('since.root', `the first ${size} entries are not those that were signed before`);
  }
  return undefined;
}

function keyName(key: VerifierKey): string {
  return `${key.name}+${toHex(key.hash)}`;
}

function report(
  findings: Findings,
  pinned: boolean,
  found: Omit<VerifyReport, 'verdict' | 'exitCode' | 'findings'>,
): VerifyReport {
  const verdict: Verdict = findings.verdict ?? (pinned ? 'verified' : 'unpinned');
  return { verdict, exitCode: EXIT_CODES[verdict], ...found, findings: findings.all() };
}

function unreadable(rule: string, message: string): VerifyReport {
  return {
    verdict: 'unreadable',
    exitCode: EXIT_CODES.unreadable,
    entries: 0,
    unsigned: 0,
    findings: [{ rule, message }],
    actions: 0,
    openActions: 0,
    artifacts: { included: 0, omitted: 0, disposed: 0 },
    modules: 0,
    signedVersions: 0,
  };
}
