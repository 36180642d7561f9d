/**
 * Checks an action's order: that `action.requested` names it, that it says the same, and that it is
 * everything a stranger needs to run the attempts again.
 */
import { type ActionOrder, ActionOrderSchema, ORDER_MEDIA_TYPE } from './action-order.ts';
import { quickCheck } from './quick-check.ts';
import { type BundleArtifacts, differing, readDocument } from './verify-artifacts.ts';
import type { ShownContract } from './verify-contract.ts';
import { isTime } from './verify-entries.ts';
import type { Seen } from './verify-report.ts';

export const ORDER = {
  rule: 'order',
  name: 'order',
  schema: ActionOrderSchema,
  quick: quickCheck(ActionOrderSchema, [ActionOrderSchema.entries.contract]),
} as const;

/** @param seen `action.requested` */
export async function checkOrder(
  seen: Seen,
  artifacts: BundleArtifacts,
): Promise<{ readonly order: ActionOrder; readonly contract: ShownContract } | undefined> {
  const { entry, say } = seen;
  const { data } = entry;
  const artifact = entry.artifacts.find(
    ({ digest, mediaType }) => digest === data.orderDigest && mediaType === ORDER_MEDIA_TYPE,
  );
  if (!artifact) {
    say('order.artifact', 'its orderDigest is not the digest of an order among its artifacts');
    return undefined;
  }
  const read = readDocument(seen, artifacts, artifact.digest, ORDER);
  if (!read) return undefined;
  const order = read.value;
  const pairs = {
    workspace: [order.workspace, entry.workspace],
    action: [order.action, entry.subject.action],
    'plugin’s digest': [order.plugin.digest, entry.subject.plugin],
    'plugin’s name': [order.plugin.name, data.plugin],
    'plugin’s version': [order.plugin.version, data.version],
    operation: [order.operation.name, data.operation],
    effect: [order.operation.effect, data.effect],
    inputDigest: [order.inputDigest, data.inputDigest],
    'kind of run': [order.dryRun, data.dryRun],
  };
  for (const name of differing(pairs)) {
    say('order.agrees', `the order is about another ${name} than action.requested`);
  }
  const contract = await artifacts.contracts.of(order.contract);
  if (contract.digest !== data.contractDigest) {
    say('order.contract', 'its contractDigest is not the digest of the order’s contract');
  }
  if (!isTime(order.startTime)) say('order.schema', 'its order starts at a time that there is not');
  checkNamed(seen, order);
  return { order, contract: contract.shown };
}

/** The rewritten module and the input are kept under the same retention as the order. */
function checkNamed({ entry, say }: Seen, order: ActionOrder): void {
  const module = entry.artifacts.some(
    ({ digest, mediaType }) => digest === order.moduleDigest && mediaType === 'application/wasm',
  );
  if (!module) say('order.module', 'the module that runs is not among its artifacts');
  if (!entry.artifacts.some(({ digest }) => digest === order.inputDigest)) {
    say('order.input', 'the input is not among its artifacts');
  }
}
