/**
 * Checks that an approver who narrowed an action changed its contract’s approval layer and nothing else:
 * the statement and the order that the entry names, against those from before.
 */
import { type ActionOrder, ORDER_MEDIA_TYPE } from './action-order.ts';
import {
  type ApprovalStatement,
  contextDigest,
  STATEMENT_MEDIA_TYPE,
} from './approval-statement.ts';
import { canonicalText, type JsonValue } from './canonical-json.ts';
import { type BundleArtifacts, named, readDocument } from './verify-artifacts.ts';
import { ShownContract } from './verify-contract.ts';
import { STATEMENT, type StoryFacts } from './verify-facts.ts';
import { ORDER } from './verify-order.ts';
import type { Seen } from './verify-report.ts';

/** @param seen `approval.endorsed` or `approval.granted` with `narrows`; the facts are the narrowed ones then */
export async function checkNarrowing(
  seen: Seen,
  facts: StoryFacts,
  artifacts: BundleArtifacts,
): Promise<void> {
  const statement = await narrowedStatement(seen, facts, artifacts);
  if (statement) facts.statement = statement;
  const order = await narrowedOrder(seen, facts, artifacts);
  // Whatever is wrong with it, what ran is not measured by the contract from before.
  delete facts.order;
  delete facts.contract;
  if (order) Object.assign(facts, { order, contract: new ShownContract(order.contract) });
}

async function narrowedStatement(
  seen: Seen,
  { statement: before }: StoryFacts,
  artifacts: BundleArtifacts,
): Promise<ApprovalStatement | undefined> {
  const { entry, say } = seen;
  const artifact = named(seen, STATEMENT_MEDIA_TYPE);
  if (!artifact) {
    say('approval.artifact', 'names no narrowed approval statement as its artifact');
    return undefined;
  }
  const read = readDocument(seen, artifacts, artifact.digest, STATEMENT);
  if (!read) return undefined;
  const { contractDigest } = read.value;
  if ((await contextDigest(read.bytes)) !== entry.data.approvalDigest) {
    say('approval.digest', 'its approvalDigest is not the digest of the narrowed statement');
  }
  if (before && !isSame({ ...before, contractDigest }, read.value)) {
    say('approval.narrowed', 'the narrowed statement differs in more than the contract');
  }
  if (contractDigest !== entry.data.contractDigest) {
    say('approval.narrowed', 'its contractDigest is not that of the narrowed statement');
  }
  return read.value;
}

async function narrowedOrder(
  seen: Seen,
  { order: before }: StoryFacts,
  artifacts: BundleArtifacts,
): Promise<ActionOrder | undefined> {
  const { entry, say } = seen;
  const artifact = named(seen, ORDER_MEDIA_TYPE);
  if (!artifact || artifact.digest !== entry.data.orderDigest) {
    say('order.artifact', 'its orderDigest is not the digest of an order among its artifacts');
    return undefined;
  }
  const read = readDocument(seen, artifacts, artifact.digest, ORDER);
  if (!read) return undefined;
  const { contract } = read.value;
  if ((await artifacts.contracts.of(contract)).digest !== entry.data.contractDigest) {
    say('order.contract', 'its contractDigest is not the digest of the narrowed order’s contract');
  }
  if (contract.approval.length === 0) {
    say('approval.narrowed', 'narrows, and the order has no rules of an approval');
  }
  if (before && before.contract.approval.length > 0) {
    say('approval.narrowed', 'narrows what was narrowed before');
  }
  const { approval } = contract;
  if (before && !isSame({ ...before, contract: { ...before.contract, approval } }, read.value)) {
    say('approval.narrowed', 'the narrowed order differs in more than the rules of the approval');
  }
  const ids = JSON.stringify(approval.map(({ id }) => id));
  if (ids !== JSON.stringify(entry.data.egress)) {
    say('approval.narrowed', 'names other rules than those of the narrowed order');
  }
  return read.value;
}

function isSame(a: ApprovalStatement | ActionOrder, b: ApprovalStatement | ActionOrder): boolean {
  return canonicalText(a as unknown as JsonValue) === canonicalText(b as unknown as JsonValue);
}
