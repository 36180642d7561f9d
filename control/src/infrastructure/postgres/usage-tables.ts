/** Usage, summed up from actions and attempts. Ids are UUIDv7: a span of time is a span of the key. */
import type { WorkspaceId } from '@portarium/contracts/ids';
import type { ReadTransaction, UsageLine } from '../../application/ports/workspace-store.ts';
import type { TransactionSql } from './connect.ts';
import type { Row } from './rows.ts';

/** Operations of one report at most. */
const OPERATIONS = 200;

export function readUsage(
  tx: TransactionSql,
  workspace: WorkspaceId,
): Pick<ReadTransaction, 'usageByDay' | 'usageByOperation'> {
  /** Every action of the span with what its attempts used. */
  const spent = (fromMs: number, untilMs: number) => tx`
    SELECT a.id, a.plugin, a.operation, a.state, a.dry_run, to_char(a.created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD') AS day,
      count(t.id) AS attempts,
      coalesce(sum((t.usage->>'cpuMs')::float8), 0) AS cpu_ms,
      coalesce(sum((t.usage->>'wallMs')::float8), 0) AS wall_ms,
      coalesce(sum((t.usage->>'egressCalls')::bigint), 0) AS egress_calls,
      coalesce(sum((t.usage->>'egressBytesOut')::bigint), 0) AS bytes_out,
      coalesce(sum((t.usage->>'egressBytesIn')::bigint), 0) AS bytes_in
    FROM actions a LEFT JOIN attempts t ON t.workspace_id = a.workspace_id AND t.action_id = a.id
    WHERE a.workspace_id = ${workspace} AND a.id >= ${firstId(fromMs)} AND a.id < ${firstId(untilMs)}
    GROUP BY a.workspace_id, a.id`;
  const sums = tx`
    count(*) FILTER (WHERE NOT dry_run) AS actions, count(*) FILTER (WHERE state = 'succeeded' AND NOT dry_run) AS succeeded,
    count(*) FILTER (WHERE state = 'failed' AND NOT dry_run) AS failed, count(*) FILTER (WHERE state = 'denied' AND NOT dry_run) AS denied,
    count(*) FILTER (WHERE dry_run) AS dry_runs,
    sum(attempts) AS attempts, round(sum(cpu_ms)) AS cpu_ms, round(sum(wall_ms)) AS wall_ms,
    sum(egress_calls) AS egress_calls, sum(bytes_out) AS bytes_out, sum(bytes_in) AS bytes_in`;
  return {
    async usageByDay(fromMs, untilMs) {
      const rows = await tx`
        SELECT day, ${sums} FROM (${spent(fromMs, untilMs)}) used GROUP BY day ORDER BY day`;
      return rows.map((row) => ({ day: row.day as string, ...lineOf(row) }));
    },
    async usageByOperation(fromMs, untilMs) {
      const rows = await tx`
        SELECT plugin, operation, ${sums} FROM (${spent(fromMs, untilMs)}) used
        GROUP BY plugin, operation ORDER BY actions DESC, plugin, operation LIMIT ${OPERATIONS}`;
      return rows.map((row) => ({
        plugin: row.plugin as string,
        operation: row.operation as string,
        ...lineOf(row),
      }));
    },
  };
}

/** The smallest UUIDv7 of a millisecond (RFC 9562, section 5.7). */
function firstId(ms: number): string {
  const hex = Math.max(0, ms).toString(16).padStart(12, '0');
  return `${hex.slice(0, 8)}-${hex.slice(8)}-0000-0000-000000000000`;
}

function lineOf(row: Row): UsageLine {
  const number = (name: string) => Number(row[name] ?? 0);
  return {
    actions: number('actions'),
    succeeded: number('succeeded'),
    failed: number('failed'),
    denied: number('denied'),
    dryRuns: number('dry_runs'),
    attempts: number('attempts'),
    cpuMs: number('cpu_ms'),
    wallMs: number('wall_ms'),
    egressCalls: number('egress_calls'),
    bytesOut: number('bytes_out'),
    bytesIn: number('bytes_in'),
  };
}
