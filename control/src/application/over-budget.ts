/**
 * The budgets of an action, counted over its whole journal: over all its attempts, on whatever hosts.
 * The broker counts them too; what it says is never what decides.
 */
import { layersOf } from '@portarium/contracts/egress-rule';
import type { EgressCall } from '@portarium/contracts/internal-api';
import { beyondRules, type Spent } from '@portarium/contracts/rule-budget';
import { ShownContract } from '@portarium/contracts/verify-contract';
import type { FixedAction } from './fixed-actions.ts';

/** @returns the first limit or budget that `calls` together go beyond */
export function overBudget(
  { limits, contract }: Pick<FixedAction, 'limits' | 'contract'>,
  calls: Iterable<Pick<EgressCall, 'verdict' | 'rule' | 'bytesOut' | 'bytesIn'>>,
): string | undefined {
  const shown = new ShownContract(contract);
  const byRule = new Map<object, Spent>();
  const spentUnder = (rule: object) => {
    const spent = byRule.get(rule) ?? { calls: 0, bytes: 0 };
    byRule.set(rule, spent);
    return spent;
  };
  let [count, bytesOut, bytesIn] = [0, 0, 0];
  for (const call of calls) {
    // A denial took nothing along.
    if (call.verdict === 'denied') continue;
    count++;
    bytesOut += call.bytesOut;
    bytesIn += call.bytesIn;
    const rules = shown.rules(call.rule);
    if (!rules) continue;
    for (const [, rule] of layersOf(rules)) {
      const spent = spentUnder(rule);
      spent.calls++;
      spent.bytes += call.bytesOut + call.bytesIn;
    }
    const over = beyondRules(rules, spentUnder);
    if (over !== undefined) return over;
  }
  if (count > limits.egressCalls) return `more than ${limits.egressCalls} calls`;
  if (bytesOut > limits.egressBytesOut) return `more than ${limits.egressBytesOut} bytes out`;
  if (bytesIn > limits.egressBytesIn) return `more than ${limits.egressBytesIn} bytes in`;
  return undefined;
}
