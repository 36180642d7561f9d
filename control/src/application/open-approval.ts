/** Asks people for their agreement to an action: the statement, who may decide, and until when. */
import { type ApprovalStatement, approvalDigest } from '@portarium/contracts/approval-statement';
import { canonicalBytes } from '@portarium/contracts/canonical-json';
import type { Artifact } from '@portarium/contracts/evidence-entry';
import type { WorkspaceId } from '@portarium/contracts/ids';
import { statementOf } from './approval-statement.ts';
import { type Context, SYSTEM_ACTOR } from './context.ts';
import type { ApprovalRecord, ApprovalRules } from './ports/approval-store.ts';
import { timeText } from './ports/clock.ts';
import type { ActionRecord } from './ports/records.ts';
import type { WriteTransaction } from './ports/workspace-store.ts';

export interface PlannedApproval {
  readonly approval: ApprovalRecord;
  /** Canonical JSON of the statement; kept as an artifact. */
  readonly statement: Uint8Array;
}

/** @param excluded people who may not decide */
export async function planApproval(
  context: Pick<Context, 'ids'>,
  workspace: WorkspaceId,
  action: ActionRecord,
  rules: ApprovalRules,
  excluded: readonly string[],
): Promise<PlannedApproval> {
  const decideBeforeMs = Date.parse(action.createdAt) + rules.decideWithinMs;
  const executeBefore = timeText(decideBeforeMs + rules.executeWithinMs);
  const statement: ApprovalStatement = statementOf(workspace, action, executeBefore);
  const approval: ApprovalRecord = {
    id: context.ids.next('approval'),
    action: action.id,
    state: 'open',
    digest: await approvalDigest(statement),
    statement,
    quorum: rules.quorum,
    roles: rules.roles,
    excluded: [...new Set(excluded)].sort(),
    createdAt: action.createdAt,
    decideBefore: timeText(decideBeforeMs),
    executeBefore,
    decidedAt: null,
    consumedAt: null,
  };
  return { approval, statement: canonicalBytes(statement) };
}

/** Stores it beside its action. The statement's bytes are in the evidence store by now. */
export async function insertApproval(
  tx: WriteTransaction,
  action: ActionRecord,
  approval: ApprovalRecord,
  statement: Artifact,
): Promise<void> {
  await tx.insertApproval(approval);
  tx.append({
    type: 'approval.requested',
    actor: SYSTEM_ACTOR,
    subject: { action: action.id, approval: approval.id },
    data: {
      approvalDigest: approval.digest,
      quorum: approval.quorum,
      roles: approval.roles,
      decideBefore: approval.decideBefore,
    },
    artifacts: [statement],
    trace: action.trace,
  });
}
