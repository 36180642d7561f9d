/** Budgets of rules, each counted over a whole action: broker and Control Plane say alike which is spent. */
import { type EgressRule, layersOf, type MatchedRules, ruleOf } from './egress-rule.ts';

/** What calls under one rule came to. */
export interface Spent {
  calls: number;
  /** Out and in together. */
  bytes: number;
}

/** @returns which of the rules allows less than was spent under it, and how much that was */
export function beyondRules(
  rules: MatchedRules,
  spentUnder: (rule: EgressRule) => Spent,
): string | undefined {
  for (const [layer, rule] of layersOf(rules)) {
    const { calls, bytes } = spentUnder(rule);
    const { maxCalls = calls, maxBytes = bytes } = rule;
    const whose = ruleOf(layer, rule);
    if (calls > maxCalls) return `${whose} allows ${counted(maxCalls, 'call')} of an action`;
    if (bytes > maxBytes) {
      return `${whose} allows ${counted(maxBytes, 'byte')} of an action, and this makes ${bytes}`;
    }
  }
  return undefined;
}

function counted(count: number, what: string): string {
  return `${count} ${what}${count === 1 ? '' : 's'}`;
}
