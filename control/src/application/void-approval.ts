/** How approvals end without anybody's decision: void, or out of time. */
import { assertTransition } from '@portarium/contracts/life-cycle';
import { SYSTEM_ACTOR } from './context.ts';
import type { ApprovalRecord } from './ports/approval-store.ts';
import type { ActionRecord } from './ports/records.ts';
import type { WriteTransaction } from './ports/workspace-store.ts';

/** Voids an approval that could still be used; the caller ends the action. */
export async function voidApproval(
  tx: WriteTransaction,
  action: ActionRecord,
  approval: ApprovalRecord,
  at: string,
  reason: string,
): Promise<void> {
  if (approval.state !== 'open' && approval.state !== 'granted') return;
  if (!(await tx.moveApproval(approval.id, approval.state, 'voided', at))) {
    throw new Error(`approval ${approval.id} changed under the lock of its action`);
  }
  tx.append({
    type: 'approval.voided',
    actor: SYSTEM_ACTOR,
    subject: { action: action.id, approval: approval.id },
    data: { approvalDigest: approval.digest, quorum: approval.quorum, reason },
    trace: action.trace,
  });
}

/** Voids what was granted and not used, when its action ends otherwise. */
export async function voidUnused(
  tx: WriteTransaction,
  action: ActionRecord,
  at: string,
  reason: string,
): Promise<void> {
  const approval = await tx.approvalOf(action.id);
  if (approval?.consumedAt === null) await voidApproval(tx, action, approval, at, reason);
}

/** Whether nobody may decide it any more, or it was granted and not used in time. */
export function isOverdue(approval: ApprovalRecord, atMs: number): boolean {
  if (approval.state === 'open') return Date.parse(approval.decideBefore) <= atMs;
  return (
    approval.state === 'granted' &&
    approval.consumedAt === null &&
    Date.parse(approval.executeBefore) <= atMs
  );
}

/** Ends an overdue approval and its action as `expired`, which is not `denied`. */
export async function expireApproval(
  tx: WriteTransaction,
  action: ActionRecord,
  approval: ApprovalRecord,
  at: string,
): Promise<void> {
  assertTransition(action.state, 'expired');
  if (!(await tx.moveApproval(approval.id, approval.state, 'expired', at))) {
    throw new Error(`approval ${approval.id} changed under the lock of its action`);
  }
  await tx.updateAction(action.id, { state: 'expired', finishedAt: at });
  tx.append({
    type: 'approval.expired',
    actor: SYSTEM_ACTOR,
    subject: { action: action.id, approval: approval.id },
    data: {
      approvalDigest: approval.digest,
      quorum: approval.quorum,
      expired: approval.state === 'open' ? 'decision' : 'execution',
    },
    trace: action.trace,
  });
}
