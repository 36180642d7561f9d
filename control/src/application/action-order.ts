/** Makes the order of an action: everything beside the journal that its attempts are a function of. */
import { type ActionOrder, actionOrderBytes } from '@portarium/contracts/action-order';
import type { WorkspaceId } from '@portarium/contracts/ids';
import { configDefaults, type Operation } from '@portarium/contracts/manifest';
import { dryMark } from './dry-mark.ts';
import type { ActionRecord, PluginRecord } from './ports/records.ts';

export function makeOrder(
  workspace: WorkspaceId,
  action: Omit<ActionRecord, 'orderDigest'>,
  plugin: PluginRecord,
  operation: Operation,
): { readonly order: ActionOrder; readonly bytes: Uint8Array } {
  const order: ActionOrder = {
    v: 1,
    workspace,
    action: action.id,
    plugin: { name: plugin.name, version: plugin.version, digest: plugin.digest },
    moduleDigest: plugin.moduleDigest,
    rewriter: plugin.rewriter,
    operation: {
      name: operation.name,
      export: operation.export,
      effect: operation.effect,
      encoding: operation.encoding,
    },
    inputDigest: action.inputDigest,
    config: configDefaults(plugin.manifest),
    contract: {
      plugin: [...action.contract.plugin],
      operator: [...action.contract.operator],
      networks: [...action.contract.networks],
      approval: [...action.contract.approval],
    },
    limits: action.limits,
    seed: action.seed,
    ...dryMark(action),
    startTime: action.createdAt,
  };
  return { order, bytes: actionOrderBytes(order) };
}
