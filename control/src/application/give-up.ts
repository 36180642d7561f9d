/** Ends an action that Temporal could not bring to an end; called by the workflow as its last resort. */
import type { ActionId, WorkspaceId } from '@portarium/contracts/ids';
import type { Context } from './context.ts';
import { endAction, endAttempt } from './end-attempt.ts';
import { timeText } from './ports/clock.ts';

/** @returns the state that the action has now; changes nothing when it is over already */
export async function giveUp(
  context: Pick<Context, 'store' | 'clock'>,
  workspace: WorkspaceId,
  id: ActionId,
  reason: string,
): Promise<string> {
  return context.store.submit(workspace, async (tx) => {
    const action = await tx.lockAction(id);
    if (!action) return 'unknown';
    if (action.state !== 'dispatched' && action.state !== 'running') return action.state;
    const at = timeText(context.clock.nowMs());
    const open = (await tx.listAttempts(id)).find((attempt) => attempt.verdict === null);
    const message = reason.slice(0, 1_000);
    if (open)
      await endAttempt(tx, action, open, {
        verdict: 'lost',
        at,
        error: { code: 'host.lost', message },
      });
    await endAction(tx, action, {
      state: 'failed',
      at,
      error: { code: 'dispatch.failed', message },
    });
    return 'failed';
  });
}
