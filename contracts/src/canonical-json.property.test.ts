import { test } from 'bun:test';
import fc from 'fast-check';
import { canonicalText, parseStrictJson } from './canonical-json.ts';

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
