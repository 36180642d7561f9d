// JSON (RFC 8259) as a value tree. Written here because AssemblyScript's JSON packages need
// compiler transforms. Never throws on bad text: `parse` answers null and `problem` says why.
import { JsonParser } from './json-parser';

export enum JsonKind {
  Null,
  Bool,
  Number,
  String,
  Array,
  Object,
}

let lastProblem: string = '';

export class Json {
  flag: bool = false;
  num: f64 = 0;
  str: string = '';
  items: Array<Json> = [];
  /** Names of an object's members, in order, parallel to `items`. */
  names: Array<string> = [];

  constructor(public kind: JsonKind) {}

  /** The value of `text`, or null when it is not JSON; see {@link Json.problem}. */
  static parse(text: string): Json | null {
    const parser = new JsonParser(text);
    const value = parser.parse();
    lastProblem = parser.problem;
    return value;
  }

  /** What was wrong with the text of the last `parse` that answered null. */
  static problem(): string {
    return lastProblem;
  }

  static null(): Json {
    return new Json(JsonKind.Null);
  }

  static bool(value: bool): Json {
    const json = new Json(JsonKind.Bool);
    json.flag = value;
    return json;
  }

  /** A number; what JSON can not write (NaN, infinities) becomes null. */
  static number(value: f64): Json {
    const json = new Json(isFinite(value) ? JsonKind.Number : JsonKind.Null);
    json.num = value;
    return json;
  }

  static string(value: string): Json {
    const json = new Json(JsonKind.String);
    json.str = value;
    return json;
  }

  static array(): Json {
    return new Json(JsonKind.Array);
  }

  static object(): Json {
    return new Json(JsonKind.Object);
  }

  /** Appends to an array; answers the array. */
  push(value: Json): Json {
    this.items.push(value);
    return this;
  }

  /** Sets a member of an object, replacing one of the same name; answers the object. */
  set(name: string, value: Json): Json {
    const at = this.names.indexOf(name);
    if (at >= 0) {
      this.items[at] = value;
    } else {
      this.names.push(name);
      this.items.push(value);
    }
    return this;
  }

  /** A member of an object, or null when there is none. */
  get(name: string): Json | null {
    const at = this.names.indexOf(name);
    return at < 0 ? null : this.items[at];
  }

  /** Items of an array or members of an object. */
  get length(): i32 {
    return this.items.length;
  }

  at(index: i32): Json {
    return this.items[index];
  }

  isNull(): bool {
    return this.kind == JsonKind.Null;
  }

  /** A member that is a string, else `fallback`. */
  getString(name: string, fallback: string = ''): string {
    const value = this.get(name);
    return value !== null && value.kind == JsonKind.String ? value.str : fallback;
  }

  /** A member that is a number, else `fallback`. */
  getNumber(name: string, fallback: f64 = 0): f64 {
    const value = this.get(name);
    return value !== null && value.kind == JsonKind.Number ? value.num : fallback;
  }

  /** A member that is true or false, else `fallback`. */
  getBool(name: string, fallback: bool = false): bool {
    const value = this.get(name);
    return value !== null && value.kind == JsonKind.Bool ? value.flag : fallback;
  }

  /** JSON text without white space. */
  toString(): string {
    const parts: Array<string> = [];
    write(this, parts);
    return parts.join('');
  }
}

function write(value: Json, parts: Array<string>): void {
  switch (value.kind) {
    case JsonKind.Bool:
      parts.push(value.flag ? 'true' : 'false');
      break;
    case JsonKind.Number:
      parts.push(numberText(value.num));
      break;
    case JsonKind.String:
      writeString(value.str, parts);
      break;
    case JsonKind.Array:
      parts.push('[');
      for (let i = 0; i < value.items.length; i++) {
        if (i > 0) parts.push(',');
        write(value.items[i], parts);
      }
      parts.push(']');
      break;
    case JsonKind.Object:
      parts.push('{');
      for (let i = 0; i < value.items.length; i++) {
        if (i > 0) parts.push(',');
        writeString(value.names[i], parts);
        parts.push(':');
        write(value.items[i], parts);
      }
      parts.push('}');
      break;
    default:
      parts.push('null');
  }
}

/** Integers without a fraction, which `f64.toString` of AssemblyScript would write as `12.0`. */
function numberText(value: f64): string {
  const whole = <f64>(<i64>value);
  if (whole == value && Math.abs(value) <= 9007199254740991) return (<i64>value).toString();
  return value.toString();
}

function writeString(value: string, parts: Array<string>): void {
  parts.push('"');
  let from = 0;
  for (let i = 0; i < value.length; i++) {
    const code = value.charCodeAt(i);
    if (code >= 0x20 && code != 0x22 && code != 0x5c) continue;
    if (i > from) parts.push(value.substring(from, i));
    parts.push(escaped(code));
    from = i + 1;
  }
  if (from == 0) parts.push(value);
  else if (from < value.length) parts.push(value.substring(from));
  parts.push('"');
}

function escaped(code: i32): string {
  switch (code) {
    case 0x22:
      return '\\"';
    case 0x5c:
      return '\\\\';
    case 0x0a:
      return '\\n';
    case 0x0d:
      return '\\r';
    case 0x09:
      return '\\t';
    default:
      return '\\u' + code.toString(16).padStart(4, '0');
  }
}
