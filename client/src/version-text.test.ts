import { expect, test } from 'bun:test';
import type { Plugin } from './answers.ts';
import { quarantineText, shareText } from './version-text.ts';

const one = (version: string, state = 'active') => ({ version, state }) as Plugin;

test('shares are of what may run: a quarantined version’s weight is the others’', () => {
  const items = [one('1.2.0', 'quarantined'), one('1.1.0'), one('1.0.0'), one('0.9.0')];
  const weights = { '1.2.0': 50, '1.1.0': 10, '1.0.0': 20 };
  const shares = items.map((item) => shareText({ current: '1.0.0', weights, items }, item));
  expect(shares).toEqual(['', '33.3 %', '66.7 %', '']);
  expect(items.map((item) => shareText({ current: '0.9.0', items }, item))).toEqual([
    ...['', '', '', '100 %'],
  ]);
});

test('a quarantine says who and why, or what crashed; nothing in it hides', () => {
  const at = '2026-01-01T00:00:00.000Z';
  expect(quarantineText({ at, cause: 'hand', by: 'ada', rationale: 'sends \u202etwice' })).toBe(
    'by ada: sends \\u202etwice',
  );
  const crashes = {
    ...{ count: 6, windowMs: 600_000, people: 2, attempts: [] },
    codes: { 'guest.trap': 5, 'limit.cpu': 1 },
  };
  expect(quarantineText({ at, cause: 'crashes', crashes })).toBe(
    '6 crashes within 10 min (5 × guest.trap, 1 × limit.cpu), of 2 people',
  );
});
