/** How attempts and actions end: the rows and the entries that belong together. */
import { type Digest, digestOfJson } from '@portarium/contracts/digest';
import type { Actor, Artifact, EntryType } from '@portarium/contracts/evidence-entry';
import { assertTransition } from '@portarium/contracts/life-cycle';
import { plainText } from '@portarium/contracts/plain-text';
import { SYSTEM_ACTOR } from './context.ts';
import type { ActionRecord, AttemptError, AttemptRecord } from './ports/records.ts';
import type { AttemptEnd, WriteTransaction } from './ports/workspace-store.ts';

/** Ends an attempt; the journal's digest covers every call that is stored for it. */
export async function endAttempt(
  tx: WriteTransaction,
  action: ActionRecord,
  attempt: AttemptRecord,
  end: AttemptEnd,
  more: {
    readonly actor?: Actor;
    readonly output?: Artifact;
    /** Named only if it holds every call that is stored. */
    readonly journal?: Artifact;
  } = {},
): Promise<void> {
  const calls = (await tx.listCalls(action.id)).filter((call) => call.attempt === attempt.id);
  const journalDigest = await digestOfJson(calls.map((call) => call.record));
  const error = end.error === undefined ? {} : { error: cleanError(end.error) };
  await tx.finishAttempt(attempt.id, { ...end, ...error });
  tx.append({
    type: 'attempt.finished',
    actor: more.actor ?? SYSTEM_ACTOR,
    subject: { action: action.id, attempt: attempt.id },
    data: {
      attempt: attempt.id,
      verdict: end.verdict,
      usage: end.usage ?? {},
      journalDigest,
      calls: calls.length,
      ...(more.output === undefined ? {} : { outputDigest: more.output.digest }),
      ...error,
    },
    artifacts: [
      ...(more.output === undefined ? [] : [more.output]),
      ...(more.journal?.digest === journalDigest ? [more.journal] : []),
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
  readonly state: 'succeeded' | 'failed';
  readonly at: string;
  readonly outputDigest?: Digest;
  readonly error?: AttemptError;
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
  await tx.updateAction(action.id, { state: end.state, finishedAt: end.at, ...outcome });
  const type: EntryType = end.state === 'succeeded' ? 'action.succeeded' : 'action.failed';
  tx.append({
    type,
    actor: SYSTEM_ACTOR,
    subject: { action: action.id },
    data: outcome,
    trace: action.trace,
  });
}
