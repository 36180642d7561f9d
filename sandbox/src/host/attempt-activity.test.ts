import { expect, test } from 'bun:test';
import { ApplicationFailure, CancelledFailure } from '@temporalio/common';
import { stateOf, whenHostStops } from './attempt-activity.ts';
import type { AttemptEnd } from './attempt-end.ts';

function failureOf(end: AttemptEnd): ApplicationFailure {
  try {
    stateOf(end);
  } catch (error) {
    if (error instanceof ApplicationFailure) return error;
  }
  throw new Error('no failure');
}

test('a settled action gives its state', () => {
  expect(stateOf({ kind: 'finished', state: 'succeeded' })).toEqual({ state: 'succeeded' });
});

test('an attempt that has to follow is a retryable failure with the delay that was asked for', () => {
  const busy = failureOf({ kind: 'again', reason: 'busy', retryAfterMs: 1_200 });
  expect([busy.nonRetryable, busy.nextRetryDelay, busy.type]).toEqual([
    false,
    1_200,
    'attempt.again',
  ]);
  expect(failureOf({ kind: 'again', reason: 'away' }).nextRetryDelay).toBeUndefined();
  expect(failureOf({ kind: 'superseded' }).nonRetryable).toBe(false);
});

test('a refusal is not tried again', () => {
  expect(failureOf({ kind: 'refused', reason: 'no such key' }).nonRetryable).toBe(true);
});

test('an attempt stops with its host, and for nothing else that Temporal says', () => {
  const signalOf = (reason: string) => {
    const controller = new AbortController();
    const signal = whenHostStops(controller.signal);
    controller.abort(new CancelledFailure(reason));
    return signal.aborted;
  };
  expect(signalOf('WORKER_SHUTDOWN')).toBe(true);
  for (const reason of ['NOT_FOUND', 'CANCELLED', 'TIMED_OUT', 'PAUSED']) {
    expect(signalOf(reason)).toBe(false);
  }
  const over = AbortSignal.abort(new CancelledFailure('WORKER_SHUTDOWN'));
  expect(whenHostStops(over).aborted).toBe(true);
});
