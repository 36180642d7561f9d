import { test } from 'bun:test';
import canonicalize from 'canonicalize';
import fc from 'fast-check';
import { canonicalText, parseCanonicalText, parseStrictJson } from './canonical-json.ts';
import { runCount } from './testing/run-count.ts';

const json = fc.jsonValue({ noUnicodeString: false }).filter((value) => {
  try {
    canonicalText(value);
    return true;
  } catch {
    return false;
  }
});

test('canonical text parses to a value whose canonical text is the same', () => {
  fc.assert(
    fc.property(json, (value) => {
      const text = canonicalText(value);
      return canonicalText(parseStrictJson(text)) === text;
    }),
  );
});

test('white space and the order of keys change nothing', () => {
  fc.assert(
    fc.property(fc.dictionary(fc.string(), fc.nat()), (object) => {
      const reversed = Object.fromEntries(Object.entries(object).reverse());
      const pretty = JSON.stringify(reversed, null, 2);
      return canonicalText(parseStrictJson(pretty)) === canonicalText(object);
    }),
  );
});

test('the short way takes canonical text only, and gives the value of the long way', () => {
  const pieces = fc.constantFrom(
    ...[
      '{',
      '}',
      '[',
      ']',
      ',',
      ':',
      '"a"',
      '"b"',
      '"1"',
      '"10"',
      '"2"',
      '1',
      '1.0',
      '-0',
      '1e3',
      '1e21',
    ],
    ...[
      '9007199254740993',
      ' ',
      '"\\ud800"',
      '"\\u0061"',
      '"\ud83d\ude00"',
      '"__proto__"',
      'null',
      'true',
    ],
  );
  const text = fc.oneof(
    json.map((value) => JSON.stringify(value)),
    json.map(canonicalText),
    fc.array(pieces, { maxLength: 12 }).map((list) => list.join('')),
  );
  fc.assert(
    fc.property(text, (given) => {
      const quick = parseCanonicalText(given);
      if (quick === undefined) return true;
      return canonicalize(quick) === given && canonicalText(parseStrictJson(given)) === given;
    }),
    { numRuns: runCount(1_000, 50_000) },
  );
});

test('values that are in order are written as the library writes them', () => {
  fc.assert(fc.property(json, (value) => canonicalText(value) === canonicalize(value)));
});
