/**
 * Adds what a host reports to an action's journal. Pure: says what would be new and what would be
 * answered, or why the report is refused. A host that repeats itself has to say the same again.
 */
import { canonicalText } from '@portarium/contracts/canonical-json';
import { SAFE_METHODS } from '@portarium/contracts/egress-rule';
import type { AttemptId } from '@portarium/contracts/ids';
import type { EgressCall } from '@portarium/contracts/internal-api';
import { failure, type Result, success } from './failure.ts';
import type { JournalRecord } from './ports/journal-store.ts';

export interface Merged {
  /** The journal with the report in it. */
  readonly journal: readonly JournalRecord[];
  readonly added: readonly JournalRecord[];
  readonly answered: readonly JournalRecord[];
}

export function mergeCalls(
  before: readonly JournalRecord[],
  attempt: AttemptId,
  calls: readonly EgressCall[],
): Result<Merged> {
  const journal = [...before];
  const added: JournalRecord[] = [];
  const answered: JournalRecord[] = [];
  for (const call of calls) {
    const known = journal[call.call];
    if (!known && call.call !== journal.length) {
      return failure('conflict', `Call ${call.call} was reported before call ${journal.length}.`);
    }
    const merged = known ? answer(known, attempt, call) : add(attempt, call);
    if (!merged.ok) return merged;
    if (merged.value === known) continue;
    journal[call.call] = merged.value;
    (known ? answered : added).push(merged.value);
  }
  return success({ journal, added, answered });
}

/** A call without an intent: nothing that could have changed something outside. */
function add(attempt: AttemptId, call: EgressCall): Result<JournalRecord> {
  const harmless =
    call.verdict === 'denied' ||
    call.verdict === 'withheld' ||
    (call.credential === undefined && SAFE_METHODS.has(call.method) && call.verdict !== 'open') ||
    (call.verdict === 'failed' && call.sent !== true);
  if (!harmless) {
    return failure('conflict', `Call ${call.call} needed an intent, and there is none.`);
  }
  if (call.requestBodyDigest !== undefined) {
    return failure('conflict', `Call ${call.call} names a body that was let leave, and none was.`);
  }
  return success({
    attempt,
    record: call,
    write: false,
    keyed: null,
    intendedAt: null,
    intendedBy: null,
    released: false,
  });
}

/** An answer takes the place of an open record of the same request; anything else must not change. */
function answer(known: JournalRecord, attempt: AttemptId, call: EgressCall): Result<JournalRecord> {
  if (canonicalText(known.record) === canonicalText(call)) return success(known);
  const { record } = known;
  const fits =
    record.verdict === 'open' &&
    known.intendedBy === attempt &&
    isAnswer(known, call) &&
    SAME.every((name) => record[name] === call[name]);
  if (fits) return success({ ...known, record: call });
  return failure('conflict', `Call ${call.call} was reported before with other content.`);
}

/**
 * A write whose first byte may have left has no answer until one was received (ADR 0107): also when a
 * later attempt did not get to send it again.
 */
function isAnswer({ write, attempt, intendedBy }: JournalRecord, call: EgressCall): boolean {
  if (call.verdict === 'allowed') return call.responseDigest !== undefined;
  if (call.verdict !== 'failed') return false;
  return !write || (call.sent === false && attempt === intendedBy);
}

const SAME = [
  'requestDigest',
  'method',
  'scheme',
  'host',
  'port',
  'path',
  'rule',
  'credential',
  'requestBodyDigest',
] as const;

/** The first write that was intended and whose answer nobody saw. */
export function openWrite(journal: readonly JournalRecord[]): JournalRecord | undefined {
  return journal.find(({ write, record }) => write && record.verdict === 'open');
}

/** Whether an open write may be sent once more at `at`: by its key, or by a person's word. */
export function maySendAgain(open: JournalRecord, at: string): boolean {
  return open.released || (open.keyed !== null && Date.parse(at) < Date.parse(open.keyed.until));
}
