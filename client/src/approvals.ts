/** Approvals: what waits for a person, exactly what it is, and the decision. */

import type { EgressRule } from '@portarium/contracts/egress-rule';
import {
  type Approval,
  type ApprovalPage,
  ApprovalPageSchema,
  type ApprovalRules,
  ApprovalRulesSchema,
  ApprovalSchema,
  type ApprovalState,
} from './approval-answers.ts';
import { everyItem } from './every-item.ts';
import type { Transport } from './transport.ts';

export interface ApprovalFilter {
  readonly state?: ApprovalState;
  readonly limit?: number;
  /** `next` of the page before. */
  readonly cursor?: string;
}

export interface ApprovalDecision {
  readonly decision: 'approve' | 'deny' | 'request-changes';
  /** Why; it stands in the evidence. */
  readonly rationale: string;
  /** Of what the decision is about: `approvalDigest` of the statement that was looked at. */
  readonly digest: string;
  /**
   * With `approve`: the action may only make calls that match one of these rules as well. What others
   * agreed to before does not count for it.
   */
  readonly egress?: readonly EgressRule[];
}

export class Approvals {
  readonly #transport: Transport;

  constructor(transport: Transport) {
    this.#transport = transport;
  }

  /** One page, newest first, without `request`. */
  list(filter: ApprovalFilter = {}): Promise<ApprovalPage> {
    const path = this.#transport.inWorkspace('/approvals');
    return this.#transport.json({ method: 'GET', path, query: { ...filter } }, ApprovalPageSchema);
  }

  /** Every approval, page by page. */
  all(filter: Omit<ApprovalFilter, 'cursor'> = {}): AsyncGenerator<Approval> {
    return everyItem((cursor) => this.list({ ...filter, ...cursor }));
  }

  /** With `request`: everything that the approval is about. */
  get(id: string): Promise<Approval> {
    return this.#transport.json({ method: 'GET', path: this.#path(id) }, ApprovalSchema);
  }

  /**
   * Decides as the person behind the key. Never sent twice.
   * @throws PortariumError `approval.stale` when something else would run than `digest` names,
   *   `approval.closed` when it is decided or its time is over, `approval.excluded` when this person
   *   may not decide it
   */
  decide(id: string, decision: ApprovalDecision): Promise<Approval> {
    const path = `${this.#path(id)}/decisions`;
    return this.#transport.json({ method: 'POST', path, json: decision }, ApprovalSchema);
  }

  #path(id: string): string {
    return this.#transport.inWorkspace(`/approvals/${encodeURIComponent(id)}`);
  }
}

/** What the workspace asks of approvals that are yet to come. */
export class WorkspaceApprovalRules {
  readonly #transport: Transport;

  constructor(transport: Transport) {
    this.#transport = transport;
  }

  get(): Promise<ApprovalRules> {
    const path = this.#transport.inWorkspace('/approval-rules');
    return this.#transport.json({ method: 'GET', path }, ApprovalRulesSchema);
  }

  /** Puts these in the place of those before. */
  put(rules: {
    /** Distinct people who must agree. */
    readonly quorum: number;
    readonly roles: readonly string[];
    readonly decideWithinMs: number;
    readonly executeWithinMs: number;
  }): Promise<ApprovalRules> {
    const path = this.#transport.inWorkspace('/approval-rules');
    return this.#transport.json({ method: 'PUT', path, json: rules }, ApprovalRulesSchema);
  }
}
