/** How attempts and actions end: the rows and the entries that belong together. */
import type { Digest } from '@portarium/contracts/digest';
import type { Actor, Artifact, EntryType } from '@portarium/contracts/evidence-entry';
import { assertTransition, isFinal } from '@portarium/contracts/life-cycle';
import { plainText } from '@portarium/contracts/plain-text';
import { SYSTEM_ACTOR } from './context.ts';
import { dryMark } from './dry-mark.ts';
import { openWrite } from './merge-calls.ts';
import type { JournalRecord } from './ports/journal-store.ts';
import type { ActionRecord, AttemptError, AttemptRecord } from './ports/records.ts';
import type { AttemptEnd, WriteTransaction } from './ports/workspace-store.ts';
import { journalDigest, type StoredJournal } from './store-journal.ts';

/** Ends an attempt; the journal's digest covers every record that the action has by then. */
export async function endAttempt(
  tx: WriteTransaction,
  action: ActionRecord,
  attempt: AttemptRecord,
  end: AttemptEnd,
  more: {
    readonly journal: readonly JournalRecord[];
    readonly actor?: Actor;
    readonly output?: Artifact;
    /** Its artifacts are named only if it holds exactly `journal`. */
    readonly stored?: StoredJournal | undefined;
  },
): Promise<void> {
  const digest = await journalDigest(more.journal);
  const error = end.error === undefined ? {} : { error: cleanError(end.error) };
  await tx.finishAttempt(attempt.id, { ...end, ...error });
  tx.append({
    type: 'attempt.finished',
    actor: more.actor ?? SYSTEM_ACTOR,
    subject: { action: action.id, attempt: attempt.id },
    data: {
      attempt: attempt.id,
      ...dryMark(action),
      verdict: end.verdict,
      usage: end.usage ?? {},
      journalDigest: digest,
      calls: more.journal.length,
      ...(more.output === undefined ? {} : { outputDigest: more.output.digest }),
      ...error,
    },
    artifacts: [
      ...(more.output === undefined ? [] : [more.output]),
      ...(more.stored?.digest === digest ? more.stored.artifacts : []),
    ],
    trace: action.trace,
  });
}

/** Longest error message that a row and an entry keep, in UTF-16 code units. */
const MAX_MESSAGE = 1_000;

/** What a guest or a host wrote must never be what makes its own outcome impossible to store. */
function cleanError(error: AttemptError): AttemptError {
  return { code: plainText(error.code, 64), message: plainText(error.message, MAX_MESSAGE) };
}

export interface ActionEnd {
  readonly state: 'succeeded' | 'failed' | 'cancelled' | 'outcome-unknown';
  readonly at: string;
  readonly actor?: Actor;
  readonly outputDigest?: Digest;
  readonly error?: AttemptError;
  /** The person who ended it, and why. */
  readonly by?: string;
  readonly rationale?: string;
}

/** Ends an action. @throws Error when the life cycle has no such transition */
export async function endAction(
  tx: WriteTransaction,
  action: ActionRecord,
  end: ActionEnd,
): Promise<void> {
  assertTransition(action.state, end.state);
  const outcome = {
    ...(end.outputDigest === undefined ? {} : { outputDigest: end.outputDigest }),
    ...(end.error === undefined ? {} : { error: cleanError(end.error) }),
  };
  await tx.updateAction(action.id, {
    state: end.state,
    ...(isFinal(end.state) ? { finishedAt: end.at } : {}),
    ...outcome,
  });
  const type: EntryType = `action.${end.state}`;
  tx.append({
    type,
    actor: end.actor ?? SYSTEM_ACTOR,
    subject: { action: action.id },
    data: {
      ...outcome,
      ...dryMark(action),
      ...(end.by === undefined ? {} : { by: end.by }),
      ...(end.rationale === undefined ? {} : { rationale: end.rationale }),
    },
    trace: action.trace,
  });
}

/**
 * Ends an action that can not go on. While a write is open nobody knows what came of it: then its
 * outcome is unknown, whatever else went wrong.
 * @returns the state that it has now
 */
export async function failAction(
  tx: WriteTransaction,
  action: ActionRecord,
  journal: readonly JournalRecord[],
  end: { readonly at: string; readonly error: AttemptError; readonly uncertain?: boolean },
): Promise<'failed' | 'outcome-unknown'> {
  const { at, error } = end;
  const open = openWrite(journal);
  const state =
    (open || end.uncertain) && action.state === 'running' ? 'outcome-unknown' : 'failed';
  await endAction(tx, action, {
    state,
    at,
    error:
      open && state === 'outcome-unknown' && error.code !== 'outcome.unknown'
        ? {
            code: 'outcome.unknown',
            message: `call ${open.record.call} (${open.record.method} ${open.record.host}) was not answered; then: ${error.code}: ${error.message}`,
          }
        : error,
  });
  return state;
}
