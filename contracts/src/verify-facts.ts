/** What the rules of one action's story share: what was asked for, decided and agreed to. */
import type { ActionOrder } from './action-order.ts';
import { type ApprovalStatement, ApprovalStatementSchema } from './approval-statement.ts';
import type { Entry } from './evidence-entry.ts';
import { quickCheck } from './quick-check.ts';
import type { ShownContract } from './verify-contract.ts';

/**
 * An entry's time is set when its transaction appends it, which is this long after the decision that
 * it tells of at most (the database's `idle_in_transaction_session_timeout`).
 */
export const LOG_DELAY_MS = 5_000;

/** The statement that people agree to, as an artifact. */
export const STATEMENT = {
  rule: 'approval',
  name: 'statement',
  schema: ApprovalStatementSchema,
  quick: quickCheck(ApprovalStatementSchema),
} as const;

/** Surely, whatever the delay was. */
export function isAfter(time: string, limit: string): boolean {
  return Date.parse(time) > Date.parse(limit) + LOG_DELAY_MS;
}

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
