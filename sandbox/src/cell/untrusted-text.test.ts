import { expect, test } from 'bun:test';
import { LogBudget } from './log-budget.ts';
import { cleanText } from './untrusted-text.ts';

test('control and bidirectional characters are removed, other text stays', () => {
  expect(cleanText('a\u0000\u001b[31mb\u202ec\u2066d\u200fe\n\tf é 漢 😀', 100)).toBe(
    'a[31mbcde\n\tf é 漢 😀',
  );
});

test('long text ends with an ellipsis and never with half a character', () => {
  expect(cleanText('abcdef', 4)).toBe('abc…');
  expect(cleanText('😀😀😀', 4).isWellFormed()).toBe(true);
  expect(cleanText('x'.repeat(10_000), 50)).toHaveLength(50);
});

test('log lines beyond a limit become one marker', () => {
  const byLines = new LogBudget({ logLines: 2, logBytes: 1_000 });
  const taken = ['a', 'b', 'c', 'd'].map((text) => byLines.take('info', text)?.message);
  expect(taken).toEqual(['a', 'b', expect.stringContaining('truncated'), undefined]);
  const byBytes = new LogBudget({ logLines: 9, logBytes: 5 });
  expect(byBytes.take('info', 'äää')?.message).toContain('truncated');
  expect(byBytes.lines).toBe(0);
});
