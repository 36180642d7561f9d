import { expect, test } from 'bun:test';
import { plainText } from './plain-text.ts';

test('control and bidirectional characters are removed, other text stays', () => {
  expect(plainText('a\u0000\u001b[31mb\u202ec\u2066d\u200fe\n\tf é 漢 😀', 100)).toBe(
    'a[31mbcde\n\tf é 漢 😀',
  );
});

test('long text ends with an ellipsis and never with half a character', () => {
  expect(plainText('abcdef', 4)).toBe('abc…');
  expect(plainText('😀😀😀', 4).isWellFormed()).toBe(true);
  expect(plainText('x'.repeat(10_000), 50)).toHaveLength(50);
});
