import { expect, test } from 'bun:test';
import { visibleLine, visibleText } from './visible-text.ts';

test('what shows stays, and what does not stands as an escape', () => {
  const plain = 'Grüße, 日本語 👍 "x" \\ {a: 1}\n\tnext';
  expect(visibleText(plain)).toBe(plain);
  expect(visibleText('a\u0000b\u202ec\ufeffd\u3164e\u{e0041}f\ud800')).toBe(
    String.raw`a\u0000b\u202ec\ufeffd\u3164e\udb40\udc41f\ud800`,
  );
});

test('a line stays one line', () => {
  expect(visibleLine('a\nb\tc\r\u2028d')).toBe(String.raw`a\nb\tc\u000d\u2028d`);
});
