import { expect, test } from 'bun:test';
import fc from 'fast-check';
import { fromBase64, toBase64 } from './base64.ts';

test('the vectors of RFC 4648 hold', () => {
  const encode = (text: string) => toBase64(new TextEncoder().encode(text));
  expect(['', 'f', 'fo', 'foo', 'foob'].map(encode)).toEqual([
    '',
    'Zg==',
    'Zm8=',
    'Zm9v',
    'Zm9vYg==',
  ]);
});

test('bytes survive', () => {
  fc.assert(
    fc.property(fc.uint8Array(), (bytes) => {
      expect([...(fromBase64(toBase64(bytes)) ?? [])]).toEqual([...bytes]);
    }),
  );
});

test('a second spelling of the same bytes is refused', () => {
  for (const text of ['Zg', 'Zg=', 'Zh==', 'Zm9=', ' Zg==', 'Zg==\n', 'Z_==', '====', 'Z===']) {
    expect(fromBase64(text), text).toBeUndefined();
  }
});
