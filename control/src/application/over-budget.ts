/**
 * The budgets of an action, counted over its whole journal: over all its attempts, on whatever hosts.
 * The broker counts them too; what it says is never what decides.
 */
import { layersOf } from '@portarium/contracts/egress-rule';
import type { EgressCall } from '@portarium/contracts/internal-api';
import { ShownContract } from '@portarium/contracts/verify-contract';
import type { FixedAction } from './fixed-actions.ts';

interface Spent {
  calls: number;
  /** Out and in together. */
  bytes: number;
}

/** @returns the first limit or budget that `calls` together go beyond */
export function overBudget(
  { limits, contract }: Pick<FixedAction, 'limits' | 'contract'>,
  calls: Iterable<Pick<EgressCall, 'verdict' | 'rule' | 'bytesOut' | 'bytesIn'>>,
): string | undefined {
  const shown = new ShownContract(contract);
  const byRule = new Map<object, Spent>();
  let [count, bytesOut, bytesIn] = [0, 0, 0];
  for (const call of calls) {
    // A denial took nothing along.
    if (call.verdict === 'denied') continue;
    count++;
    bytesOut += call.bytesOut;
    bytesIn += call.bytesIn;
    const rules = shown.rules(call.rule);
    for (const rule of rules ? layersOf(rules) : []) {
      const spent = byRule.get(rule) ?? { calls: 0, bytes: 0 };
      byRule.set(rule, spent);
      spent.calls++;
      spent.bytes += call.bytesOut + call.bytesIn;
      const { id, maxCalls, maxBytes } = rule;
      if (maxCalls !== undefined && spent.calls > maxCalls) {
        return `rule ${id} allows ${maxCalls} calls`;
      }
      if (maxBytes !== undefined && spent.bytes > maxBytes) {
        return `rule ${id} allows ${maxBytes} bytes`;
      }
    }
  }
  if (count > limits.egressCalls) return `more than ${limits.egressCalls} calls`;
  if (bytesOut > limits.egressBytesOut) return `more than ${limits.egressBytesOut} bytes out`;
  if (bytesIn > limits.egressBytesIn) return `more than ${limits.egressBytesIn} bytes in`;
  return undefined;
}
