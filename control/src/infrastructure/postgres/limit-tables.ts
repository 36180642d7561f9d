/** What a workspace allows each attempt at most. */
import { uuidOf, type WorkspaceId } from '@portarium/contracts/ids';
import type { LimitsRequest } from '@portarium/contracts/limits';
import type {
  LimitReads,
  LimitWrites,
  WorkspaceLimits,
} from '../../application/ports/limit-store.ts';
import type { TransactionSql } from './connect.ts';
import { lockName } from './lock-name.ts';
import type { JsonParameter, Row } from './rows.ts';

export function readLimits(tx: TransactionSql, workspace: WorkspaceId): LimitReads {
  return {
    async workspaceLimits() {
      const [row] =
        await tx`SELECT limits, revision FROM workspace_limits WHERE workspace_id = ${workspace}`;
      return row ? limitsOf(row) : { limits: {}, revision: 0 };
    },
  };
}

export function writeLimits(
  tx: TransactionSql,
  workspace: WorkspaceId,
  json: JsonParameter,
): LimitWrites {
  return {
    async lockWorkspaceLimits() {
      await lockName(tx, `workspace-limits/${workspace}`);
      return readLimits(tx, workspace).workspaceLimits();
    },
    async putWorkspaceLimits(limits, by, at) {
      const [row] = await tx`
        INSERT INTO workspace_limits (workspace_id, limits, revision, changed_by, changed_at)
        VALUES (${workspace}, ${json({ ...limits })}, 1, ${uuidOf(by)}, ${at})
        ON CONFLICT (workspace_id) DO UPDATE SET limits = excluded.limits, revision = workspace_limits.revision + 1,
          changed_by = excluded.changed_by, changed_at = excluded.changed_at
        RETURNING limits, revision`;
      if (!row) throw new Error('the limits of the workspace were not stored');
      return limitsOf(row);
    },
  };
}

// Rows are our own writes, checked on their way in.
function limitsOf(row: Row): WorkspaceLimits {
  return { limits: row.limits as LimitsRequest, revision: Number(row.revision) };
}
