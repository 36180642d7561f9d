/**
 * What a workflow that waits should do next. Ends what is out of time; decides nothing else. Whoever
 * makes a workflow ask, asks for nothing more than that.
 */
import type { Look } from '@portarium/contracts/activities';
import type { ActionId, WorkspaceId } from '@portarium/contracts/ids';
import { isFinal } from '@portarium/contracts/life-cycle';
import { PLATFORM_LIMITS } from '@portarium/contracts/limits';
import type { Context } from './context.ts';
import { endAttempt, failAction } from './end-attempt.ts';
import { timeText } from './ports/clock.ts';
import type { ActionRecord } from './ports/records.ts';
import type { WriteTransaction } from './ports/workspace-store.ts';
import { expireApproval, isOverdue, voidUnused } from './void-approval.ts';

export async function lookAtAction(
  context: Pick<Context, 'store' | 'clock'>,
  workspace: WorkspaceId,
  id: ActionId,
): Promise<Look> {
  return context.store.submit(workspace, async (tx) => {
    const action = await tx.lockAction(id);
    // Nobody dispatched it here: a forged workflow has nothing to do.
    if (!action) return { next: 'over', state: 'unknown' };
    if (isFinal(action.state)) return { next: 'over', state: action.state };
    const nowMs = context.clock.nowMs();
    const approval = await tx.approvalOf(id);
    if (approval && isOverdue(approval, nowMs) && action.state !== 'running') {
      await expireApproval(tx, action, approval, timeText(nowMs));
      return { next: 'over', state: 'expired' };
    }
    if (action.state === 'waiting-approval' && approval) {
      const afterMs = Math.max(1, Date.parse(approval.decideBefore) - nowMs);
      return { next: 'wait', state: action.state, afterMs };
    }
    if (action.state === 'dispatched' || action.state === 'running') {
      return (await tooLate(tx, action, nowMs)) ?? { next: 'run', state: action.state };
    }
    return { next: 'wait', state: action.state };
  });
}

/** Gives an action up that no sandbox host has taken to its end in all that time. */
async function tooLate(
  tx: WriteTransaction,
  action: ActionRecord,
  nowMs: number,
): Promise<Look | undefined> {
  const approval = await tx.approvalOf(action.id);
  const attempts = await tx.listAttempts(action.id);
  const times = [action.createdAt, approval?.decidedAt, attempts.at(-1)?.startedAt];
  const since = Math.max(...times.map((time) => Date.parse(time ?? action.createdAt)));
  if (nowMs - since < PLATFORM_LIMITS.dispatchHours * 60 * 60 * 1000) return undefined;
  const open = attempts.find(({ verdict }) => verdict === null);
  if (open && Date.parse(open.leaseUntil) > nowMs) return undefined;
  const at = timeText(nowMs);
  const journal = await tx.listJournal(action.id);
  // A person said that it has to be sent once more: that person, or another, takes it back.
  if (journal.some(({ released }) => released)) return undefined;
  if (open) {
    const error = { code: 'host.lost', message: `the lease of ${open.host} lapsed` };
    await endAttempt(tx, action, open, { verdict: 'lost', at, error }, { journal });
  }
  const message = `no attempt came to an end in ${PLATFORM_LIMITS.dispatchHours} hours`;
  await voidUnused(tx, action, at, message);
  const state = await failAction(tx, action, journal, {
    at,
    error: { code: 'dispatch.failed', message },
  });
  return state === 'failed' ? { next: 'over', state } : { next: 'wait', state };
}
