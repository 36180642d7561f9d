// A recursive-descent reader of RFC 8259 text with a bound on nesting. Internal to `json.ts`.
import { Json } from './json';

/** Deepest nesting that is read; the platform accepts no more either. */
const MAX_DEPTH: i32 = 64;

export class JsonParser {
  private at: i32 = 0;
  private depth: i32 = 0;
  problem: string = '';

  constructor(private text: string) {}

  parse(): Json | null {
    const value = this.value();
    if (value === null) return null;
    this.skipSpace();
    if (this.at < this.text.length) return this.refuse('text after the value');
    return value;
  }

  private refuse(what: string): Json | null {
    if (this.problem == '') this.problem = what + ' at character ' + this.at.toString();
    return null;
  }

  /** Code unit under the cursor, or -1 at the end. */
  private peek(): i32 {
    return this.at < this.text.length ? this.text.charCodeAt(this.at) : -1;
  }

  private skipSpace(): void {
    while (true) {
      const code = this.peek();
      if (code != 0x20 && code != 0x0a && code != 0x0d && code != 0x09) return;
      this.at++;
    }
  }

  private value(): Json | null {
    this.skipSpace();
    const code = this.peek();
    if (code == 0x7b) return this.object();
    if (code == 0x5b) return this.array();
    if (code == 0x22) {
      const text = this.string();
      return text === null ? null : Json.string(text);
    }
    if (code == 0x2d || isDigit(code)) return this.number();
    if (this.word('true')) return Json.bool(true);
    if (this.word('false')) return Json.bool(false);
    if (this.word('null')) return Json.null();
    return this.refuse(code < 0 ? 'unexpected end' : 'unexpected character');
  }

  private word(expected: string): bool {
    if (!this.text.startsWith(expected, this.at)) return false;
    this.at += expected.length;
    return true;
  }

  private object(): Json | null {
    if (++this.depth > MAX_DEPTH) return this.refuse('nested too deeply');
    const result = Json.object();
    this.at++;
    this.skipSpace();
    if (this.peek() == 0x7d) return this.close(result);
    while (true) {
      this.skipSpace();
      if (this.peek() != 0x22) return this.refuse('expected a member name');
      const name = this.string();
      if (name === null) return null;
      this.skipSpace();
      if (this.peek() != 0x3a) return this.refuse('expected :');
      this.at++;
      const value = this.value();
      if (value === null) return null;
      result.set(name, value);
      this.skipSpace();
      if (this.peek() == 0x7d) return this.close(result);
      if (this.peek() != 0x2c) return this.refuse('expected , or }');
      this.at++;
    }
  }

  private array(): Json | null {
    if (++this.depth > MAX_DEPTH) return this.refuse('nested too deeply');
    const result = Json.array();
    this.at++;
    this.skipSpace();
    if (this.peek() == 0x5d) return this.close(result);
    while (true) {
      const value = this.value();
      if (value === null) return null;
      result.push(value);
      this.skipSpace();
      if (this.peek() == 0x5d) return this.close(result);
      if (this.peek() != 0x2c) return this.refuse('expected , or ]');
      this.at++;
    }
  }

  private close(result: Json): Json {
    this.at++;
    this.depth--;
    return result;
  }

  private number(): Json | null {
    const from = this.at;
    if (this.peek() == 0x2d) this.at++;
    if (this.peek() == 0x30) this.at++;
    else if (!this.digits()) return this.refuse('expected a digit');
    if (this.peek() == 0x2e) {
      this.at++;
      if (!this.digits()) return this.refuse('expected a digit after the point');
    }
    if ((this.peek() | 0x20) == 0x65) {
      this.at++;
      if (this.peek() == 0x2b || this.peek() == 0x2d) this.at++;
      if (!this.digits()) return this.refuse('expected a digit in the exponent');
    }
    return Json.number(parseFloat(this.text.substring(from, this.at)));
  }

  private digits(): bool {
    const from = this.at;
    while (isDigit(this.peek())) this.at++;
    return this.at > from;
  }

  private string(): string | null {
    const from = ++this.at;
    let plain = true;
    while (true) {
      const code = this.peek();
      if (code == 0x22) break;
      if (code < 0x20) {
        this.refuse(code < 0 ? 'string without an end' : 'control character in a string');
        return null;
      }
      if (code == 0x5c) {
        plain = false;
        this.at++;
      }
      this.at++;
    }
    const end = this.at++;
    return plain ? this.text.substring(from, end) : this.unescape(from, end);
  }

  /** Copies code units into one buffer, so that a long string costs one allocation. */
  private unescape(from: i32, end: i32): string | null {
    const units = new StaticArray<u16>(end - from);
    let count = 0;
    for (let i = from; i < end; i++) {
      let code = this.text.charCodeAt(i);
      if (code == 0x5c) {
        code = this.text.charCodeAt(++i);
        if (code == 0x75) {
          code = i + 4 < end ? hexOf(this.text, i + 1) : -1;
          i += 4;
        } else {
          code = simpleEscape(code);
        }
        if (code < 0) {
          this.at = i;
          this.refuse('unknown escape');
          return null;
        }
      }
      units[count++] = <u16>code;
    }
    return String.UTF16.decodeUnsafe(changetype<usize>(units), <usize>count << 1);
  }
}

function isDigit(code: i32): bool {
  return code >= 0x30 && code <= 0x39;
}

function simpleEscape(code: i32): i32 {
  switch (code) {
    case 0x22:
    case 0x5c:
    case 0x2f:
      return code;
    case 0x62:
      return 0x08;
    case 0x66:
      return 0x0c;
    case 0x6e:
      return 0x0a;
    case 0x72:
      return 0x0d;
    case 0x74:
      return 0x09;
    default:
      return -1;
  }
}

/** Four hexadecimal digits, or -1. */
function hexOf(text: string, at: i32): i32 {
  let value = 0;
  for (let i = at; i < at + 4; i++) {
    const code = text.charCodeAt(i);
    const lower = code | 0x20;
    let digit = -1;
    if (isDigit(code)) digit = code - 0x30;
    else if (lower >= 0x61 && lower <= 0x66) digit = lower - 0x57;
    if (digit < 0) return -1;
    value = (value << 4) | digit;
  }
  return value;
}
