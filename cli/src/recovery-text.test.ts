import { expect, test } from 'bun:test';
import { recoveryText } from './recovery-text.ts';

const frozen = {
  reason: 'behind',
  detail: 'the database holds 5 entries',
  at: '2026-01-01T00:00:00.000Z',
};
const plan = { state: 'behind', dryRun: true, size: 5, storedSize: 9, entries: 4, frozen } as const;

test('a dry run says what would be put back, and that state is not', () => {
  const text = recoveryText(plan);
  expect(text).toContain('4 entries would be put back');
  expect(text).toContain('frozen since 2026-01-01T00:00:00.000Z (behind)');
  expect(text).toContain('All other state stays that of the older database');
  expect(recoveryText({ ...plan, dryRun: false })).toContain('4 entries were put back');
});

test('a fork names the entry and says that nothing was changed', () => {
  const text = recoveryText({ ...plan, state: 'forked', at: 3, entries: 0 });
  expect(text).toStartWith('FORKED, NOTHING CHANGED');
  expect(text).toContain('Entry 3 in the database is not the one that was signed');
});

test('a log that agrees again is only let go', () => {
  expect(recoveryText({ ...plan, state: 'none', entries: 0 })).toContain('would be lifted');
  const { frozen: _, ...free } = plan;
  expect(recoveryText({ ...free, state: 'none', entries: 0 })).toStartWith('Both agree.');
});
