/**
 * What a sandbox host reports of an attempt: heartbeats with calls, and the outcome. Each report is
 * a claim: checked against the ticket, the fence and the operation's schema before it is stored.
 */

import { fromBase64 } from '@portarium/contracts/base64';
import { parseStrictJson } from '@portarium/contracts/canonical-json';
import { type Digest, digestOf } from '@portarium/contracts/digest';
import {
  ATTEMPT_ERRORS,
  type AttemptErrorCode,
  RETRYABLE_ATTEMPT_ERRORS,
} from '@portarium/contracts/errors';
import type { Artifact } from '@portarium/contracts/evidence-entry';
import type { AttemptId } from '@portarium/contracts/ids';
import type { EgressCall, OutcomeSchema } from '@portarium/contracts/internal-api';
import { validateJson } from '@portarium/contracts/json-schema';
import { PLATFORM_LIMITS } from '@portarium/contracts/limits';
import type { Ticket } from '@portarium/contracts/ticket';
import type { InferOutput } from 'valibot';
import { actorOf, type Caller, type Context } from './context.ts';
import { endAction, endAttempt } from './end-attempt.ts';
import { failure, type Result, success } from './failure.ts';
import { timeText } from './ports/clock.ts';
import type { ActionRecord, AttemptError, AttemptRecord } from './ports/records.ts';
import type { WriteTransaction } from './ports/workspace-store.ts';

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
  const action = await tx.lockAction(ticket.action);
  const attempt = await tx.findAttempt(ticket.attempt);
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
    await record(tx, caller, action, attempt, calls);
    return success({ leaseMs: PLATFORM_LIMITS.leaseMs });
  });
}

async function record(
  tx: WriteTransaction,
  caller: Caller,
  action: ActionRecord,
  attempt: AttemptRecord,
  calls: readonly EgressCall[],
): Promise<void> {
  const fresh = await tx.insertCalls(action.id, attempt.id, calls);
  for (const call of fresh.filter((candidate) => candidate.verdict === 'denied')) {
    tx.append({
      type: 'egress.denied',
      actor: actorOf(caller),
      subject: { action: action.id, attempt: attempt.id },
      data: {
        attempt: attempt.id,
        call: call.call,
        method: call.method,
        host: call.host,
        port: call.port,
        path: call.path,
        reason: call.reason ?? 'no reason was given',
        requestDigest: call.requestDigest,
        bytesOut: call.bytesOut,
        bytesIn: call.bytesIn,
        ms: Math.round(call.ms),
        ...(call.layer === undefined ? {} : { layer: call.layer }),
        ...(call.rule === undefined ? {} : { rule: call.rule }),
        ...(call.address === undefined ? {} : { address: call.address }),
      },
      trace: action.trace,
    });
  }
}

interface Judged {
  readonly error?: AttemptError;
  readonly output?: Uint8Array;
  readonly outputDigest?: Digest;
}

export async function reportOutcome(
  context: Context,
  caller: Caller,
  ticket: Ticket,
  outcome: Outcome,
): Promise<Result<{ state: string; again: boolean }>> {
  const judged = await judge(context, ticket, outcome);
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
    await record(tx, caller, action, attempt, outcome.calls);
    const at = timeText(context.clock.nowMs());
    const lost =
      judged.error !== undefined &&
      RETRYABLE_ATTEMPT_ERRORS.has(judged.error.code as AttemptErrorCode);
    const artifacts: Artifact[] =
      judged.outputDigest === undefined
        ? []
        : [
            {
              digest: judged.outputDigest,
              bytes: judged.output?.length ?? 0,
              mediaType: 'application/octet-stream',
              retention: 'compliance',
            },
          ];
    const verdict = lost ? 'lost' : judged.error ? 'failed' : 'succeeded';
    const error = judged.error === undefined ? {} : { error: judged.error };
    await endAttempt(
      tx,
      action,
      attempt,
      { verdict, at, usage: outcome.usage, logs: outcome.logs, ...error },
      {
        actor: actorOf(caller),
        artifacts,
        ...(judged.outputDigest === undefined ? {} : { outputDigest: judged.outputDigest }),
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
        ...(judged.outputDigest === undefined ? {} : { outputDigest: judged.outputDigest }),
      });
    }
    return success({ state: judged.error ? 'failed' : 'succeeded', again: false });
  });
}

/** Believes an outcome only as far as limits and schema go; stores the output before the entry that names it. */
async function judge(context: Context, ticket: Ticket, outcome: Outcome): Promise<Judged> {
  if (outcome.verdict === 'failed') {
    const code = outcome.error?.code ?? 'guest.error';
    const known = Object.hasOwn(ATTEMPT_ERRORS, code);
    return {
      error: {
        code: known ? code : 'guest.error',
        message: outcome.error?.message ?? 'no message',
      },
    };
  }
  const output = fromBase64(outcome.output ?? '');
  if (!output) return { error: { code: 'output.invalid', message: 'the output is not base64' } };
  if (output.length > ticket.limits.outputBytes) {
    return {
      error: {
        code: 'limit.output',
        message: `the output has ${output.length} bytes; at most ${ticket.limits.outputBytes} are allowed`,
      },
    };
  }
  const found = await context.store.read(ticket.workspace, async (tx) => {
    const action = await tx.findAction(ticket.action);
    const plugin = action && (await tx.findPlugin(action.plugin, action.version));
    return plugin?.manifest.operations.find((operation) => operation.name === action?.operation);
  });
  if (!found) throw new Error(`action ${ticket.action} lost its operation`);
  if (found.encoding === 'json') {
    const problem = jsonProblem(found.output, output);
    if (problem) return { error: { code: 'output.invalid', message: problem } };
  }
  const outputDigest = await context.objects.put(ticket.workspace, output, 'compliance');
  if (outputDigest !== (await digestOf(output)))
    throw new Error('the object store named the output by another digest');
  return { output, outputDigest };
}

function jsonProblem(
  schema: Readonly<Record<string, unknown>>,
  output: Uint8Array,
): string | undefined {
  try {
    const value = parseStrictJson(new TextDecoder('utf-8', { fatal: true }).decode(output));
    const [violation] = validateJson(schema, value);
    return violation && `the output at ${violation.pointer || 'the top'}: ${violation.message}`;
  } catch (error) {
    return `the output is not JSON: ${(error as Error).message}`;
  }
}
