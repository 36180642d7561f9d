/** Tells a workflow that something was committed, now if Temporal is there; the sweeper does it later. */
import type { ActionId, WorkspaceId } from '@portarium/contracts/ids';
import type { Context } from './context.ts';

/** Does not wait: whoever decided has the answer when the decision is durable. */
export function deliverWake(
  context: Pick<Context, 'dispatcher' | 'directory'>,
  workspace: WorkspaceId,
  action: ActionId,
  wake: string,
): void {
  context.dispatcher
    .wake(workspace, action, wake)
    .then(() => context.directory.dispatched(workspace, action, wake))
    // The row in the dispatch queue stays; the sweeper reports what it can not deliver.
    .catch(() => undefined);
}
