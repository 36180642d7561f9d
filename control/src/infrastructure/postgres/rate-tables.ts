/** Calls of the last minute by egress rule: a row each, locked while one more is counted. */
import type { WorkspaceId } from '@portarium/contracts/ids';
import type { RateWrites } from '../../application/ports/rate-store.ts';
import type { CallsBySecond } from '../../domain/minute-rate.ts';
import type { TransactionSql } from './connect.ts';
import type { JsonParameter } from './rows.ts';

export function writeRates(
  tx: TransactionSql,
  workspace: WorkspaceId,
  json: JsonParameter,
): RateWrites {
  return {
    async lockRate({ plugin, layer, rule }) {
      // An update of nothing locks the row that is there; what it returns was computed after the wait.
      const [row] = await tx`
        INSERT INTO egress_rates (workspace_id, plugin, layer, rule, calls)
        VALUES (${workspace}, ${plugin}, ${layer}, ${rule}, '[]')
        ON CONFLICT (workspace_id, plugin, layer, rule) DO UPDATE SET calls = egress_rates.calls
        RETURNING calls, extract(epoch FROM clock_timestamp())::float8 * 1000 AS now_ms`;
      if (!row) throw new Error(`the calls under rule ${rule} can not be counted`);
      return { calls: row.calls as CallsBySecond, nowMs: Number(row.now_ms) };
    },
    async putRate({ plugin, layer, rule }, calls) {
      await tx`
        UPDATE egress_rates SET calls = ${json(calls)}
        WHERE workspace_id = ${workspace} AND plugin = ${plugin} AND layer = ${layer} AND rule = ${rule}`;
    },
  };
}
