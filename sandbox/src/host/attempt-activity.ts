/**
 * The Temporal side of an attempt: payloads are ids, and every end becomes either a state or a
 * failure that says whether and when Temporal tries again.
 */
import { type Dispatch, DispatchSchema } from '@portarium/contracts/internal-api';
import { Context } from '@temporalio/activity';
import { ApplicationFailure } from '@temporalio/common';
import * as v from 'valibot';
import type { AttemptEnd } from './attempt-end.ts';
import type { AttemptRunner } from './attempt-runner.ts';

/** Well inside the workflow's heartbeat timeout of 5 s. */
const HEARTBEAT_MS = 1_000;

export interface AttemptActivities {
  attempt(dispatch: Dispatch): Promise<{ readonly state: string }>;
}

export function attemptActivities(
  runner: Pick<AttemptRunner, 'run'>,
  onEnd: (dispatch: Dispatch, end: AttemptEnd) => void,
): AttemptActivities {
  return {
    async attempt(payload) {
      const dispatch = parsed(DispatchSchema, payload);
      return beating(async (signal) => {
        const end = await runner.run(dispatch, whenHostStops(signal));
        onEnd(dispatch, end);
        return stateOf(end);
      });
    },
  };
}

/** @throws ApplicationFailure that is final */
export function parsed<T extends v.GenericSchema>(schema: T, payload: unknown): v.InferOutput<T> {
  const dispatch = v.safeParse(schema, payload);
  if (dispatch.success) return dispatch.output;
  throw ApplicationFailure.nonRetryable('the dispatch is malformed', 'input.invalid');
}

/** Tells Temporal that the activity goes on, for as long as it does. */
export async function beating<T>(work: (cancelled: AbortSignal) => Promise<T>): Promise<T> {
  const context = Context.current();
  const beat = setInterval(() => context.heartbeat(), HEARTBEAT_MS);
  try {
    return await work(context.cancellationSignal);
  } finally {
    clearInterval(beat);
  }
}

/**
 * Aborts when this host has to stop, and for nothing else that Temporal says: whoever reaches Temporal
 * could end an attempt in the middle of a write. Whether an attempt goes on is the Control Plane's word.
 */
export function whenHostStops(cancelled: AbortSignal): AbortSignal {
  const stop = new AbortController();
  const look = () => {
    if ((cancelled.reason as Error | undefined)?.message === 'WORKER_SHUTDOWN') stop.abort();
  };
  if (cancelled.aborted) look();
  else cancelled.addEventListener('abort', look, { once: true });
  return stop.signal;
}

/** @throws ApplicationFailure for everything but a settled action */
export function stateOf(end: AttemptEnd): { readonly state: string } {
  switch (end.kind) {
    case 'finished':
      return { state: end.state };
    case 'superseded':
      throw ApplicationFailure.retryable('a newer attempt holds this action', 'attempt.superseded');
    case 'again':
      throw ApplicationFailure.create({
        message: end.reason,
        type: 'attempt.again',
        nonRetryable: false,
        ...(end.retryAfterMs === undefined
          ? {}
          : { nextRetryDelay: Math.max(1, end.retryAfterMs) }),
      });
    case 'refused':
      throw ApplicationFailure.nonRetryable(end.reason, 'attempt.refused');
  }
}
