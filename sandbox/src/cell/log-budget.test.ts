import { expect, test } from 'bun:test';
import { LogBudget } from './log-budget.ts';

test('log lines beyond a limit become one marker', () => {
  const byLines = new LogBudget({ logLines: 2, logBytes: 1_000 });
  const taken = ['a', 'b', 'c', 'd'].map((text) => byLines.take('info', text)?.message);
  expect(taken).toEqual(['a', 'b', expect.stringContaining('truncated'), undefined]);
  const byBytes = new LogBudget({ logLines: 9, logBytes: 5 });
  expect(byBytes.take('info', 'äää')?.message).toContain('truncated');
  expect(byBytes.lines).toBe(0);
});
