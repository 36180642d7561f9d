/**
 * An approver agrees to less than was asked for: the contract gets rules of its approval layer, so what
 * would run has another digest. Nothing that anybody agreed to before counts for it, and nothing is widened:
 * a call has to match every layer.
 */

import { ORDER_MEDIA_TYPE } from '@portarium/contracts/action-order';
import { allowedCalls } from '@portarium/contracts/allowed-calls';
import {
  type ApprovalStatement,
  approvalDigest,
  STATEMENT_MEDIA_TYPE,
} from '@portarium/contracts/approval-statement';
import { canonicalBytes, canonicalText, type JsonValue } from '@portarium/contracts/canonical-json';
import { type Digest, digestOf } from '@portarium/contracts/digest';
import type { EgressRule } from '@portarium/contracts/egress-rule';
import type { Artifact } from '@portarium/contracts/evidence-entry';
import type { WorkspaceId } from '@portarium/contracts/ids';
import { makeOrder } from './action-order.ts';
import { contractDigest, statementOf } from './approval-statement.ts';
import type { Context } from './context.ts';
import { failure, type Result, success } from './failure.ts';
import { keepArtifact } from './keep-artifact.ts';
import type { ApprovalRecord } from './ports/approval-store.ts';
import type { ActionRecord, PluginRecord } from './ports/records.ts';

/** What takes the place of an action's contract, and of what an approval is about. */
export interface Narrowing {
  /** The approval digest before. */
  readonly narrows: Digest;
  readonly digest: Digest;
  readonly statement: ApprovalStatement;
  readonly action: Pick<ActionRecord, 'contract' | 'contractDigest' | 'orderDigest'>;
  /** The statement and the order, which are durable. */
  readonly artifacts: readonly Artifact[];
}

/** @returns undefined when the action is narrowed to exactly these rules already */
export async function planNarrowing(
  context: Pick<Context, 'objects'>,
  workspace: WorkspaceId,
  asked: {
    readonly action: ActionRecord;
    readonly approval: ApprovalRecord;
    readonly plugin: PluginRecord;
  },
  rules: readonly EgressRule[],
): Promise<Result<Narrowing | undefined>> {
  const { action, approval, plugin } = asked;
  if (action.contract.approval.length > 0) {
    return isSame(action.contract.approval, rules)
      ? success(undefined)
      : failure(
          'conflict',
          'Somebody narrowed what the action may reach before; leave egress out to agree to that, or ask for changes.',
        );
  }
  const contract = { ...action.contract, approval: rules };
  if (allowedCalls(contract, action.effect).length === 0) {
    return failure('input.invalid', 'With these rules the action could make no call at all.', {
      errors: [
        { pointer: '/egress', message: 'expected a rule that a call of the approval can match' },
      ],
    });
  }
  const operation = plugin.manifest.operations.find(({ name }) => name === action.operation);
  if (!operation) throw new Error(`action ${action.id} lost its operation`);
  const narrowed = { ...action, contract, contractDigest: await contractDigest(contract) };
  const { bytes } = makeOrder(workspace, narrowed, plugin, operation);
  const statement = statementOf(workspace, narrowed, approval.executeBefore);
  const { retention } = action;
  const keep = (kept: Uint8Array, mediaType: string) =>
    keepArtifact(context, workspace, kept, { mediaType, retention });
  return success({
    narrows: approval.digest,
    digest: await approvalDigest(statement),
    statement,
    action: {
      contract,
      contractDigest: narrowed.contractDigest,
      orderDigest: await digestOf(bytes),
    },
    artifacts: await Promise.all([
      keep(canonicalBytes(statement), STATEMENT_MEDIA_TYPE),
      keep(bytes, ORDER_MEDIA_TYPE),
    ]),
  });
}

function isSame(a: readonly EgressRule[], b: readonly EgressRule[]): boolean {
  const text = (rules: readonly EgressRule[]) => canonicalText(rules as unknown as JsonValue);
  return text(a) === text(b);
}
