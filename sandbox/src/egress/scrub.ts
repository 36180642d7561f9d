/**
 * Takes a secret out of what a counterpart sent back: plain, URL-encoded, JSON-escaped, hexadecimal and
 * base64 forms, or a mixture of them. The last defence: whoever transforms a secret in another way
 * defeats it. Never tells the secret, not even in an error.
 */

/** What may stand at each place of one form; two bytes where the form has two alphabets or cases. */
interface Form {
  readonly first: Uint8Array;
  readonly second: Uint8Array;
}

const PERCENT = 0x25;
const BACKSLASH = 0x5c;
const LOWER_U = 0x75;
/** The value of each byte as a hexadecimal digit, or -1. */
const HEX_VALUES = Int8Array.from({ length: 256 }, (_, byte) =>
  /[0-9a-fA-F]/.test(String.fromCharCode(byte))
    ? Number.parseInt(String.fromCharCode(byte), 16)
    : -1,
);
/** What JSON may escape by a backslash alone, of what a secret can have in it. */
const ESCAPABLE: ReadonlySet<number> = new Set([0x22, BACKSLASH, 0x2f]);
/** A marker beside left-overs can make a secret anew; nobody but the counterpart can bring that about. */
const MOST_PASSES = 4;

export class Scrubber {
  readonly #forms: readonly Form[];
  /** Bit n of a byte: form n begins with it, before any escape. */
  readonly #starts = new Uint16Array(256);
  readonly #lowerCase: readonly string[];
  readonly #marker: Uint8Array;

  /** @param secrets one to three texts to take out, each of at least 16 visible ASCII characters */
  constructor(secrets: readonly string[], slot: string) {
    this.#lowerCase = secrets.map((secret) => secret.toLowerCase());
    this.#forms = secrets.flatMap((secret) => formsOf(new TextEncoder().encode(secret)));
    for (const [n, { first, second }] of this.#forms.entries()) {
      for (const start of [first[0], second[0]]) {
        if (start !== undefined) this.#starts[start] = (this.#starts[start] ?? 0) | (1 << n);
      }
    }
    const marker = new TextEncoder().encode(`[credential ${slot}]`);
    // A slot may be named after its secret.
    this.#marker = this.#found(marker) ? new TextEncoder().encode('[credential]') : marker;
  }

  /** The bytes without the secret; the same array when there was none. Undefined: it can not be done. */
  bytes(given: Uint8Array): Uint8Array | undefined {
    let bytes = given;
    for (let pass = 0; pass < MOST_PASSES; pass++) {
      const scrubbed = this.#replace(bytes);
      if (scrubbed === bytes) return bytes;
      bytes = scrubbed;
    }
    return this.#found(bytes) ? undefined : bytes;
  }

  /** Text of any characters, such as a reason. */
  text(given: string): string {
    const bytes = new TextEncoder().encode(given);
    const scrubbed = this.bytes(bytes);
    if (scrubbed === bytes) return given;
    return new TextDecoder().decode(scrubbed ?? this.#marker);
  }

  /** Headers by name, values as bytes in Latin-1; one that can not be scrubbed is left out. */
  headers(given: Readonly<Record<string, string>>): Readonly<Record<string, string>> {
    const kept: [string, string][] = [];
    for (const [name, value] of Object.entries(given)) {
      // Names are in lower case here, whatever they were on the wire.
      const named = this.#lowerCase.some((secret) => name.includes(secret));
      if (named || this.#found(latin1(name))) continue;
      const scrubbed = this.bytes(latin1(value));
      if (scrubbed) kept.push([name, Buffer.from(scrubbed).toString('latin1')]);
    }
    return Object.fromEntries(kept);
  }

  #found(bytes: Uint8Array): boolean {
    return this.#next(bytes, 0) !== undefined;
  }

  #replace(bytes: Uint8Array): Uint8Array {
    const parts: Uint8Array[] = [];
    let from = 0;
    for (;;) {
      const found = this.#next(bytes, from);
      if (!found) break;
      parts.push(bytes.subarray(from, found.at), this.#marker);
      from = found.end;
    }
    if (from === 0) return bytes;
    return new Uint8Array(Buffer.concat([...parts, bytes.subarray(from)]));
  }

  /** The first place from `from` on where a form stands; of several forms the longest. */
  #next(
    bytes: Uint8Array,
    from: number,
  ): { readonly at: number; readonly end: number } | undefined {
    for (let at = from; at < bytes.length; at++) {
      const byte = bytes[at] ?? 0;
      let starts = this.#starts[byte] ?? 0;
      if (!isPlain(byte)) starts |= this.#starts[escapedAt(bytes, at) ?? byte] ?? 0;
      if (starts === 0) continue;
      let end = -1;
      for (const [n, form] of this.#forms.entries()) {
        if (starts & (1 << n)) end = Math.max(end, endOf(form, bytes, at));
      }
      if (end > at) return { at, end };
    }
    return undefined;
  }
}

/** Where a form that begins at `at` ends, or -1. Keeps every way in which an escape can be read. */
function endOf(form: Form, bytes: Uint8Array, at: number): number {
  let places = [at];
  for (let n = 0; n < form.first.length; n++) {
    const [only] = places;
    if (places.length === 1 && only !== undefined && isPlain(bytes[only])) {
      // Nearly every place is told by its plain byte.
      if (!stands(form, n, bytes[only])) return -1;
      places[0] = only + 1;
      continue;
    }
    const next: number[] = [];
    for (const place of places) readOn(form, n, bytes, place, next);
    if (next.length === 0) return -1;
    places = next.length === 1 ? next : [...new Set(next)];
  }
  return Math.max(...places);
}

/** Adds the places after the nth byte of the form, if it stands at `place` in any way. */
function readOn(form: Form, n: number, bytes: Uint8Array, place: number, next: number[]): void {
  const byte = bytes[place];
  if (stands(form, n, byte)) next.push(place + 1);
  if (isPlain(byte) || !stands(form, n, escapedAt(bytes, place))) return;
  next.push(place + (byte === PERCENT ? 3 : bytes[place + 1] === LOWER_U ? 6 : 2));
}

/** The byte that an escape at `at` stands for: `%7e`, `\u007e`, or a backslash and the byte itself. */
function escapedAt(bytes: Uint8Array, at: number): number | undefined {
  if (bytes[at] === PERCENT) return hexAt(bytes, at + 1, 2);
  const escaped = bytes[at + 1];
  if (escaped === LOWER_U) return hexAt(bytes, at + 2, 4);
  return escaped !== undefined && ESCAPABLE.has(escaped) ? escaped : undefined;
}

function stands({ first, second }: Form, n: number, byte: number | undefined): boolean {
  return byte !== undefined && (byte === first[n] || byte === second[n]);
}

function isPlain(byte: number | undefined): boolean {
  return byte !== PERCENT && byte !== BACKSLASH;
}

/** The number that `digits` hexadecimal digits stand for, or undefined. */
function hexAt(bytes: Uint8Array, at: number, digits: number): number | undefined {
  let value = 0;
  for (let i = at; i < at + digits; i++) {
    const digit = HEX_VALUES[bytes[i] ?? 0] ?? -1;
    if (digit === -1) return undefined;
    value = 16 * value + digit;
  }
  return value;
}

function formsOf(secret: Uint8Array): readonly Form[] {
  return [plain(secret), hexadecimal(secret), ...[0, 1, 2].map((at) => base64(secret, at))];
}

function plain(secret: Uint8Array): Form {
  return { first: secret, second: secret };
}

function hexadecimal(secret: Uint8Array): Form {
  const hex = Buffer.from(secret).toString('hex');
  return { first: latin1(hex), second: latin1(hex.toUpperCase()) };
}

/**
 * The characters that the secret alone decides, when it stands after `before` bytes (modulo three) of
 * something else and before anything: the same under both alphabets of RFC 4648.
 */
function base64(secret: Uint8Array, before: number): Form {
  const padded = Buffer.concat([Buffer.alloc(before), secret, Buffer.alloc(3)]);
  const [from, to] = [(8 * before) / 6, (8 * (before + secret.length)) / 6];
  const inner = (alphabet: 'base64' | 'base64url') =>
    latin1(padded.toString(alphabet).slice(Math.ceil(from), Math.floor(to)));
  return { first: inner('base64'), second: inner('base64url') };
}

function latin1(text: string): Uint8Array {
  return new Uint8Array(Buffer.from(text, 'latin1'));
}
