import { expect, test } from 'bun:test';
import type { EgressRule } from './egress-rule.ts';
import { beyondRules } from './rule-budget.ts';

const RULE: EgressRule = {
  id: 'refunds',
  methods: ['POST'],
  scheme: 'https',
  host: 'api.example.com',
  port: 443,
  path: '/v1/refunds',
};
const rules = { plugin: RULE, operator: { ...RULE, maxCalls: 1, maxBytes: 10 } };

test('a budget that is spent is told with whose rule it is, and what was spent', () => {
  const after = (calls: number, bytes: number) => beyondRules(rules, () => ({ calls, bytes }));
  expect(after(1, 10)).toBeUndefined();
  expect(after(2, 10)).toBe('the operator’s rule refunds allows 1 call of an action');
  expect(after(1, 124)).toBe(
    'the operator’s rule refunds allows 10 bytes of an action, and this makes 124',
  );
});

test('a narrowed contract has the budgets of the approval as well', () => {
  const approval = { ...RULE, maxCalls: 3 };
  const plenty = { plugin: RULE, operator: RULE, approval };
  expect(beyondRules(plenty, () => ({ calls: 4, bytes: 0 }))).toStartWith('the approval’s rule');
});
