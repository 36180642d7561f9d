/** Approvals, the decisions about them, and what a workspace asks of them. */
import type { ApprovalStatement } from '@portarium/contracts/approval-statement';
import type { Digest } from '@portarium/contracts/digest';
import { idFromUuid, uuidOf, type WorkspaceId } from '@portarium/contracts/ids';
import type {
  ApprovalReads,
  ApprovalRecord,
  ApprovalRules,
  ApprovalWrites,
  DecisionRecord,
} from '../../application/ports/approval-store.ts';
import { DEFAULT_APPROVAL_RULES } from '../../domain/approval-rules.ts';
import type { TransactionSql } from './connect.ts';
import { lockName } from './lock-name.ts';
import type { JsonParameter, Row } from './rows.ts';

const COLUMNS = [
  'id',
  'action_id',
  'state',
  'digest',
  'statement',
  'quorum',
  'roles',
  'excluded',
  'created_at',
  'decide_before',
  'execute_before',
  'decided_at',
  'consumed_at',
];

export function readApprovals(tx: TransactionSql, workspace: WorkspaceId): ApprovalReads {
  return {
    async findApproval(id) {
      const [row] =
        await tx`SELECT ${tx(COLUMNS)} FROM approvals WHERE workspace_id = ${workspace} AND id = ${uuidOf(id)}`;
      return row && approvalOf(row);
    },
    async approvalOf(action) {
      const [row] =
        await tx`SELECT ${tx(COLUMNS)} FROM approvals WHERE workspace_id = ${workspace} AND action_id = ${uuidOf(action)} ORDER BY id DESC LIMIT 1`;
      return row && approvalOf(row);
    },
    async listApprovals({ limit, before, state }) {
      const rows = await tx`
        SELECT ${tx(COLUMNS)} FROM approvals WHERE workspace_id = ${workspace}
        ${before === undefined ? tx`` : tx`AND id < ${uuidOf(before)}`}
        ${state === undefined ? tx`` : tx`AND state = ${state}`}
        ORDER BY id DESC LIMIT ${limit}`;
      return rows.map(approvalOf);
    },
    async listDecisions(id) {
      const rows = await tx`
        SELECT d.person, d.key_id, d.decision, d.rationale, d.decided_at, coalesce(d.digest, a.digest) AS digest
        FROM approval_decisions d JOIN approvals a ON a.workspace_id = d.workspace_id AND a.id = d.approval_id
        WHERE d.workspace_id = ${workspace} AND d.approval_id = ${uuidOf(id)} ORDER BY d.decided_at, d.person`;
      return rows.map(decisionOf);
    },
    async approvalRules() {
      const [row] =
        await tx`SELECT quorum, roles, decide_within_ms, execute_within_ms, revision FROM approval_rules WHERE workspace_id = ${workspace}`;
      return row ? rulesOf(row) : DEFAULT_APPROVAL_RULES;
    },
    async overdueApprovals(at, limit) {
      const rows = await tx`
        SELECT action_id FROM approvals WHERE workspace_id = ${workspace}
          AND ((state = 'open' AND decide_before <= ${at}) OR (state = 'granted' AND consumed_at IS NULL AND execute_before <= ${at}))
        ORDER BY decide_before LIMIT ${limit}`;
      return rows.map((row) => idFromUuid('action', row.action_id as string));
    },
  };
}

export function writeApprovals(
  tx: TransactionSql,
  workspace: WorkspaceId,
  json: JsonParameter,
): ApprovalWrites {
  return {
    async insertApproval(approval) {
      await tx`
        INSERT INTO approvals (workspace_id, id, action_id, state, digest, statement, quorum, roles, excluded, created_at, decide_before, execute_before)
        VALUES (${workspace}, ${uuidOf(approval.id)}, ${uuidOf(approval.action)}, ${approval.state}, ${approval.digest}, ${json(approval.statement)},
          ${approval.quorum}, ${[...approval.roles]}, ${[...approval.excluded]}, ${approval.createdAt}, ${approval.decideBefore}, ${approval.executeBefore})`;
    },
    async moveApproval(id, from, to, at) {
      const rows = await tx`
        UPDATE approvals SET state = ${to}, decided_at = coalesce(decided_at, ${at})
        WHERE workspace_id = ${workspace} AND id = ${uuidOf(id)} AND state = ${from} RETURNING id`;
      return rows.length === 1;
    },
    async narrowApproval(id, { digest, statement }) {
      // A release before this one left out what a decision is about: the digest until now.
      await tx`
        UPDATE approval_decisions d SET digest = a.digest FROM approvals a
        WHERE a.workspace_id = ${workspace} AND a.id = ${uuidOf(id)} AND d.workspace_id = a.workspace_id AND d.approval_id = a.id AND d.digest IS NULL`;
      const rows = await tx`
        UPDATE approvals SET digest = ${digest}, statement = ${json(statement)}
        WHERE workspace_id = ${workspace} AND id = ${uuidOf(id)} AND state = 'open' RETURNING id`;
      return rows.length === 1;
    },
    async insertDecision(id, decision) {
      const rows = await tx`
        INSERT INTO approval_decisions (workspace_id, approval_id, person, key_id, decision, rationale, decided_at, digest)
        VALUES (${workspace}, ${uuidOf(id)}, ${decision.person}, ${uuidOf(decision.key)}, ${decision.decision}, ${decision.rationale}, ${decision.at}, ${decision.digest})
        ON CONFLICT (workspace_id, approval_id, person) DO UPDATE SET key_id = excluded.key_id, decision = excluded.decision,
          rationale = excluded.rationale, decided_at = excluded.decided_at, digest = excluded.digest
        WHERE approval_decisions.digest <> excluded.digest RETURNING person`;
      return rows.length === 1;
    },
    async consumeApproval(id, at) {
      const rows = await tx`
        UPDATE approvals SET consumed_at = ${at}
        WHERE workspace_id = ${workspace} AND id = ${uuidOf(id)} AND state = 'granted' AND consumed_at IS NULL RETURNING id`;
      return rows.length === 1;
    },
    async lockApprovalRules() {
      await lockName(tx, `approval-rules/${workspace}`);
      return readApprovals(tx, workspace).approvalRules();
    },
    async putApprovalRules(rules, by, at) {
      const [row] = await tx`
        INSERT INTO approval_rules (workspace_id, quorum, roles, decide_within_ms, execute_within_ms, revision, changed_by, changed_at)
        VALUES (${workspace}, ${rules.quorum}, ${[...rules.roles]}, ${rules.decideWithinMs}, ${rules.executeWithinMs}, 1, ${uuidOf(by)}, ${at})
        ON CONFLICT (workspace_id) DO UPDATE SET quorum = excluded.quorum, roles = excluded.roles, decide_within_ms = excluded.decide_within_ms,
          execute_within_ms = excluded.execute_within_ms, revision = approval_rules.revision + 1, changed_by = excluded.changed_by, changed_at = excluded.changed_at
        RETURNING quorum, roles, decide_within_ms, execute_within_ms, revision`;
      if (!row) throw new Error('the approval rules were not stored');
      return rulesOf(row);
    },
  };
}

// Rows are our own writes, checked on their way in.
function approvalOf(row: Row): ApprovalRecord {
  const time = (name: string) => (row[name] as Date).toISOString();
  const maybe = (name: string) => (row[name] as Date | null)?.toISOString() ?? null;
  return {
    id: idFromUuid('approval', row.id as string),
    action: idFromUuid('action', row.action_id as string),
    state: row.state as ApprovalRecord['state'],
    digest: row.digest as Digest,
    statement: row.statement as ApprovalStatement,
    quorum: Number(row.quorum),
    roles: row.roles as string[],
    excluded: row.excluded as string[],
    createdAt: time('created_at'),
    decideBefore: time('decide_before'),
    executeBefore: time('execute_before'),
    decidedAt: maybe('decided_at'),
    consumedAt: maybe('consumed_at'),
  };
}

export function decisionOf(row: Row): DecisionRecord {
  return {
    person: row.person as string,
    key: idFromUuid('key', row.key_id as string),
    decision: row.decision as DecisionRecord['decision'],
    digest: row.digest as Digest,
    rationale: row.rationale as string,
    at: (row.decided_at as Date).toISOString(),
  };
}

function rulesOf(row: Row): ApprovalRules {
  return {
    quorum: Number(row.quorum),
    roles: row.roles as string[],
    decideWithinMs: Number(row.decide_within_ms),
    executeWithinMs: Number(row.execute_within_ms),
    revision: Number(row.revision),
  };
}
