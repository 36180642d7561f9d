// What one column turns out to hold. It counts as numbers until a value is none.
import { Json } from '@portarium/sdk/assembly';

export class Column {
  private count: i32 = 0;
  private missing: i32 = 0;
  private numeric: bool = true;
  private numbers: Array<f64> = [];
  private texts: Set<string> = new Set<string>();

  constructor(private name: string) {}

  add(field: string): void {
    const text = field.trim();
    if (text.length == 0) {
      this.missing++;
      return;
    }
    this.count++;
    this.texts.add(field);
    if (!this.numeric) return;
    if (isNumber(text)) {
      this.numbers.push(parseFloat(text));
    } else {
      this.numeric = false;
      this.numbers = [];
    }
  }

  toJson(): Json {
    const isNumeric = this.numeric && this.count > 0;
    const json = Json.object()
      .set('name', Json.string(this.name))
      .set('type', Json.string(isNumeric ? 'number' : 'text'))
      .set('count', Json.number(this.count))
      .set('missing', Json.number(this.missing))
      .set('distinct', Json.number(this.texts.size));
    if (isNumeric) this.describe(json);
    return json;
  }

  /** Mean and sample standard deviation by Welford's method, which does not lose small differences. */
  private describe(json: Json): void {
    const sorted = this.numbers.sort((a, b) => (a < b ? -1 : a > b ? 1 : 0));
    const n = sorted.length;
    let mean: f64 = 0;
    let squares: f64 = 0;
    for (let i = 0; i < n; i++) {
      const delta = sorted[i] - mean;
      mean += delta / (i + 1);
      squares += delta * (sorted[i] - mean);
    }
    const middle = n >> 1;
    const median = n % 2 == 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
    json
      .set('min', Json.number(sorted[0]))
      .set('max', Json.number(sorted[n - 1]))
      .set('mean', Json.number(mean))
      .set('stddev', Json.number(n > 1 ? Math.sqrt(squares / (n - 1)) : 0))
      .set('median', Json.number(median));
  }
}

/** An optional sign, digits with an optional point, an optional exponent; nothing else. */
function isNumber(text: string): bool {
  let at = 0;
  const sign = text.charCodeAt(0);
  if (sign == 0x2b || sign == 0x2d) at++;
  let digits = 0;
  let points = 0;
  for (; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (code >= 0x30 && code <= 0x39) digits++;
    else if (code == 0x2e && points == 0) points++;
    else break;
  }
  if (digits == 0) return false;
  if (at == text.length) return true;
  if ((text.charCodeAt(at) | 0x20) != 0x65) return false;
  at++;
  if (at < text.length && (text.charCodeAt(at) == 0x2b || text.charCodeAt(at) == 0x2d)) at++;
  if (at == text.length) return false;
  for (; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (code < 0x30 || code > 0x39) return false;
  }
  return true;
}
