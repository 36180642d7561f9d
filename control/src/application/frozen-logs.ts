/** Which logs contradict what was signed of them and take no entry. */
import { INSTANCE_WORKSPACE, type WorkspaceId } from '@portarium/contracts/ids';
import type { Context } from './context.ts';

/** Workspaces whose logs are frozen; `_instance` is the log of the instance. */
export async function frozenLogs(
  context: Pick<Context, 'store' | 'directory'>,
): Promise<readonly WorkspaceId[]> {
  const all = [
    INSTANCE_WORKSPACE,
    ...(await context.directory.listWorkspaces()).map(({ id }) => id),
  ];
  const frozen: WorkspaceId[] = [];
  for (const workspace of all) {
    if (await context.store.read(workspace, (tx) => tx.logFreeze())) frozen.push(workspace);
  }
  return frozen;
}
