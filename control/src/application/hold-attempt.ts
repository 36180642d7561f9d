/** An attempt that still holds its action, under the action's lock. Every word of a host passes here. */
import type { Ticket } from '@portarium/contracts/ticket';
import { PLATFORM_LIMITS } from '@portarium/contracts/limits';
import type { Context } from './context.ts';
import { failure, type Result, success } from './failure.ts';
import { timeText } from './ports/clock.ts';
import type { ActionRecord, AttemptRecord } from './ports/records.ts';
import type { WriteTransaction } from './ports/workspace-store.ts';

export interface Held {
  readonly action: ActionRecord;
  readonly attempt: AttemptRecord;
}

/** Whether `ticket` is the action's newest attempt; a later claim has raised the fence. */
export function fenced(
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

/** Locks the action, and extends the lease of an attempt that goes on. */
export async function hold(
  context: Pick<Context, 'clock'>,
  tx: WriteTransaction,
  ticket: Ticket,
): Promise<Result<Held>> {
  const held = fenced(
    await tx.lockAction(ticket.action),
    await tx.findAttempt(ticket.attempt),
    ticket,
  );
  if (!held.ok) return held;
  const { action, attempt } = held.value;
  if (attempt.verdict !== null || action.state !== 'running') {
    return failure('attempt.superseded', `Attempt ${attempt.id} is over.`);
  }
  await tx.extendLease(attempt.id, timeText(context.clock.nowMs() + PLATFORM_LIMITS.leaseMs));
  return held;
}
