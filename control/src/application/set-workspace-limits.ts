/** What the workspace allows each attempt at most; actions that were requested keep what was fixed. */
import type { WorkspaceId } from '@portarium/contracts/ids';
import type { LimitsRequest } from '@portarium/contracts/limits';
import { actorOf, type Caller, type Context } from './context.ts';
import { type Result, success } from './failure.ts';
import { timeText } from './ports/clock.ts';
import type { WorkspaceLimits } from './ports/limit-store.ts';
import { type Precondition, unmet } from './precondition.ts';
import { submitAs } from './submit-as.ts';

export async function setWorkspaceLimits(
  context: Context,
  caller: Caller,
  workspace: WorkspaceId,
  wanted: LimitsRequest,
  expected?: Precondition,
): Promise<Result<WorkspaceLimits>> {
  return submitAs(context, caller, workspace, async (tx) => {
    const before = await tx.lockWorkspaceLimits();
    const refused = unmet(expected, String(before.revision));
    if (refused) return refused;
    const stored = await tx.putWorkspaceLimits(
      wanted,
      caller.key.id,
      timeText(context.clock.nowMs()),
    );
    tx.append({
      type: 'workspace-limits.changed',
      actor: actorOf(caller),
      subject: {},
      data: { limits: { ...stored.limits }, revision: stored.revision },
      trace: caller.trace,
    });
    return success(stored);
  });
}
