/**
 * A dry run of an action that waits for people: the same plugin version, operation, input, contract,
 * credentials and random stream, so that whoever decides sees what would be sent.
 */
import type { ActionId, WorkspaceId } from '@portarium/contracts/ids';
import { decodeValue } from '@portarium/contracts/operation-value';
import { currentDigest } from './approval-statement.ts';
import { isOwn } from './cancel-action.ts';
import type { Caller, Context } from './context.ts';
import { failure, type Result } from './failure.ts';
import { type RequestedAction, requestAction } from './request-action.ts';

export async function dryRunAction(
  context: Context,
  caller: Caller,
  workspace: WorkspaceId,
  id: ActionId,
  idempotencyKey: string | undefined,
): Promise<Result<RequestedAction>> {
  const found = await context.store.read(workspace, async (tx) => {
    const action = await tx.findAction(id);
    const approval = action && (await tx.approvalOf(id));
    const current =
      action && approval && (await currentDigest(tx, workspace, action, approval.executeBefore));
    const plugin = action && (await tx.findPlugin(action.plugin, action.version));
    const own = action !== undefined && (await isOwn(tx, caller, action));
    return { action, approval, current, plugin, own };
  });
  const { action, approval, current, plugin, own } = found;
  if (!action) return failure('not-found', `The workspace has no action ${id}.`);
  if (caller.key.role === 'agent' && !own) {
    return failure(
      'auth.forbidden',
      'An agent has a dry run of what its own person’s keys asked for.',
    );
  }
  if (action.state !== 'waiting-approval' || !approval) {
    return failure(
      'conflict',
      `The action is ${action.state}; only one that waits for approval has dry runs. Ask for one with "dryRun": true.`,
    );
  }
  if (current !== approval.digest) {
    return failure('approval.stale', 'The plugin, its grant, a credential or the policy changed.');
  }
  const operation = plugin?.manifest.operations.find(({ name }) => name === action.operation);
  const input = await context.objects.get(workspace, action.inputDigest);
  if (!operation || !input) throw new Error(`action ${id} lost its operation or its input`);
  const wanted = {
    plugin: `${action.plugin}@${action.version}`,
    operation: action.operation,
    input: decodeValue(operation.encoding, input),
    labels: {},
    dryRun: true,
  };
  return requestAction(context, caller, workspace, wanted, idempotencyKey, action);
}
