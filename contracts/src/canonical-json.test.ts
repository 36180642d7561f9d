import { expect, test } from 'bun:test';
import {
  CanonicalJsonError,
  canonicalText,
  MAX_JSON_DEPTH,
  parseStrictJson,
} from './canonical-json.ts';
import { fromHex } from './digest.ts';
import { NEARLY_CANONICAL } from './testing/refused-json.ts';
import { readCanonical } from './verify-entries.ts';

const canonical = (text: string) => canonicalText(parseStrictJson(text));

test('the sample of RFC 8785 has the canonical form that the RFC prints', () => {
  const sample = String.raw`{
    "numbers": [333333333.33333329, 1E30, 4.50, 2e-3, 0.000000000000000000000000001],
    "string": "\u20ac$\u000F\u000aA'\u0042\u0022\u005c\\\"\/",
    "literals": [null, true, false]
  }`;
  // 1E30 is an integer beyond 2^53, which formats.md refuses.
  expect(() => canonical(sample)).toThrow('integer beyond');
  expect(canonical(sample.replace('1E30', '1e-30'))).toBe(
    '{"literals":[null,true,false],"numbers":[333333333.3333333,1e-30,4.5,0.002,1e-27],' +
      '"string":"€$\\u000f\\nA\'B\\"\\\\\\\\\\"/"}',
  );
});

test('keys are sorted by UTF-16 code units, as in RFC 8785', () => {
  const keys = ['\u20ac', '\r', '\ufb33', '1', '\ud83d\ude00', '\u0080', '\u00f6'];
  const sorted = ['\r', '1', '\u0080', '\u00f6', '\u20ac', '\ud83d\ude00', '\ufb33'];
  const text = canonicalText(Object.fromEntries(keys.map((key) => [key, 1])));
  expect(Object.keys(JSON.parse(text)).sort()).toEqual(sorted.toSorted());
  expect(sorted.map((key) => text.indexOf(JSON.stringify(key)))).toEqual(
    sorted.map((key) => text.indexOf(JSON.stringify(key))).toSorted((a, b) => a - b),
  );
});

test('text with duplicate keys is refused, however the key is spelt', () => {
  for (const text of ['{"a":1,"a":1}', '{"a":1,"\\u0061":2}', '[{"b":{"x":1,"x":2}}]']) {
    expect(() => parseStrictJson(text)).toThrow('duplicate key');
  }
  expect(parseStrictJson('{"a":{"a":1},"b":{"a":1}}')).toEqual({ a: { a: 1 }, b: { a: 1 } });
  expect(parseStrictJson('["a:","a:",{"a":"a"}]')).toEqual(['a:', 'a:', { a: 'a' }]);
});

test('lone surrogates are refused in values and keys, pairs are not', () => {
  for (const text of ['"\\ud800"', '"\\udc00x"', '{"\\ud83d":1}', '["\\ude00\\ud83d"]']) {
    expect(() => parseStrictJson(text)).toThrow(CanonicalJsonError);
  }
  expect(canonical('"\\ud83d\\ude00"')).toBe('"😀"');
});

test('numbers that do not survive are refused', () => {
  for (const text of [
    '9007199254740992',
    '-9007199254740992',
    '9007199254740993',
    '1e400',
    '1e16',
  ]) {
    expect(() => parseStrictJson(text)).toThrow(CanonicalJsonError);
  }
  for (const value of [Number.NaN, Number.POSITIVE_INFINITY, 2 ** 53]) {
    expect(() => canonicalText({ value })).toThrow('at /value');
  }
  expect(canonical('9007199254740991')).toBe('9007199254740991');
  expect(canonical('-0')).toBe('0');
});

test('values that JSON does not have are refused', () => {
  for (const value of [undefined, 1n, () => 1, Symbol('s'), [undefined], new Array(2)]) {
    expect(() => canonicalText(value)).toThrow(CanonicalJsonError);
  }
  expect(canonicalText({ a: undefined, b: 1 })).toBe('{"b":1}');
});

test('nesting ends at the limit, not at the stack', () => {
  const nested = (depth: number) => `${'['.repeat(depth)}${']'.repeat(depth)}`;
  expect(canonical(nested(MAX_JSON_DEPTH))).toBe(nested(MAX_JSON_DEPTH));
  expect(() => parseStrictJson(nested(MAX_JSON_DEPTH + 1))).toThrow('nested deeper');
  expect(() => parseStrictJson('['.repeat(1_000_000))).toThrow('nested deeper');
});

test('text that is not JSON is a SyntaxError', () => {
  for (const text of [
    '',
    '{',
    '[1,]',
    "{'a':1}",
    '\ufeff1',
    '{"a":1}x',
    '"\t"',
    '01',
    '"',
    '{"a',
    'nul',
  ]) {
    expect(() => parseStrictJson(text)).toThrow(SyntaxError);
  }
});

test('bytes are the canonical JSON of a value, or they are refused, however near they come', () => {
  for (const { about, bytes } of NEARLY_CANONICAL) {
    expect([about, readCanonical(fromHex(bytes)).ok]).toEqual([
      about,
      about.endsWith(': canonical'),
    ]);
  }
});

test('an error names the place as a JSON Pointer', () => {
  expect(() => canonicalText({ 'a/b': [{ '~': Number.NaN }] })).toThrow('/a~1b/0/~0');
});

test('a key named __proto__ is an ordinary key', () => {
  expect(canonical('{"__proto__":{"a":1},"b":2}')).toBe('{"__proto__":{"a":1},"b":2}');
});

test('a message shows the beginning of a hostile name, not all of it', () => {
  const key = 'k'.repeat(1_000_000);
  for (const text of [`{"${key}":1,"${key}":2}`, `{"${key}":1e400}`, `{"${key}\\ud800":1}`]) {
    expect(() => parseStrictJson(text)).toThrow(CanonicalJsonError);
    try {
      parseStrictJson(text);
    } catch (error) {
      expect((error as Error).message.length).toBeLessThan(400);
    }
  }
  expect(() => parseStrictJson('{"a\u202e":1,"a\u202e":2}')).toThrow('duplicate key "a"');
});
