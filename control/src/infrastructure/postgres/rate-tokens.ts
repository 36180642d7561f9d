/** `RateTokens` on PostgreSQL: a token bucket a row, refilled by the database's clock. */
import type { RateTokens } from '../../application/ports/rate-tokens.ts';
import { type Sql, toInfraError } from './connect.ts';

export function createRateTokens(sql: Sql): RateTokens {
  return {
    async lease(scope, { perSecond, burst }, wanted) {
      const full = sql`least(${burst}::float8, b.tokens + ${perSecond}::float8 * greatest(0, extract(epoch FROM clock_timestamp() - b.refilled_at)))`;
      const granted = sql`least(${wanted}::float8, floor(${full}))`;
      try {
        const [row] = await sql`
          INSERT INTO rate_buckets AS b (scope, tokens, granted, refilled_at)
          VALUES (${scope}, ${burst}::float8 - ${Math.min(wanted, burst)}::float8, ${Math.min(wanted, burst)}, clock_timestamp())
          ON CONFLICT (scope) DO UPDATE SET granted = ${granted}, tokens = ${full} - ${granted}, refilled_at = clock_timestamp()
          RETURNING granted, tokens`;
        return { granted: Number(row?.granted ?? 0), left: Number(row?.tokens ?? 0) };
      } catch (error) {
        throw toInfraError(error);
      }
    },
    async forget(ms) {
      try {
        await sql`DELETE FROM rate_buckets WHERE refilled_at < now() - make_interval(secs => ${ms / 1000})`;
      } catch (error) {
        throw toInfraError(error);
      }
    },
  };
}
