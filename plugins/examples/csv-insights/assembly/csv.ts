// A reader of comma-separated text: RFC 4180, plus bare LF or CR line ends, any one-character
// delimiter and a byte order mark. Never guesses: text that is wrong stops it with a message.

const QUOTE: i32 = 0x22;
const LF: i32 = 0x0a;
const CR: i32 = 0x0d;

export class CsvReader {
  private at: i32 = 0;
  /** Number of the record last read, 1 for the header. */
  record: i32 = 0;
  /** What was wrong, or empty. */
  problem: string = '';

  constructor(
    private text: string,
    private delimiter: i32,
  ) {
    if (text.length > 0 && text.charCodeAt(0) == 0xfeff) this.at = 1;
  }

  /** The next record, or null at the end or at a problem. Empty lines are passed over. */
  next(): Array<string> | null {
    while (this.at < this.text.length && isLineEnd(this.text.charCodeAt(this.at))) this.at++;
    if (this.at >= this.text.length) return null;
    this.record++;
    const fields: Array<string> = [];
    while (true) {
      const field = this.field();
      if (field === null) return null;
      fields.push(field);
      if (this.at >= this.text.length) return fields;
      const code = this.text.charCodeAt(this.at++);
      if (code == this.delimiter) continue;
      return fields;
    }
  }

  /** Reads one field and stops before the delimiter, the line end or the end of the text. */
  private field(): string | null {
    if (this.at < this.text.length && this.text.charCodeAt(this.at) == QUOTE) return this.quoted();
    const from = this.at;
    while (this.at < this.text.length && !this.endsField(this.text.charCodeAt(this.at))) this.at++;
    return this.text.substring(from, this.at);
  }

  private quoted(): string | null {
    const parts: Array<string> = [];
    let from = ++this.at;
    while (true) {
      if (this.at >= this.text.length) {
        return this.refuse('a quoted field has no closing quote');
      }
      if (this.text.charCodeAt(this.at) != QUOTE) {
        this.at++;
        continue;
      }
      parts.push(this.text.substring(from, this.at++));
      if (this.at >= this.text.length) break;
      const code = this.text.charCodeAt(this.at);
      if (code == QUOTE) {
        parts.push('"');
        from = ++this.at;
        continue;
      }
      if (!this.endsField(code)) return this.refuse('text follows a closing quote');
      break;
    }
    return parts.length == 1 ? parts[0] : parts.join('');
  }

  private endsField(code: i32): bool {
    return code == this.delimiter || isLineEnd(code);
  }

  private refuse(what: string): string | null {
    this.problem = `record ${this.record}: ${what}`;
    return null;
  }
}

function isLineEnd(code: i32): bool {
  return code == LF || code == CR;
}
