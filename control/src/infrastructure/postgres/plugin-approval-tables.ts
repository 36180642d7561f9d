/** What people are asked about plugin versions that grew, and their decisions. */
import type { GrowthStatement } from '@portarium/contracts/contract-growth';
import type { Digest } from '@portarium/contracts/digest';
import { uuidOf, type WorkspaceId } from '@portarium/contracts/ids';
import type {
  PluginApprovalReads,
  PluginApprovalWrites,
} from '../../application/ports/plugin-approval-store.ts';
import { decisionOf } from './approval-tables.ts';
import type { TransactionSql } from './connect.ts';
import type { JsonParameter } from './rows.ts';

export function readPluginApprovals(
  tx: TransactionSql,
  workspace: WorkspaceId,
): PluginApprovalReads {
  return {
    async findPluginApproval(plugin) {
      const [row] =
        await tx`SELECT digest, statement, quorum, roles FROM plugin_approvals WHERE workspace_id = ${workspace} AND plugin_id = ${uuidOf(plugin)}`;
      return (
        row && {
          plugin,
          digest: row.digest as Digest,
          statement: row.statement as GrowthStatement,
          quorum: Number(row.quorum),
          roles: row.roles as string[],
        }
      );
    },
    async listPluginDecisions(plugin, digest) {
      const rows =
        await tx`SELECT person, key_id, decision, rationale, digest, decided_at FROM plugin_decisions WHERE workspace_id = ${workspace} AND plugin_id = ${uuidOf(plugin)} AND digest = ${digest} ORDER BY decided_at, person`;
      return rows.map(decisionOf);
    },
  };
}

export function writePluginApprovals(
  tx: TransactionSql,
  workspace: WorkspaceId,
  json: JsonParameter,
): PluginApprovalWrites {
  return {
    async insertPluginApproval({ plugin, digest, statement, quorum, roles }) {
      await tx`
        INSERT INTO plugin_approvals (workspace_id, plugin_id, digest, statement, quorum, roles)
        VALUES (${workspace}, ${uuidOf(plugin)}, ${digest}, ${json(statement)}, ${quorum}, ${[...roles]})`;
    },
    async insertPluginDecision(plugin, { person, key, decision, rationale, digest, at }) {
      const rows = await tx`
        INSERT INTO plugin_decisions (workspace_id, plugin_id, digest, person, key_id, decision, rationale, decided_at)
        VALUES (${workspace}, ${uuidOf(plugin)}, ${digest}, ${person}, ${uuidOf(key)}, ${decision}, ${rationale}, ${at})
        ON CONFLICT DO NOTHING RETURNING person`;
      return rows.length === 1;
    },
    async closePluginApproval({ plugin, digest, statement }, to) {
      const rows = await tx`
        UPDATE plugins SET state = ${to}
        WHERE workspace_id = ${workspace} AND id = ${uuidOf(plugin)} AND state = 'pending-approval' RETURNING id`;
      await tx`
        UPDATE plugin_approvals SET digest = ${digest}, statement = ${json(statement)}
        WHERE workspace_id = ${workspace} AND plugin_id = ${uuidOf(plugin)}`;
      return rows.length === 1;
    },
  };
}
