/**
 * Reads from a verified bundle what a replay of each attempt needs. Whatever is missing becomes a
 * reason; nothing here throws for what a bundle holds.
 */
import { type ActionOrder, ActionOrderSchema } from '@portarium/contracts/action-order';
import { artifactPath, modulePath } from '@portarium/contracts/bundle-layout';
import { type Digest, DigestSchema, digestOf } from '@portarium/contracts/digest';
import type { Entry } from '@portarium/contracts/evidence-entry';
import {
  BODIES_MEDIA_TYPE,
  JOURNAL_MEDIA_TYPE,
  type JournalArtifactRecord,
  JournalArtifactSchema,
  journalBytes,
} from '@portarium/contracts/journal-artifact';
import { readTar } from '@portarium/contracts/tar';
import { readCanonical } from '@portarium/contracts/verify-entries';
import * as v from 'valibot';
import type { AttemptName, RecordedAttempt } from './recorded-attempt.ts';
import type { BundleFiles } from './signed-stories.ts';

export type ReadAttempt = AttemptName & { readonly verdict: string } & (
    | { readonly ok: true; readonly recorded: RecordedAttempt }
    | { readonly ok: false; readonly reason: string }
  );

type Read<T> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly reason: string };

/** What all attempts of an action share. */
type Ordered = Pick<RecordedAttempt, 'order' | 'module' | 'input' | 'bodies'>;

interface Journaled {
  readonly files: BundleFiles;
  readonly story: readonly Entry[];
  /** Of a journal without a record. */
  readonly empty: Digest;
}

/** @param story the signed entries of one action */
export async function readAttempts(
  files: BundleFiles,
  action: string,
  story: readonly Entry[],
): Promise<readonly ReadAttempt[]> {
  const empty = await digestOf(journalBytes([]));
  const ordered = readOrdered(files, action, story);
  const ids = story
    .filter(({ type }) => type === 'attempt.started')
    .map(({ data }) => String(data.attempt));
  return ids.map((attempt, index): ReadAttempt => {
    const name = { action, attempt, number: index + 1 };
    const finished = story.find(
      ({ type, data }) => type === 'attempt.finished' && data.attempt === attempt,
    );
    const verdict = finished ? verdictOf(finished) : 'unfinished';
    if (!finished) return { ...name, verdict, ok: false, reason: 'no entry ends the attempt' };
    if (!ordered.ok) return { ...name, verdict, ...ordered };
    const records = recordsOf({ files, story, empty }, finished, ids.slice(0, index + 1));
    if (!records.ok) return { ...name, verdict, ...records };
    const output = v.safeParse(DigestSchema, finished.data.outputDigest);
    return {
      ...name,
      verdict,
      ok: true,
      recorded: {
        ...name,
        ...ordered.value,
        verdict,
        outputDigest: output.success ? output.output : undefined,
        records: records.value,
      },
    };
  });
}

function verdictOf({ data }: Entry): string {
  if (data.verdict !== 'failed') return String(data.verdict);
  const { code } = (data.error ?? {}) as { readonly code?: unknown };
  return typeof code === 'string' ? code : 'failed';
}

function readOrdered(files: BundleFiles, action: string, story: readonly Entry[]): Read<Ordered> {
  // An approver who narrows an action gives it another order.
  const ordering =
    story.find(({ data }) => data.narrows !== undefined) ??
    story.find(({ type }) => type === 'action.requested');
  const digest = v.safeParse(DigestSchema, ordering?.data.orderDigest);
  if (!digest.success) return refuse('the action has no order on record');
  const bytes = artifactOf(files, digest.output);
  if (!bytes) return refuse('the order was left out of the bundle, or disposed of');
  const order = readOrder(bytes, action);
  if (typeof order === 'string') return refuse(order);
  const module = artifactOf(files, order.moduleDigest);
  if (!module) return refuse('the module that ran was left out of the bundle, or disposed of');
  const input = artifactOf(files, order.inputDigest);
  if (!input) return refuse('the input was left out of the bundle, or disposed of');
  return { ok: true, value: { order, module, input, bodies: readBodies(files, story) } };
}

/** The order, or why it is none. */
function readOrder(bytes: Uint8Array, action: string): ActionOrder | string {
  const read = readCanonical(bytes);
  const parsed = v.safeParse(ActionOrderSchema, read.ok ? read.value : undefined);
  if (!parsed.success) return `the order can not be read: ${parsed.issues[0].message}`;
  const order = parsed.output;
  if (order.action !== action) return `the order is that of ${order.action}`;
  if (!/^[0-9a-f]{64}$/.test(order.seed)) return 'the order’s seed is not 64 hexadecimal digits';
  if (Number.isNaN(Date.parse(order.startTime))) return 'the order’s start is no time';
  return order;
}

/** Bodies of every attempt: a later one may be answered with what an earlier one received. */
function readBodies(files: BundleFiles, story: readonly Entry[]): ReadonlyMap<string, Uint8Array> {
  const bodies = new Map<string, Uint8Array>();
  for (const { artifacts } of story) {
    for (const { digest, mediaType } of artifacts) {
      const tar = mediaType === BODIES_MEDIA_TYPE ? artifactOf(files, digest) : undefined;
      const archive = tar && readTar(tar);
      if (!archive?.ok) continue;
      for (const [path, bytes] of archive.files) bodies.set(path.replace('/', ':'), bytes);
    }
  }
  return bodies;
}

/**
 * The records of one attempt: its own journal's, else the first of the action's newest journal.
 * @param upTo the attempts of the action up to this one
 */
function recordsOf(
  { files, story, empty }: Journaled,
  finished: Entry,
  upTo: readonly string[],
): Read<readonly JournalArtifactRecord[]> {
  const counted = v.safeParse(v.pipe(v.number(), v.integer()), finished.data.calls);
  const calls = counted.success ? counted.output : undefined;
  const { journalDigest: stated } = finished.data;
  // An empty journal is not stored.
  if (calls === 0 || stated === empty) return { ok: true, value: [] };
  const named = [finished, ...story.toReversed()].map(journalOf).find(Boolean);
  if (named === undefined) return refuse('no journal is on record');
  const journal = readJournal(files, named);
  if (!journal.ok) return journal;
  const later = journal.value.findIndex(({ attempt }) => !upTo.includes(attempt));
  const count = calls ?? (later < 0 ? journal.value.length : later);
  if (count > journal.value.length) {
    return refuse(`the journal has ${journal.value.length} of the ${count} calls on record`);
  }
  return { ok: true, value: journal.value.slice(0, count) };
}

function journalOf({ type, artifacts }: Entry): Digest | undefined {
  if (type !== 'attempt.finished') return undefined;
  return artifacts.find(({ mediaType }) => mediaType === JOURNAL_MEDIA_TYPE)?.digest;
}

function readJournal(files: BundleFiles, digest: Digest): Read<readonly JournalArtifactRecord[]> {
  const bytes = artifactOf(files, digest);
  if (!bytes) return refuse('the journal was left out of the bundle, or disposed of');
  const read = readCanonical(bytes);
  const parsed = v.safeParse(JournalArtifactSchema, read.ok ? read.value : undefined);
  if (!parsed.success) return refuse(`the journal can not be read: ${parsed.issues[0].message}`);
  if (parsed.output.some(({ call }, index) => call !== index)) {
    return refuse('the calls of the journal are not numbered from 0 without gaps');
  }
  return { ok: true, value: parsed.output };
}

/** The bytes behind a digest; modules stand in a folder of their own. */
function artifactOf(files: BundleFiles, digest: Digest): Uint8Array | undefined {
  return files.get(artifactPath(digest)) ?? files.get(modulePath(digest));
}

function refuse(reason: string): { readonly ok: false; readonly reason: string } {
  return { ok: false, reason };
}
