/**
 * Canonical JSON (RFC 8785). Two documents must never share canonical bytes, so everything that
 * JSON leaves open is refused: duplicate keys, lone surrogates, numbers that do not survive.
 */
import canonicalizeJson from 'canonicalize';
import { plainText } from './plain-text.ts';

export type JsonValue =
  | null
  | boolean
  | number
  | string
  | readonly JsonValue[]
  | { readonly [key: string]: JsonValue };

/** Names come from outside: what a message shows of one, and of a path of them, in characters. */
const MAX_SHOWN_KEY = 64;
const MAX_SHOWN_PATH = 256;

/** Thrown for a value or text that has no canonical form; `path` is a JSON Pointer (RFC 6901). */
export class CanonicalJsonError extends Error {
  override readonly name = 'CanonicalJsonError';
  readonly path: string;
  constructor(message: string, path: string) {
    super(`${message} (at ${path === '' ? 'the top' : plainText(path, MAX_SHOWN_PATH)})`);
    this.path = path;
  }
}

/** Deepest nesting of arrays and objects that is accepted, in levels. */
export const MAX_JSON_DEPTH = 64;

const LONE_SURROGATE = /[\uD800-\uDBFF](?![\uDC00-\uDFFF])|(?<![\uD800-\uDBFF])[\uDC00-\uDFFF]/;

function assertCanonical(value: unknown, path: string, depth: number): void {
  if (depth > MAX_JSON_DEPTH) {
    throw new CanonicalJsonError(`nested deeper than ${MAX_JSON_DEPTH} levels`, path);
  }
  if (value === null || typeof value === 'boolean') return;
  if (typeof value === 'string') {
    if (LONE_SURROGATE.test(value))
      throw new CanonicalJsonError('lone surrogate in a string', path);
    return;
  }
  if (typeof value === 'number') {
    if (!Number.isFinite(value)) throw new CanonicalJsonError('number is not finite', path);
    if (Number.isInteger(value) && !Number.isSafeInteger(value)) {
      throw new CanonicalJsonError('integer beyond ±(2^53−1); send it as a string', path);
    }
    return;
  }
  if (Array.isArray(value)) {
    // entries(), not forEach: a hole must be seen, it would be written as null.
    for (const [index, item] of value.entries()) {
      assertCanonical(item, `${path}/${index}`, depth + 1);
    }
    return;
  }
  if (typeof value === 'object') {
    for (const [key, item] of Object.entries(value)) {
      const at = `${path}/${key.replaceAll('~', '~0').replaceAll('/', '~1')}`;
      if (LONE_SURROGATE.test(key)) throw new CanonicalJsonError('lone surrogate in a key', at);
      if (item !== undefined) assertCanonical(item, at, depth + 1);
    }
    return;
  }
  throw new CanonicalJsonError(`a ${typeof value} has no JSON form`, path);
}

/**
 * The canonical text of `value`; properties that are `undefined` are left out.
 * @throws CanonicalJsonError
 */
export function canonicalText(value: unknown): string {
  if (isInOrder(value, 0)) return JSON.stringify(value);
  assertCanonical(value, '', 0);
  const text = canonicalizeJson(value);
  if (text === undefined) throw new CanonicalJsonError('the value has no JSON form', '');
  return text;
}

/**
 * Whether `value` is what a parser made of canonical text: plain, and its keys in their order. Then the
 * runtime writes it as RFC 8785 wants it, which asks for ECMAScript's numbers and strings. False means
 * nothing: the long way decides.
 * @param wellFormed whether no string in it can hold a lone surrogate
 */
function isInOrder(value: unknown, depth: number, wellFormed = false): boolean {
  if (typeof value === 'string') return wellFormed || value.isWellFormed();
  if (typeof value === 'number') {
    return Number.isInteger(value) ? Number.isSafeInteger(value) : Number.isFinite(value);
  }
  if (value === null || typeof value === 'boolean') return true;
  if (typeof value !== 'object' || depth >= MAX_JSON_DEPTH - 1) return false;
  if (Array.isArray(value)) {
    for (let i = 0; i < value.length; i++) {
      if (!isInOrder(value[i], depth + 1, wellFormed)) return false;
    }
    return true;
  }
  if (Object.getPrototypeOf(value) !== Object.prototype) return false;
  let before: string | undefined;
  for (const key in value) {
    if (before !== undefined && key <= before) return false;
    if (!wellFormed && !key.isWellFormed()) return false;
    if (!isInOrder((value as Record<string, unknown>)[key], depth + 1, wellFormed)) return false;
    before = key;
  }
  return true;
}

/** The value that `text` is the canonical JSON of; undefined when it is none, or only the long way can tell. */
export function parseCanonicalText(text: string): JsonValue | undefined {
  try {
    // An escape that may be half of a character.
    if (text.includes('\\ud')) return undefined;
    const value = JSON.parse(text) as JsonValue;
    // Spaces, keys that stand twice and other spellings of one value do not come back.
    return isInOrder(value, 0, true) && JSON.stringify(value) === text ? value : undefined;
  } catch {
    return undefined;
  }
}

const encoder = new TextEncoder();

/** UTF-8 bytes of {@link canonicalText}. */
export function canonicalBytes(value: unknown): Uint8Array {
  return encoder.encode(canonicalText(value));
}

/**
 * Parses JSON text from outside: refuses duplicate keys, lone surrogates, unsafe integers and
 * nesting deeper than {@link MAX_JSON_DEPTH}.
 * @throws CanonicalJsonError for what has no canonical form, SyntaxError for what is not JSON
 */
export function parseStrictJson(text: string): JsonValue {
  assertDepthAndKeys(text);
  const value = JSON.parse(text) as JsonValue;
  assertCanonical(value, '', 0);
  return value;
}

/** One pass over the text that tracks nesting and the keys of each open object. */
function assertDepthAndKeys(text: string): void {
  const open: (Set<string> | null)[] = [];
  let i = 0;
  while (i < text.length) {
    const char = text[i];
    if (char === '{' || char === '[') {
      open.push(char === '{' ? new Set() : null);
      if (open.length > MAX_JSON_DEPTH) {
        throw new CanonicalJsonError(`nested deeper than ${MAX_JSON_DEPTH} levels`, '');
      }
    } else if (char === '}' || char === ']') {
      open.pop();
    } else if (char === '"') {
      const end = endOfString(text, i);
      const keys = open.at(-1);
      if (keys && nextToken(text, end) === ':') {
        const key = JSON.parse(text.slice(i, end)) as string;
        if (keys.has(key)) {
          const shown = JSON.stringify(plainText(key, MAX_SHOWN_KEY));
          throw new CanonicalJsonError(`duplicate key ${shown}`, '');
        }
        keys.add(key);
      }
      i = end;
      continue;
    }
    i++;
  }
}

function nextToken(text: string, from: number): string | undefined {
  let i = from;
  while (' \t\n\r'.includes(text[i] ?? '.')) i++;
  return text[i];
}

function endOfString(text: string, start: number): number {
  for (let i = start + 1; i < text.length; i++) {
    if (text[i] === '\\') i++;
    else if (text[i] === '"') return i + 1;
  }
  return text.length;
}
