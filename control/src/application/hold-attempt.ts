/** An attempt that still holds its action, under the action's lock. Every word of a host passes here. */
import { PLATFORM_LIMITS } from '@portarium/contracts/limits';
import type { Ticket } from '@portarium/contracts/ticket';
import type { Context } from './context.ts';
import { failure, type Result, success } from './failure.ts';
import type { FixedAction } from './fixed-actions.ts';
import { timeText } from './ports/clock.ts';
import type { ActionRecord, AttemptRecord } from './ports/records.ts';
import type { WriteTransaction } from './ports/workspace-store.ts';

/** @param A what is known of the action: all of it, or what never changes and where it stands */
export interface Held<A> {
  readonly action: A;
  readonly attempt: AttemptRecord;
}

/** An action that runs, without what only its end brings. */
export type RunningAction = FixedAction & Pick<ActionRecord, 'state' | 'fence'>;

/** Whether `ticket` is the action's newest attempt; a later claim has raised the fence. */
export function fenced<A extends Pick<ActionRecord, 'fence'>>(
  action: A | undefined,
  attempt: AttemptRecord | undefined,
  ticket: Ticket,
): Result<Held<A>> {
  if (!action || !attempt) return failure('not-found', `There is no attempt ${ticket.attempt}.`);
  if (action.fence !== ticket.fence) {
    return failure('attempt.superseded', `Fence ${ticket.fence} is older than ${action.fence}.`);
  }
  return success({ action, attempt });
}

/** Locks the action of an attempt that goes on. The caller extends its lease. */
export async function hold(
  tx: WriteTransaction,
  ticket: Ticket,
  fixed: FixedAction,
): Promise<Result<Held<RunningAction>>> {
  const [progress, attempt] = await Promise.all([
    tx.lockProgress(ticket.action),
    tx.findAttempt(ticket.attempt),
  ]);
  const held = fenced(progress && { ...fixed, ...progress }, attempt, ticket);
  if (!held.ok) return held;
  if (held.value.attempt.verdict !== null || held.value.action.state !== 'running') {
    return failure('attempt.superseded', `Attempt ${ticket.attempt} is over.`);
  }
  return held;
}

export function extendLease(
  context: Pick<Context, 'clock'>,
  tx: WriteTransaction,
  { attempt }: Ticket,
): Promise<void> {
  return tx.extendLease(attempt, timeText(context.clock.nowMs() + PLATFORM_LIMITS.leaseMs));
}
