import { expect, test } from 'bun:test';
import type { EgressRule, MatchedRules } from './egress-rule.ts';
import { RateLedger } from './rate-ledger.ts';
import { readEntries } from './testing/read-entries.ts';
import { Findings } from './verify-report.ts';

const RULE: EgressRule = {
  ...{ id: 'refunds', methods: ['POST'], scheme: 'https', host: 'api.example.com', port: 443 },
  path: '/v1/refunds',
};
const START_MS = Date.UTC(2026, 0, 1);

/** Writes at these milliseconds, under a plugin's rule and an operator's; the findings by `seq`. */
function found(atMs: readonly number[], perMinute: { plugin?: number; operator?: number }) {
  const rate = (of: number | undefined) => (of === undefined ? {} : { maxPerMinute: of });
  const rules: MatchedRules = {
    plugin: { ...RULE, ...rate(perMinute.plugin) },
    operator: { ...RULE, id: 'granted', ...rate(perMinute.operator) },
  };
  const entries = readEntries(
    atMs.map((ms) => ({
      ...{ type: 'egress.intended', subject: {}, data: {} },
      time: new Date(START_MS + ms).toISOString(),
    })),
  );
  const ledger = new RateLedger();
  for (const { entry } of entries) ledger.note('stripe-refunds', rules, entry);
  const findings = new Findings();
  ledger.check(entries, findings);
  return findings.all().map(({ rule, seq }) => [rule, seq]);
}

test('one write more in a minute than its rule allows is found, once for each layer', () => {
  expect(found([0, 10_000, 20_000], { plugin: 3 })).toEqual([]);
  expect(found([0, 10_000, 20_000], { plugin: 2 })).toEqual([['egress.rate', 2]]);
  expect(found([0, 1, 2, 3], { plugin: 2, operator: 3 })).toEqual([
    ['egress.rate', 2],
    ['egress.rate', 3],
  ]);
  expect(found([0, 1, 2, 3], {})).toEqual([]);
});

test('a minute later there is room again, and the log may be some seconds late', () => {
  expect(found([0, 60_000, 120_000], { plugin: 1 })).toEqual([]);
  // The leave came a minute after the one before, whose entry was late.
  expect(found([5_500, 60_000], { plugin: 1 })).toEqual([]);
  expect(found([5_500, 58_000], { plugin: 1 })).toEqual([['egress.rate', 1]]);
});

test('a log whose time stands still, since a clock was set back, is not held to be too quick', () => {
  expect(found([0, 3_600_000, 3_600_000, 3_600_000, 3_600_000], { plugin: 1 })).toEqual([]);
});
