/** Lengthened retention and legal holds of a workspace. */

import { idFromUuid, uuidOf, type WorkspaceId } from '@portarium/contracts/ids';
import type { HoldScope, RetentionDays } from '@portarium/contracts/legal-hold';
import { RETENTION_DAYS } from '@portarium/contracts/retention-class';
import type {
  HoldRecord,
  KeepReads,
  KeepWrites,
  WorkspaceRetention,
} from '../../application/ports/keep-store.ts';
import type { TransactionSql } from './connect.ts';
import { lockName } from './lock-name.ts';
import type { JsonParameter, Row } from './rows.ts';

const HOLD_COLUMNS = [
  ...['id', 'kind', 'value', 'from_time', 'until_time', 'reason', 'placed_by', 'placed_at'],
  ...['lifted_by', 'lifted_at', 'lifted_reason'],
];

export function readKeep(tx: TransactionSql, workspace: WorkspaceId): KeepReads {
  return {
    async workspaceRetention() {
      const [row] =
        await tx`SELECT days, revision FROM workspace_retention WHERE workspace_id = ${workspace}`;
      return row ? retentionOf(row) : { days: RETENTION_DAYS, revision: 0 };
    },
    async listHolds() {
      const rows =
        await tx`SELECT ${tx(HOLD_COLUMNS)} FROM legal_holds WHERE workspace_id = ${workspace} ORDER BY id DESC`;
      return rows.map(holdOf);
    },
    async findHold(id) {
      const [row] =
        await tx`SELECT ${tx(HOLD_COLUMNS)} FROM legal_holds WHERE workspace_id = ${workspace} AND id = ${uuidOf(id)}`;
      return row && holdOf(row);
    },
  };
}

export function writeKeep(
  tx: TransactionSql,
  workspace: WorkspaceId,
  json: JsonParameter,
): KeepWrites {
  return {
    async lockWorkspaceRetention() {
      await lockName(tx, `workspace-retention/${workspace}`);
      return readKeep(tx, workspace).workspaceRetention();
    },
    async putWorkspaceRetention(days, by, at) {
      const [row] = await tx`
        INSERT INTO workspace_retention (workspace_id, days, revision, changed_by, changed_at)
        VALUES (${workspace}, ${json({ ...days })}, 1, ${uuidOf(by)}, ${at})
        ON CONFLICT (workspace_id) DO UPDATE SET days = excluded.days, revision = workspace_retention.revision + 1,
          changed_by = excluded.changed_by, changed_at = excluded.changed_at
        RETURNING days, revision`;
      if (!row) throw new Error('the retention of the workspace was not stored');
      return retentionOf(row);
    },
    async insertHold({ id, scope, reason, placedBy, placedAt }) {
      const { value, from, until } = columnsOf(scope);
      await tx`
        INSERT INTO legal_holds (workspace_id, id, kind, value, from_time, until_time, reason, placed_by, placed_at)
        VALUES (${workspace}, ${uuidOf(id)}, ${scope.kind}, ${value}, ${from}, ${until}, ${reason}, ${uuidOf(placedBy)}, ${placedAt})`;
    },
    async liftHold(id, { by, at, reason }) {
      const rows = await tx`
        UPDATE legal_holds SET lifted_by = ${uuidOf(by)}, lifted_at = ${at}, lifted_reason = ${reason}
        WHERE workspace_id = ${workspace} AND id = ${uuidOf(id)} AND lifted_at IS NULL RETURNING id`;
      return rows.length === 1;
    },
  };
}

interface ScopeColumns {
  readonly value: string | null;
  readonly from: string | null;
  readonly until: string | null;
}

function columnsOf(scope: HoldScope): ScopeColumns {
  const named = { from: null, until: null };
  switch (scope.kind) {
    case 'action':
      return { ...named, value: scope.action };
    case 'plugin':
      return { ...named, value: scope.plugin };
    case 'person':
      return { ...named, value: scope.person };
    case 'time':
      return { value: null, from: scope.from, until: scope.until ?? null };
  }
}

// Rows are our own writes, checked on their way in.
function scopeOf(row: Row): HoldScope {
  const kind = row.kind as HoldScope['kind'];
  if (kind !== 'time') return { kind, [kind]: row.value } as unknown as HoldScope;
  const until = row.until_time as Date | null;
  return {
    kind,
    from: (row.from_time as Date).toISOString(),
    ...(until === null ? {} : { until: until.toISOString() }),
  };
}

function holdOf(row: Row): HoldRecord {
  const liftedAt = row.lifted_at as Date | null;
  return {
    id: idFromUuid('hold', row.id as string),
    scope: scopeOf(row),
    reason: row.reason as string,
    placedBy: idFromUuid('key', row.placed_by as string),
    placedAt: (row.placed_at as Date).toISOString(),
    lifted: liftedAt && {
      by: idFromUuid('key', row.lifted_by as string),
      at: liftedAt.toISOString(),
      reason: row.lifted_reason as string,
    },
  };
}

function retentionOf(row: Row): WorkspaceRetention {
  return { days: row.days as RetentionDays, revision: Number(row.revision) };
}
