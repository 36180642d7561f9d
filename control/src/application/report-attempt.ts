/**
 * What a sandbox host reports of an attempt: heartbeats with calls, and the outcome. Each report is
 * a claim: checked against the ticket, the fence and the operation's schema before it is stored.
 */

import { type AttemptErrorCode, RETRYABLE_ATTEMPT_ERRORS } from '@portarium/contracts/errors';
import type { AttemptId } from '@portarium/contracts/ids';
import type { EgressCall, OutcomeSchema } from '@portarium/contracts/internal-api';
import { PLATFORM_LIMITS } from '@portarium/contracts/limits';
import { plainText } from '@portarium/contracts/plain-text';
import type { Ticket } from '@portarium/contracts/ticket';
import type { InferOutput } from 'valibot';
import { actorOf, type Caller, type Context } from './context.ts';
import { endAction, endAttempt } from './end-attempt.ts';
import { failure, type Result, success } from './failure.ts';
import { judgeOutcome, storeJournal } from './judge-outcome.ts';
import { timeText } from './ports/clock.ts';
import type { ActionRecord, AttemptRecord } from './ports/records.ts';
import type { WriteTransaction } from './ports/workspace-store.ts';
import { recordCalls } from './record-calls.ts';

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

interface Held {
  readonly action: ActionRecord;
  readonly attempt: AttemptRecord;
}

/** The locked action while `ticket` is its newest attempt. */
async function hold(tx: WriteTransaction, ticket: Ticket): Promise<Result<Held>> {
  return check(await tx.lockAction(ticket.action), await tx.findAttempt(ticket.attempt), ticket);
}

function check(
  action: ActionRecord | undefined,
  attempt: AttemptRecord | undefined,
  ticket: Ticket,
): Result<Held> {
  if (!action || !attempt) return failure('not-found', `There is no attempt ${ticket.attempt}.`);
  if (action.fence !== ticket.fence) {
    return failure('attempt.superseded', `Fence ${ticket.fence} is older than ${action.fence}.`);
  }
  return success({ action, attempt });
}

export async function reportHeartbeat(
  context: Context,
  caller: Caller,
  ticket: Ticket,
  calls: readonly EgressCall[],
): Promise<Result<{ leaseMs: number }>> {
  return context.store.submit(ticket.workspace, async (tx) => {
    const held = await hold(tx, ticket);
    if (!held.ok) return held;
    const { action, attempt } = held.value;
    if (attempt.verdict !== null)
      return failure('attempt.superseded', `Attempt ${attempt.id} is over.`);
    await tx.extendLease(attempt.id, timeText(context.clock.nowMs() + PLATFORM_LIMITS.leaseMs));
    const recorded = await recordCalls(tx, caller, action, attempt, calls);
    return recorded.ok ? success({ leaseMs: PLATFORM_LIMITS.leaseMs }) : recorded;
  });
}

export async function reportOutcome(
  context: Context,
  caller: Caller,
  ticket: Ticket,
  outcome: Outcome,
): Promise<Result<{ state: string; again: boolean }>> {
  // Looked at before anything is stored for it; decided again on the locked row below.
  const early = await context.store.read(ticket.workspace, async (tx) => {
    const action = await tx.findAction(ticket.action);
    const plugin = action && (await tx.findPlugin(action.plugin, action.version));
    return {
      held: check(action, await tx.findAttempt(ticket.attempt), ticket),
      operation: plugin?.manifest.operations.find(({ name }) => name === action?.operation),
      calls: await tx.listCalls(ticket.action),
    };
  });
  if (!early.held.ok) return early.held;
  if (!early.operation) throw new Error(`action ${ticket.action} lost its operation`);
  const over = early.held.value.attempt.verdict !== null;
  const judged = over ? {} : await judgeOutcome(context, ticket, early.operation, outcome);
  const journal = over
    ? undefined
    : await storeJournal(context, ticket, early.calls, outcome.calls);
  return context.store.submit(ticket.workspace, async (tx) => {
    const held = await hold(tx, ticket);
    if (!held.ok) return held;
    const { action, attempt } = held.value;
    // A repeated report, after its first answer was lost on the way.
    if (attempt.verdict !== null)
      return success({
        state: action.state,
        again: attempt.verdict === 'lost' && action.state === 'running',
      });
    const recorded = await recordCalls(tx, caller, action, attempt, outcome.calls);
    if (!recorded.ok) return recorded;
    const at = timeText(context.clock.nowMs());
    const lost =
      judged.error !== undefined &&
      RETRYABLE_ATTEMPT_ERRORS.has(judged.error.code as AttemptErrorCode);
    const { artifact } = judged;
    const outputDigest = artifact === undefined ? {} : { outputDigest: artifact.digest };
    const verdict = lost ? 'lost' : judged.error ? 'failed' : 'succeeded';
    const error = judged.error === undefined ? {} : { error: judged.error };
    await endAttempt(
      tx,
      action,
      attempt,
      { verdict, at, usage: outcome.usage, logs: cleanLogs(outcome.logs), ...error },
      {
        actor: actorOf(caller),
        ...(artifact === undefined ? {} : { output: artifact }),
        ...(journal === undefined ? {} : { journal }),
      },
    );
    if (lost && attempt.fence < PLATFORM_LIMITS.attempts)
      return success({ state: action.state, again: true });
    if (lost) {
      await endAction(tx, action, {
        state: 'failed',
        at,
        error: {
          code: 'attempts.exhausted',
          message: `${attempt.fence} attempts were lost; the last: ${judged.error?.message}`,
        },
      });
    } else if (judged.error) {
      await endAction(tx, action, { state: 'failed', at, error: judged.error });
    } else {
      await endAction(tx, action, {
        state: 'succeeded',
        at,
        ...outputDigest,
      });
    }
    return success({ state: judged.error ? 'failed' : 'succeeded', again: false });
  });
}

/** The guest's own words, safe to store and to show. */
function cleanLogs(logs: Outcome['logs']): Outcome['logs'] {
  return logs.map(({ level, message }) => ({
    level: plainText(level, 8),
    message: plainText(message, 8_192),
  }));
}
