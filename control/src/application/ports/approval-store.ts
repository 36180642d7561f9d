/** Approvals: what was asked, who decided, and whether it was used. */
import type { ApprovalStatement } from '@portarium/contracts/approval-statement';
import type { Digest } from '@portarium/contracts/digest';
import type { ActionId, ApprovalId, KeyId } from '@portarium/contracts/ids';

export const APPROVAL_STATES = [
  'open',
  'granted',
  'denied',
  'changes-requested',
  'expired',
  'voided',
] as const;
export type ApprovalState = (typeof APPROVAL_STATES)[number];

export const DECISIONS = ['approve', 'deny', 'request-changes'] as const;
export type Decision = (typeof DECISIONS)[number];

export interface ApprovalRecord {
  readonly id: ApprovalId;
  readonly action: ActionId;
  readonly state: ApprovalState;
  readonly digest: Digest;
  readonly statement: ApprovalStatement;
  /** Distinct people who must agree. */
  readonly quorum: number;
  /** Roles that may decide. */
  readonly roles: readonly string[];
  /** People who may not decide: requester, who made the key, author of the version, of the grant. */
  readonly excluded: readonly string[];
  readonly createdAt: string;
  /** A decision after it is refused, and the action expires. */
  readonly decideBefore: string;
  /** The first claim must come before it. */
  readonly executeBefore: string;
  /** When the last needed person decided. */
  readonly decidedAt: string | null;
  /** When the first attempt took it; it can not be taken again for another action or digest. */
  readonly consumedAt: string | null;
}

export interface DecisionRecord {
  readonly person: string;
  readonly key: KeyId;
  readonly decision: Decision;
  /** What it is about; an approval that somebody narrowed since counts it no more. */
  readonly digest: Digest;
  readonly rationale: string;
  readonly at: string;
}

/** What a workspace asks of approvals. */
export interface ApprovalRules {
  readonly quorum: number;
  readonly roles: readonly string[];
  /** Milliseconds from the request in which people may decide. */
  readonly decideWithinMs: number;
  /** Milliseconds from the end of that time in which the first attempt must begin. */
  readonly executeWithinMs: number;
  /** Grows with each change; 0 are the platform's defaults. */
  readonly revision: number;
}

export interface ApprovalReads {
  findApproval(id: ApprovalId): Promise<ApprovalRecord | undefined>;
  /** The newest approval of the action. */
  approvalOf(action: ActionId): Promise<ApprovalRecord | undefined>;
  listApprovals(filter: {
    readonly limit: number;
    readonly before?: string;
    readonly state?: ApprovalState;
  }): Promise<readonly ApprovalRecord[]>;
  listDecisions(id: ApprovalId): Promise<readonly DecisionRecord[]>;
  approvalRules(): Promise<ApprovalRules>;
  /** Actions whose open approval is past its decision time, or granted and past its execution time. */
  overdueApprovals(at: string, limit: number): Promise<readonly ActionId[]>;
}

export interface ApprovalWrites {
  insertApproval(approval: ApprovalRecord): Promise<void>;
  /** Compare-and-set. @returns false when the approval is not in state `from` any more */
  moveApproval(
    id: ApprovalId,
    from: ApprovalState,
    to: ApprovalState,
    at: string,
  ): Promise<boolean>;
  /**
   * Puts another digest and statement into the place of an open approval’s; decisions stay about what they
   * were about. @returns false when it is not open any more
   */
  narrowApproval(
    id: ApprovalId,
    narrowed: Pick<ApprovalRecord, 'digest' | 'statement'>,
  ): Promise<boolean>;
  /**
   * One decision a person: a new one about another digest takes the place of theirs before.
   * @returns false when that person has decided about this digest already
   */
  insertDecision(id: ApprovalId, decision: DecisionRecord): Promise<boolean>;
  /** Takes a granted approval once. @returns false when it was taken before */
  consumeApproval(id: ApprovalId, at: string): Promise<boolean>;
  /** The rules; nobody else changes them until the commit. */
  lockApprovalRules(): Promise<ApprovalRules>;
  putApprovalRules(
    rules: Omit<ApprovalRules, 'revision'>,
    by: KeyId,
    at: string,
  ): Promise<ApprovalRules>;
}
