/**
 * What a sandbox host reports of an attempt: heartbeats with calls, and the outcome. Each report is
 * a claim: checked against the ticket, the fence and the operation's schema before it is stored.
 */

import type { Digest } from '@portarium/contracts/digest';
import { type AttemptErrorCode, RETRYABLE_ATTEMPT_ERRORS } from '@portarium/contracts/errors';
import type { Artifact } from '@portarium/contracts/evidence-entry';
import type { AttemptId } from '@portarium/contracts/ids';
import type { OutcomeSchema } from '@portarium/contracts/internal-api';
import { type ActionState, isFinal } from '@portarium/contracts/life-cycle';
import { PLATFORM_LIMITS } from '@portarium/contracts/limits';
import { plainText } from '@portarium/contracts/plain-text';
import type { Ticket } from '@portarium/contracts/ticket';
import type { InferOutput } from 'valibot';
import { actorOf, type Caller, type Context } from './context.ts';
import { countCrash } from './count-crash.ts';
import { endAction, endAttempt, failAction } from './end-attempt.ts';
import { failure, type Result, success } from './failure.ts';
import { extendLease, fenced, type Held, hold } from './hold-attempt.ts';
import {
  bodiesOf,
  judgeCalls,
  knownJournal,
  mostBodies,
  mostBodyBytes,
  namesBodies,
  type Report,
  tooMany,
} from './judge-calls.ts';
import { type Judged, judgeOutcome } from './judge-outcome.ts';
import { keepWithheld } from './keep-withheld.ts';
import { maySendAgain, mergeCalls, openWrite } from './merge-calls.ts';
import { timeText } from './ports/clock.ts';
import type { JournalRecord } from './ports/journal-store.ts';
import type { ActionRecord, AttemptError } from './ports/records.ts';
import type { WriteTransaction } from './ports/workspace-store.ts';
import { recordCalls } from './record-calls.ts';
import { journalDigest, type StoredJournal, storeJournal } from './store-journal.ts';

type Outcome = InferOutput<typeof OutcomeSchema>;

/** Checks that the ticket is genuine, names this host, and is for this attempt. */
export async function verifyTicket(
  context: Context,
  caller: Caller,
  token: string | undefined,
  attempt: AttemptId,
): Promise<Result<Ticket>> {
  const ticket = await context.tickets.verify(token ?? '', caller.key.name);
  if (ticket && ticket.attempt === attempt) return success(ticket);
  return failure(
    'auth.forbidden',
    'The ticket is missing, forged, expired, or names another host or attempt.',
  );
}

export async function reportHeartbeat(
  context: Context,
  caller: Caller,
  ticket: Ticket,
  report: Report,
): Promise<Result<{ leaseMs: number }>> {
  const bodies = await bodiesOf(report);
  if (!bodies.ok) return bodies;
  const fixed = await context.fixedActions.find(ticket.workspace, ticket.action);
  if (!fixed) return failure('not-found', `There is no action ${ticket.action}.`);
  if (fixed.dryRun) await keepWithheld(context, ticket, fixed, report.calls, bodies.value);
  return context.store.submit(ticket.workspace, async (tx) => {
    const [held, known] = await Promise.all([
      hold(tx, ticket, fixed),
      knownJournal(tx, ticket.action, namesBodies(report)),
    ]);
    if (!held.ok) return held;
    const [recorded] = await Promise.all([
      recordCalls(tx, caller, held.value, known, report.calls, bodies.value),
      extendLease(context, tx, ticket),
    ]);
    return recorded.ok ? success({ leaseMs: PLATFORM_LIMITS.leaseMs }) : recorded;
  });
}

/** A body that is too large for a report or an intent; kept until a record names it or the action ends. */
export async function keepBody(
  context: Context,
  ticket: Ticket,
  digest: Digest,
  bytes: Uint8Array,
): Promise<Result<null>> {
  const fixed = await context.fixedActions.find(ticket.workspace, ticket.action);
  if (!fixed) return failure('not-found', `There is no action ${ticket.action}.`);
  return context.store.submit(ticket.workspace, async (tx) => {
    const held = await hold(tx, ticket, fixed);
    if (!held.ok) return held;
    const { action } = held.value;
    await extendLease(context, tx, ticket);
    const kept = await tx.listBodies(action.id);
    if (kept.has(digest)) return success(null);
    const total = [...kept.values()].reduce((sum, size) => sum + size, bytes.length);
    if (total > mostBodyBytes(action) || kept.size >= mostBodies(action)) return tooMany(action);
    await tx.putBody(action.id, digest, bytes);
    return success(null);
  });
}

type OutcomeAnswer = Result<{ state: string; again: boolean }>;

/** Everything that is put into the evidence store before the entry that names it. */
interface Prepared extends Judged {
  readonly bodies: ReadonlyMap<Digest, Uint8Array>;
  readonly stored: StoredJournal | undefined;
}

export async function reportOutcome(
  context: Context,
  caller: Caller,
  ticket: Ticket,
  outcome: Outcome,
): Promise<OutcomeAnswer> {
  for (let round = 1; ; round++) {
    const prepared = await prepare(context, ticket, outcome);
    if (!prepared.ok) return prepared;
    const answer = await store(context, caller, ticket, outcome, prepared.value);
    if (answer !== 'journal-moved') return answer;
    // A heartbeat came in between; it holds nothing that this report does not.
    if (round === MAX_ROUNDS) throw new Error(`the journal of ${ticket.action} does not rest`);
  }
}

const MAX_ROUNDS = 5;

/** @returns `journal-moved` when the stored artifact is not the journal any more: nothing was changed */
async function store(
  context: Context,
  caller: Caller,
  ticket: Ticket,
  outcome: Outcome,
  prepared: Prepared,
): Promise<OutcomeAnswer | 'journal-moved'> {
  return context.store.submit(ticket.workspace, async (tx) => {
    const held = fenced(
      await tx.lockAction(ticket.action),
      await tx.findAttempt(ticket.attempt),
      ticket,
    );
    if (!held.ok) return held;
    const { action, attempt } = held.value;
    // A repeated report, after its first answer was lost on the way.
    if (attempt.verdict !== null)
      return success({
        state: action.state,
        again: attempt.verdict === 'lost' && action.state === 'running',
      });
    const known = await knownJournal(tx, action.id, namesBodies(outcome));
    const merged = mergeCalls(known.journal, attempt.id, outcome.calls);
    if (!merged.ok) return merged;
    const { journal } = merged.value;
    // Every body that a record names was kept with it, so the records tell of the bodies too.
    const moved = journal.length > 0 && (await journalDigest(journal)) !== prepared.stored?.digest;
    if (moved) return 'journal-moved';
    const { bodies } = prepared;
    const recorded = await recordCalls(tx, caller, held.value, known, outcome.calls, bodies);
    if (!recorded.ok) return recorded;
    const at = timeText(context.clock.nowMs());
    const reported = { action, attempt, journal: recorded.value, at };
    return finish(caller, tx, reported, outcome, prepared);
  });
}

/** Looked at before anything is stored for it; decided again on the locked row. */
async function prepare(
  context: Context,
  ticket: Ticket,
  outcome: Outcome,
): Promise<Result<Prepared>> {
  const early = await context.store.read(ticket.workspace, async (tx) => {
    const action = await tx.findAction(ticket.action);
    const plugin = action && (await tx.findPlugin(action.plugin, action.version));
    return {
      held: fenced(action, await tx.findAttempt(ticket.attempt), ticket),
      operation: plugin?.manifest.operations.find(({ name }) => name === action?.operation),
      known: await knownJournal(tx, ticket.action, namesBodies(outcome)),
    };
  });
  if (!early.held.ok) return early.held;
  if (!early.operation) throw new Error(`action ${ticket.action} lost its operation`);
  const bodies = await bodiesOf(outcome);
  if (!bodies.ok) return bodies;
  const { action, attempt } = early.held.value;
  if (attempt.verdict !== null) return success({ bodies: bodies.value, stored: undefined });
  const calls = await judgeCalls(action, attempt.id, early.known, outcome.calls, bodies.value);
  if (!calls.ok) return calls;
  if (action.dryRun) await keepWithheld(context, ticket, action, outcome.calls, bodies.value);
  const judged = await judgeOutcome(context, ticket, action, early.operation, outcome);
  const stored = await storeJournal(
    context,
    ticket.workspace,
    action,
    calls.value.journal,
    bodies.value,
  );
  return success({ ...judged, bodies: bodies.value, stored });
}

/** An attempt under its action's lock, with the journal that its last report completed. */
interface Reported extends Held<ActionRecord> {
  readonly journal: readonly JournalRecord[];
  readonly at: string;
}

async function finish(
  caller: Caller,
  tx: WriteTransaction,
  reported: Reported,
  outcome: Outcome,
  { error, artifact, stored }: Prepared,
): Promise<OutcomeAnswer> {
  const { action, attempt, journal, at } = reported;
  const lost = mayFollow(error?.code, openWrite(journal), at);
  await endAttempt(
    tx,
    action,
    attempt,
    {
      verdict: lost ? 'lost' : error ? 'failed' : 'succeeded',
      at,
      usage: outcome.usage,
      logs: cleanLogs(outcome.logs),
      ...(error === undefined ? {} : { error }),
    },
    {
      journal,
      stored,
      actor: actorOf(caller),
      ...(artifact === undefined ? {} : { output: artifact }),
    },
  );
  if (lost && attempt.fence < PLATFORM_LIMITS.attempts) {
    return success({ state: action.state, again: true });
  }
  const state = error
    ? await endFailed(tx, reported, error, lost)
    : await endSucceeded(tx, reported, artifact);
  if (error) await countCrash(tx, action, attempt, error.code, at);
  if (isFinal(state) && stored !== undefined) await tx.dropBodies(action.id);
  return success({ state, again: false });
}

/** Whether another attempt may follow: never while an unanswered write could take effect twice. */
function mayFollow(code: string | undefined, open: JournalRecord | undefined, at: string): boolean {
  if (code === undefined || (open && !maySendAgain(open, at))) return false;
  return RETRYABLE_ATTEMPT_ERRORS.has(code as AttemptErrorCode);
}

const UNCERTAIN: ReadonlySet<string> = new Set(['outcome.unknown', 'journal.diverged']);

async function endFailed(
  tx: WriteTransaction,
  { action, attempt, journal, at }: Reported,
  error: AttemptError,
  lost: boolean,
): Promise<ActionState> {
  if (lost) {
    const message = `${attempt.fence} attempts were lost; the last: ${error.message}`;
    return failAction(tx, action, journal, { at, error: { code: 'attempts.exhausted', message } });
  }
  // A guest that took another path after a write is no judge of what the write did.
  const uncertain = UNCERTAIN.has(error.code) && journal.some(({ write }) => write);
  return failAction(tx, action, journal, { at, error, uncertain });
}

async function endSucceeded(
  tx: WriteTransaction,
  { action, journal, at }: Reported,
  artifact: Artifact | undefined,
): Promise<ActionState> {
  if (openWrite(journal)) {
    const message = 'the attempt says that it succeeded, and a write of it was never answered';
    return failAction(tx, action, journal, { at, error: { code: 'outcome.unknown', message } });
  }
  await endAction(tx, action, {
    state: 'succeeded',
    at,
    ...(artifact === undefined ? {} : { outputDigest: artifact.digest }),
  });
  return 'succeeded';
}

/** The guest's own words, safe to store and to show. */
function cleanLogs(logs: Outcome['logs']): Outcome['logs'] {
  return logs.map(({ level, message }) => ({
    level: plainText(level, 8),
    message: plainText(message, 8_192),
  }));
}
