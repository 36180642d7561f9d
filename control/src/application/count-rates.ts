/**
 * Counts a call against the rates of its rules, over all actions, attempts, hosts and replicas. Part of
 * the transaction that makes the intent durable: what is not on record was not counted, and the reverse.
 */
import { type MatchedRules, ratesOf, ruleOf } from '@portarium/contracts/egress-rule';
import { type CallsBySecond, countCall } from '../domain/minute-rate.ts';
import type { RateScope } from './ports/rate-store.ts';
import type { WriteTransaction } from './ports/workspace-store.ts';

export interface RateRefusal {
  readonly message: string;
  readonly retryAfterMs: number;
}

/** @returns why the call has to wait, and for how long; then no rule has counted it */
export async function countRates(
  tx: WriteTransaction,
  plugin: string,
  rules: MatchedRules,
): Promise<RateRefusal | undefined> {
  const counted: [RateScope, CallsBySecond][] = [];
  // Always the plugin's before the operator's: two calls never wait for each other.
  for (const { layer, rule, perMinute } of ratesOf(rules)) {
    const scope = { plugin, layer, rule };
    const { calls, nowMs } = await tx.lockRate(scope);
    const verdict = countCall(calls, nowMs, perMinute);
    if (!verdict.allowed) {
      const whose = ruleOf(layer, { id: rule });
      const seconds = Math.ceil(verdict.retryAfterMs / 1000);
      const message = `${whose} allows ${perMinute} calls a minute, and has room again in ${seconds} s`;
      return { message, retryAfterMs: verdict.retryAfterMs };
    }
    counted.push([scope, verdict.calls]);
  }
  for (const [scope, calls] of counted) await tx.putRate(scope, calls);
  return undefined;
}
