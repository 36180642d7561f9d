/** What a workspace asks of approvals from now on; those that are open keep what they were made with. */
import type { WorkspaceId } from '@portarium/contracts/ids';
import { PLATFORM_LIMITS } from '@portarium/contracts/limits';
import * as v from 'valibot';
import { APPROVAL_TIMES } from '../domain/approval-rules.ts';
import { PERMISSIONS } from '../domain/permissions.ts';
import { actorOf, type Caller, type Context } from './context.ts';
import { type Result, success } from './failure.ts';
import type { ApprovalRules } from './ports/approval-store.ts';
import { timeText } from './ports/clock.ts';
import { type Precondition, unmet } from './precondition.ts';
import { submitAs } from './submit-as.ts';

const time = v.pipe(
  v.number(),
  v.integer(),
  v.minValue(APPROVAL_TIMES.leastMs, 'expected at least 1 s, in milliseconds'),
  v.maxValue(APPROVAL_TIMES.mostMs, 'expected at most 30 days, in milliseconds'),
);

export const ApprovalRulesSchema = v.strictObject({
  quorum: v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(PLATFORM_LIMITS.quorum)),
  roles: v.pipe(
    v.array(v.picklist(PERMISSIONS['approval.decide'])),
    v.minLength(1),
    v.check((roles) => new Set(roles).size === roles.length, 'a role stands twice'),
  ),
  decideWithinMs: time,
  executeWithinMs: time,
});

export async function setApprovalRules(
  context: Context,
  caller: Caller,
  workspace: WorkspaceId,
  wanted: v.InferOutput<typeof ApprovalRulesSchema>,
  expected?: Precondition,
): Promise<Result<ApprovalRules>> {
  return submitAs(context, caller, workspace, async (tx) => {
    const before = await tx.lockApprovalRules();
    const refused = unmet(expected, String(before.revision));
    if (refused) return refused;
    const at = timeText(context.clock.nowMs());
    const rules = await tx.putApprovalRules(wanted, caller.key.id, at);
    tx.append({
      type: 'approval-rules.changed',
      actor: actorOf(caller),
      subject: {},
      data: { ...rules },
      trace: caller.trace,
    });
    return success(rules);
  });
}
