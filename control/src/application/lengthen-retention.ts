/** How long the workspace keeps artifacts from now on: never less than the class, never less than before. */
import type { WorkspaceId } from '@portarium/contracts/ids';
import { type Lengthen, shortened } from '@portarium/contracts/legal-hold';
import { actorOf, type Caller, type Context } from './context.ts';
import { failure, type Result, success } from './failure.ts';
import { timeText } from './ports/clock.ts';
import type { WorkspaceRetention } from './ports/keep-store.ts';
import { type Precondition, unmet } from './precondition.ts';
import { submitAs } from './submit-as.ts';

export async function lengthenRetention(
  context: Context,
  caller: Caller,
  workspace: WorkspaceId,
  wanted: Lengthen,
  expected?: Precondition,
): Promise<Result<WorkspaceRetention>> {
  return submitAs(context, caller, workspace, async (tx) => {
    const before = await tx.lockWorkspaceRetention();
    const refused = unmet(expected, String(before.revision));
    if (refused) return refused;
    const shorter = shortened(before.days, wanted);
    if (shorter.length > 0) {
      return failure('input.invalid', 'A retention is never shortened.', {
        errors: shorter.map((name) => ({
          pointer: `/${name}`,
          message: `expected at least the ${before.days[name]} days that it is now`,
        })),
      });
    }
    const days = {
      operational: wanted.operational ?? before.days.operational,
      compliance: wanted.compliance ?? before.days.compliance,
      forensic: wanted.forensic ?? before.days.forensic,
    };
    const stored = await tx.putWorkspaceRetention(
      days,
      caller.key.id,
      timeText(context.clock.nowMs()),
    );
    tx.append({
      type: 'retention.lengthened',
      actor: actorOf(caller),
      subject: {},
      data: {
        days: { ...stored.days },
        before: { ...before.days },
        revision: stored.revision,
      },
      trace: caller.trace,
    });
    return success(stored);
  });
}
