/**
 * Bytes that look like the canonical JSON of something and are not: another spelling of a value, or one
 * that two readers may take for two values. Beside each kind stands a neighbour that is canonical.
 */
import { toHex } from '../digest.ts';

export interface NearlyCanonical {
  readonly about: string;
  /** Bytes as hexadecimal: some are no text. */
  readonly bytes: string;
}

const text = (about: string, json: string): NearlyCanonical => ({
  about,
  bytes: toHex(new TextEncoder().encode(json)),
});
const raw = (about: string, ...bytes: readonly number[]): NearlyCanonical => ({
  about,
  bytes: toHex(new Uint8Array(bytes)),
});
const QUOTE = 0x22;
const nested = (depth: number) => `${'['.repeat(depth)}${']'.repeat(depth)}`;

export const NEARLY_CANONICAL: readonly NearlyCanonical[] = [
  text('an object: canonical', '{"a":1,"b":[true,false,null,"x"]}'),
  text('nothing', ''),
  text('a byte order mark', '\ufeff{"a":1}'),
  text('space before', ' {"a":1}'),
  text('space after', '{"a":1} '),
  text('a line end after', '{"a":1}\n'),
  text('space within', '{"a": 1}'),
  text('two values', '{"a":1}{"a":1}'),
  text('a comma too many', '[1,]'),
  text('a comment', '{"a":1/**/}'),
  text('a key without quotes', '{a:1}'),
  text('single quotes', "{'a':1}"),
  // Keys
  text('keys out of order', '{"b":1,"a":2}'),
  text('keys in the order of UTF-16 units: canonical', '{"\u{1f600}":1,"\ufb33":2}'),
  text('keys in the order of code points', '{"\ufb33":2,"\u{1f600}":1}'),
  text('keys in order of a language', '{"a":1,"B":2}'),
  text('numbers as keys in order of text: canonical', '{"10":1,"9":2}'),
  text('numbers as keys in order of numbers', '{"9":2,"10":1}'),
  text('a key twice', '{"a":1,"a":1}'),
  text('a key twice, once by an escape', '{"a":1,"\\u0061":2}'),
  text('a key twice, within', '[{"b":{"x":1,"x":2}}]'),
  text('the key __proto__: canonical', '{"__proto__":{"a":1},"b":2}'),
  text('the key __proto__ twice', '{"__proto__":1,"__proto__":2}'),
  text('the key __proto__ twice, once by an escape', '{"__proto__":1,"\\u005f_proto__":2}'),
  text('the key constructor: canonical', '{"constructor":null}'),
  text('an empty key: canonical', '{"":1}'),
  // Strings
  text('a lone high surrogate', '"\\ud800"'),
  text('a lone low surrogate', '"x\\udc00"'),
  text('surrogates in the wrong order', '"\\ude00\\ud83d"'),
  text('a lone surrogate in a key', '{"\\ud83d":1}'),
  text('a pair as itself: canonical', '"\u{1f600}"'),
  text('a pair by escapes', '"\\ud83d\\ude00"'),
  text('a letter by an escape', '"\\u0061"'),
  text('a slash by an escape', '"\\/"'),
  text('a line end by its short escape: canonical', '"\\n"'),
  text('a line end by its long escape', '"\\u000a"'),
  text('a control character by its escape: canonical', '"\\u001f"'),
  text('a control character in capitals', '"\\u001F"'),
  text('a control character as itself', '"\u001f"'),
  text('a tabulator as itself', '"\t"'),
  text('NUL as itself', '"\u0000"'),
  text('NUL by its escape: canonical', '"\\u0000"'),
  text('DEL as itself: canonical', '"\u007f"'),
  text('DEL by an escape', '"\\u007f"'),
  text('a line separator as itself: canonical', '"\u2028"'),
  text('a line separator by an escape', '"\\u2028"'),
  text('an escape that JSON does not have', '"\\x61"'),
  text('a string without an end', '"a'),
  // Numbers
  text('zero: canonical', '0'),
  text('minus zero', '-0'),
  text('minus zero as a fraction', '-0.0'),
  text('a fraction that is whole', '1.0'),
  text('an exponent that is not needed', '1e2'),
  text('a capital exponent', '1E-7'),
  text('a small number by its exponent: canonical', '1e-7'),
  text('an exponent with a plus', '1e+2'),
  text('more digits than the number has', '0.1000'),
  text('more digits than a number can have', '333333333.33333329'),
  text('the same with those it has: canonical', '333333333.3333333'),
  text('a zero before', '01'),
  text('a plus before', '+1'),
  text('a fraction without its zero', '.5'),
  text('a point without a fraction', '1.'),
  text('the largest integer: canonical', '9007199254740991'),
  text('an integer beyond 2^53', '9007199254740992'),
  text('an integer that no number is', '9007199254740993'),
  text('a negative integer beyond', '-9007199254740992'),
  text('an integer by its exponent', '1e21'),
  text('a number beyond all', '1e400'),
  text('a number that is nearly nothing', '1e-400'),
  text('NaN', 'NaN'),
  text('Infinity', 'Infinity'),
  text('minus Infinity', '[-Infinity]'),
  text('undefined', '{"a":undefined}'),
  text('hexadecimal', '0x10'),
  // Depth
  text('64 levels: canonical', nested(64)),
  text('65 levels', nested(65)),
  text('a thousand levels that do not end', '['.repeat(1_000)),
  // Bytes
  raw('a byte that UTF-8 does not have', QUOTE, 0xff, QUOTE),
  raw('a slash in two bytes', QUOTE, 0xc0, 0xaf, QUOTE),
  raw('NUL in two bytes', QUOTE, 0xc0, 0x80, QUOTE),
  raw('a quote in two bytes', QUOTE, 0xc0, 0xa2, QUOTE),
  raw('a euro sign in four bytes', QUOTE, 0xf0, 0x82, 0x82, 0xac, QUOTE),
  raw('a euro sign in three: canonical', QUOTE, 0xe2, 0x82, 0xac, QUOTE),
  raw('a surrogate as three bytes', QUOTE, 0xed, 0xa0, 0x80, QUOTE),
  raw('a pair as twice three bytes', QUOTE, 0xed, 0xa0, 0xbd, 0xed, 0xb8, 0x80, QUOTE),
  raw('beyond the last code point', QUOTE, 0xf4, 0x90, 0x80, 0x80, QUOTE),
  raw('a character that is cut off', QUOTE, 0xe2, 0x82, QUOTE),
  raw('UTF-16', 0x22, 0x00, 0x61, 0x00, 0x22, 0x00),
];
