/**
 * Verifies an exported bundle offline. The same code runs in the CLI, in the server and in the
 * browser: WebCrypto, valibot and canonicalize are all that it needs. It never throws on what a
 * bundle holds, and believes no key that the caller did not pin.
 */
import * as v from 'valibot';
import { BundleFiles } from './bundle-files.ts';
import { BUNDLE_PATHS, type BundleManifest, BundleManifestSchema } from './bundle-layout.ts';
import { toHex } from './digest.ts';
import { leafHashes } from './evidence-entry.ts';
import type { RetentionDays } from './legal-hold.ts';
import { readPublisherKey } from './plugin-signature.ts';
import { quickCheck } from './quick-check.ts';
import { widened } from './range-tiles.ts';
import { parseVerifierKey, type VerifierKey } from './signed-note.ts';
import { readTar } from './tar.ts';
import { TotalsOfStories } from './tell-story.ts';
import { DISPOSAL_TYPES, disposedInBundle } from './verify-disposals.ts';
import { checkChain, readCanonical, readEntry } from './verify-entries.ts';
import {
  actionEntries,
  checkContents,
  checkFiles,
  firstOf,
  logEntries,
  provedEntries,
} from './verify-files.ts';
import { reachKeys } from './verify-keys.ts';
import { checkLawful } from './verify-lawful.ts';
import {
  checkExpiry,
  checkProofs,
  type Leaves,
  readCheckpoint,
  type SignedCheckpoint,
} from './verify-log.ts';
import {
  EXIT_CODES,
  Findings,
  type ReadEntry,
  type Verdict,
  type VerifyReport,
} from './verify-report.ts';
import { checkSince } from './verify-since.ts';
import { checkStories, checkWholeAction } from './verify-stories.ts';
import { checkRange, checkTree, treeOf } from './verify-tree.ts';
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
  /** How many stories of actions the report tells one by one; none when left out. */
  readonly stories?: number | undefined;
  /** For tests, whose instances keep artifacts for seconds: days of each class. Nothing else sets it. */
  readonly retentionDays?: RetentionDays | undefined;
  /** Called again and again on the way, so that a server or a page can do other things in between. */
  readonly pause?: (() => Promise<void>) | undefined;
}

/** Entries that are read between two pauses. */
const ENTRIES_A_PAUSE = 256;

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
  const { asked } = manifest;
  const kind = asked.action !== undefined ? 'action' : asked.from !== undefined ? 'range' : 'whole';
  const first = firstOf(manifest);
  const stored = (kind === 'action' ? actionEntries : logEntries)(files, manifest, findings);
  const beside = kind === 'range' ? provedEntries(files, findings) : [];
  const all = [...stored, ...beside];
  const hashes = await leafHashes(all.map(({ bytes }) => bytes));
  const read: (ReadEntry | undefined)[] = [];
  for (const [i, { seq, bytes }] of all.entries()) {
    if (i % ENTRIES_A_PAUSE === 0) await options.pause?.();
    read.push(readEntry(bytes, seq, hashes[i] ?? new Uint8Array(), findings));
  }
  const leaves = read.slice(0, stored.length).map((entry) => entry?.leaf);
  checkBeside(read.slice(stored.length), first + stored.length, findings);
  const origin = `${manifest.instance}/${manifest.workspace}`;
  const keys = await reachKeys(files, manifest.instance, pin, findings);
  const { accepted, retired } = keys;
  const pinned = pin !== undefined;
  const signed = await readCheckpoint(files, origin, { pinned, accepted }, findings);
  const tree = kind === 'whole' ? await treeOf(leaves) : undefined;
  if (tree) await checkTree(files, { leaves, tree }, signed, findings);
  else {
    const claims = all.map(({ seq }, i) => ({ seq, leaf: read[i]?.leaf }));
    if (kind === 'range') await checkPart({ files, manifest, leaves }, signed, findings);
    await checkProofs(files, claims.slice(kind === 'range' ? stored.length : 0), signed, findings);
  }
  checkChain(read, manifest.workspace, findings);
  const size = signed?.checkpoint.size ?? 0;
  const unsigned = all.filter(({ seq }) => seq >= size);
  const allow = options.allowUnsigned === true;
  checkSigned(unsigned, { whole: kind === 'whole', signed, pin, allow }, findings);
  const entries = read.filter((entry) => entry !== undefined);
  checkExpiry(signed, entries, retired, findings);
  const signedEntries = entries.filter(({ entry }) => entry.seq < size);
  const hashed = await BundleFiles.of(files);
  const { stories: tell, pause } = options;
  const whole = kind === 'whole';
  const disposed = await disposedInBundle(signedEntries, whole, pause);
  const { retentionDays } = options;
  const omitted = new Set<string>(manifest.omitted);
  const disposing = { whole, omitted, retentionDays, pause };
  await checkLawful(signedEntries, disposing, findings);
  const telling = { manifest, files: hashed, disposed, whole, first, stories: tell, pause };
  const stories = await checkStories(signedEntries, telling, findings);
  if (kind === 'action') checkWholeAction(entries, stories.openActions, findings);
  const signedVersions = await checkSignatures(signedEntries, { whole, publishers }, findings);
  if (whole) checkVersions(signedEntries, findings);
  const included = checkContents(hashed, manifest, { entries, size }, findings);
  const ofOld = pinned ? keys.ever : (signed?.signedBy ?? []);
  const since = { note: options.since, tree, keys: ofOld };
  const problem = await checkSince(since, signed, findings);
  if (problem) return unreadable('since.malformed', problem);
  checkFiles(hashed, manifest, findings);
  return report(findings, pinned, {
    entries: stored.length,
    unsigned: unsigned.length,
    ...(kind === 'range' ? { range: { from: first, to: first + stored.length - 1 } } : {}),
    ...(signed ? { checkpoint: { origin: signed.checkpoint.origin, size } } : {}),
    ...(signed ? { signedBy: keyName(signed.key) } : {}),
    ...(keys.handovers > 0 ? { keyHandovers: keys.handovers } : {}),
    ...stories,
    artifacts: artifactCounts(included.artifacts, manifest, disposed),
    modules: included.modules,
    signedVersions,
  });
}

/** A range: it is all that was asked for, and its tiles lead to the signed root. */
async function checkPart(
  part: {
    readonly files: ReadonlyMap<string, Uint8Array>;
    readonly manifest: BundleManifest;
    readonly leaves: Leaves;
  },
  signed: SignedCheckpoint | undefined,
  findings: Findings,
): Promise<void> {
  const { files, manifest, leaves } = part;
  const { from = 0, to = 0 } = manifest.asked;
  const first = firstOf(manifest);
  const end = first + leaves.length;
  if (signed) {
    const { size } = signed.checkpoint;
    const whole = widened({ from, to }, size);
    if (to >= size || end !== whole.end) {
      const message = `entries ${first} to ${whole.end - 1} were asked for, the bundle ends with ${end - 1}`;
      findings.add('checkpoint.size', message, end);
    }
  }
  await checkRange(files, { first, end, leaves }, signed, findings);
}

/** Beside a range stand disposals of its artifacts, and nothing else. */
function checkBeside(
  beside: readonly (ReadEntry | undefined)[],
  end: number,
  findings: Findings,
): void {
  for (const read of beside) {
    if (!read || (DISPOSAL_TYPES.has(read.entry.type) && read.entry.seq >= end)) continue;
    findings.add('bundle.asked', 'is no disposal after the range', read.entry.seq);
  }
}

const isManifest = quickCheck(BundleManifestSchema);

function readManifest(files: ReadonlyMap<string, Uint8Array>): BundleManifest | string {
  const bytes = files.get(BUNDLE_PATHS.manifest);
  if (!bytes) return 'manifest.json is missing; this is no bundle of Portarium';
  const read = readCanonical(bytes);
  if (!read.ok) return `manifest.json is ${read.error}`;
  if (isManifest(read.value)) return read.value as unknown as BundleManifest;
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
    const message = `${unsigned.length} entries from here are beyond what is signed; an export of a part has none`;
    findings.add('entry.unsigned', message, first.seq);
  } else if (signed && pin !== undefined && !allow) {
    const message = `${unsigned.length} entries from here are beyond what is signed, so anyone may have written them; export again`;
    findings.addMissing('entry.unsigned', message, first.seq);
  }
}

function artifactCounts(
  included: number,
  { omitted }: BundleManifest,
  disposed: ReadonlySet<string>,
): VerifyReport['artifacts'] {
  const gone = omitted.filter((digest) => disposed.has(digest)).length;
  return { included, omitted: omitted.length - gone, disposed: gone };
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
  const findings = new Findings();
  findings.add(rule, message);
  return {
    verdict: 'unreadable',
    exitCode: EXIT_CODES.unreadable,
    entries: 0,
    unsigned: 0,
    findings: findings.all(),
    actions: 0,
    openActions: 0,
    partialActions: 0,
    told: new TotalsOfStories().totals,
    artifacts: { included: 0, omitted: 0, disposed: 0 },
    modules: 0,
    signedVersions: 0,
  };
}
