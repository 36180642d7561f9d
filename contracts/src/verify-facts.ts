/** What the rules of one action's story share: what was asked for, decided and agreed to. */
import type { ActionOrder } from './action-order.ts';
import type { ApprovalStatement } from './approval-statement.ts';
import type { Entry } from './evidence-entry.ts';
import type { ShownContract } from './verify-contract.ts';

/**
 * An entry's time is set when its transaction appends it, which is this long after the decision that
 * it tells of at most (the database's `idle_in_transaction_session_timeout`).
 */
export const LOG_DELAY_MS = 5_000;

export interface StoryFacts {
  readonly requested: Entry;
  decided?: Entry;
  /** Absent when it was left out of the bundle, or a finding says what is wrong with it. */
  order?: ActionOrder;
  contract?: ShownContract;
  statement?: ApprovalStatement;
}

/** Why the credential may not go with a call under that rule, or undefined. */
export function credentialProblem(
  { contract, statement }: StoryFacts,
  rule: unknown,
  credential: unknown,
): string | undefined {
  if (credential === undefined) return undefined;
  const slot = contract?.rules(rule)?.plugin.credential;
  if (contract && slot === undefined) return 'the rule of this call grants no credential';
  if (!statement) return undefined;
  const agreed = statement.credentials.some(
    (one) => one.id === credential && (slot === undefined || one.slot === slot),
  );
  return agreed ? undefined : 'this credential is not one that the approval is about';
}
