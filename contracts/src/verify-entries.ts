/** Checks entries one by one and as a chain: canonical form, fields, `seq`, `prev`, `time`. */
import * as v from 'valibot';
import {
  CanonicalJsonError,
  canonicalText,
  parseCanonicalText,
  parseStrictJson,
} from './canonical-json.ts';
import { digestFrom } from './digest.ts';
import { entryDataProblem } from './entry-data.ts';
import { type Entry, EntrySchema } from './evidence-entry.ts';
import { PLATFORM_LIMITS } from './limits.ts';
import { quickCheck } from './quick-check.ts';
import type { Findings, ReadEntry } from './verify-report.ts';

const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** Strict text of bytes, a byte order mark kept; undefined when they are not UTF-8. */
export function strictText(bytes: Uint8Array): string | undefined {
  try {
    return decoder.decode(bytes);
  } catch {
    return undefined;
  }
}

/** A value whose canonical JSON is exactly `bytes`, or why there is none. */
export function readCanonical(
  bytes: Uint8Array,
):
  | { readonly ok: true; readonly value: unknown }
  | { readonly ok: false; readonly rule: string; readonly error: string } {
  const text = strictText(bytes);
  if (text === undefined) return { ok: false, rule: 'utf8', error: 'not UTF-8' };
  const quick = parseCanonicalText(text);
  if (quick !== undefined) return { ok: true, value: quick };
  try {
    const value = parseStrictJson(text);
    if (canonicalText(value) === text) return { ok: true, value };
    return { ok: false, rule: 'canonical', error: 'not in canonical form (RFC 8785)' };
  } catch (error) {
    const why = error instanceof CanonicalJsonError ? error.message : 'not JSON';
    return { ok: false, rule: 'canonical', error: why };
  }
}

/**
 * Reads the entry at `seq`; undefined after a finding that leaves nothing to go on with.
 * @param seq where the entry stands, which its own `seq` must repeat
 * @param leaf the leaf hash of `bytes`
 */
export function readEntry(
  bytes: Uint8Array,
  seq: number,
  leaf: Uint8Array,
  findings: Findings,
): ReadEntry | undefined {
  if (bytes.length > PLATFORM_LIMITS.entryBytes) {
    findings.add('entry.size', `larger than ${PLATFORM_LIMITS.entryBytes} bytes`, seq);
    return undefined;
  }
  const read = readCanonical(bytes);
  if (!read.ok) {
    findings.add(`entry.${read.rule}`, read.error, seq);
    return undefined;
  }
  const entry = isEntry(read.value)
    ? (read.value as unknown as Entry)
    : parseEntry(read.value, seq, findings);
  if (!entry) return undefined;
  const problem = entryDataProblem(entry.type, entry.data);
  if (problem) findings.add('entry.data', `${entry.type}: ${problem}`, seq);
  if (!isTime(entry.time)) findings.add('entry.time', `no such time: ${entry.time}`, seq);
  if (entry.seq !== seq) {
    findings.add('log.sequence', `says seq ${entry.seq}, stands at ${seq}`, seq);
  }
  return { entry, leaf, hash: digestFrom(leaf) };
}

const isEntry = quickCheck(EntrySchema);

function parseEntry(value: unknown, seq: number, findings: Findings): Entry | undefined {
  const parsed = v.safeParse(EntrySchema, value);
  if (parsed.success) return parsed.output;
  const [issue] = parsed.issues;
  findings.add('entry.schema', `${v.getDotPath(issue) ?? 'entry'}: ${issue.message}`, seq);
  return undefined;
}

/** Times of days that every month has. */
const SURELY_A_TIME =
  /^\d{4}-(0[1-9]|1[0-2])-(0[1-9]|1\d|2[0-8])T([01]\d|2[0-3]):[0-5]\d:[0-5]\d\.\d{3}Z$/;

/** Whether `text` is a time of the calendar, in the one form that entries have. */
export function isTime(text: string): boolean {
  if (SURELY_A_TIME.test(text)) return true;
  const date = new Date(text);
  return !Number.isNaN(date.getTime()) && date.toISOString() === text;
}

/** Checks what neighbours say of each other. Entries that could not be read are undefined. */
export function checkChain(
  entries: readonly (ReadEntry | undefined)[],
  workspace: string,
  findings: Findings,
): void {
  let before: ReadEntry | undefined;
  let known = false;
  for (const read of entries) {
    if (read) {
      const { entry } = read;
      if (entry.workspace !== workspace) {
        const message = `belongs to workspace ${entry.workspace}, the bundle to ${workspace}`;
        findings.add('log.workspace', message, entry.seq);
      }
      checkPrev(read, before, known, findings);
      if (before && entry.time < before.entry.time) {
        const message = `its time ${entry.time} is before that of entry ${before.entry.seq}`;
        findings.add('log.time', message, entry.seq);
      }
    }
    before = read ?? before;
    known = read !== undefined;
  }
}

/** `prev` is checkable at 0 and when the entry before it is in the bundle and was read. */
function checkPrev(
  { entry }: ReadEntry,
  before: ReadEntry | undefined,
  known: boolean,
  findings: Findings,
): void {
  if (entry.seq === 0 && entry.prev !== null) {
    findings.add('log.chain', 'the first entry of a log has no prev', 0);
  }
  if (entry.seq > 0 && entry.prev === null) {
    findings.add('log.chain', 'only the first entry of a log may have no prev', entry.seq);
  } else if (known && before?.entry.seq === entry.seq - 1 && entry.prev !== before.hash) {
    const message = `its prev is not the hash of entry ${before.entry.seq}: one of the two was changed`;
    findings.add('log.chain', message, entry.seq);
  }
}
