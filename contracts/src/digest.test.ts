import { expect, test } from 'bun:test';
import * as v from 'valibot';
import { DigestSchema, digestOf, digestOfJson, fromHex, toHex } from './digest.ts';

test('the digest of exact bytes is that of FIPS 180-4', async () => {
  const abc = 'sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad';
  expect((await digestOf(new TextEncoder().encode('abc'))) as string).toBe(abc);
});

test('the digest of a value does not depend on the order of its keys', async () => {
  expect(await digestOfJson({ a: 1, b: 2 })).toBe(await digestOfJson({ b: 2, a: 1 }));
  expect(await digestOfJson({ a: 1 })).not.toBe(await digestOfJson({ a: '1' }));
});

test('a digest in JSON has one spelling', () => {
  const hex = 'a'.repeat(64);
  expect(v.safeParse(DigestSchema, `sha256:${hex}`).success).toBe(true);
  for (const text of [
    hex,
    `SHA256:${hex}`,
    `sha256:${hex.toUpperCase()}`,
    `sha256:${hex}0`,
    `sha256:${hex}\n`,
  ]) {
    expect(v.safeParse(DigestSchema, text).success).toBe(false);
  }
});

test('hexadecimal survives and anything else is refused', () => {
  expect(toHex(fromHex('00ff7f'))).toBe('00ff7f');
  for (const text of ['0', 'zz', '0x00', ' 00']) expect(() => fromHex(text)).toThrow(RangeError);
});
