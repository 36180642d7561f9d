/** What a guest writes to one descriptor, line by line. Never holds more than one line of a log. */
import { MAX_LOG_CHARACTERS } from './messages.ts';

const NEWLINE = 0x0a;
/** UTF-8 has at most 4 bytes a character, and the log marks what is cut. */
const MAX_LINE_BYTES = 4 * (MAX_LOG_CHARACTERS + 1);

export class WasiOutput {
  readonly #say: (line: string) => void;
  #line = new Uint8Array(256);
  #length = 0;

  constructor(say: (line: string) => void) {
    this.#say = say;
  }

  write(bytes: Uint8Array): void {
    let rest = bytes;
    for (let end = rest.indexOf(NEWLINE); end !== -1; end = rest.indexOf(NEWLINE)) {
      this.#append(rest.subarray(0, end));
      this.#say(this.#end());
      rest = rest.subarray(end + 1);
    }
    this.#append(rest);
  }

  /** Takes the line that has no end yet. */
  rest(): string | undefined {
    return this.#length > 0 ? this.#end() : undefined;
  }

  #append(bytes: Uint8Array): void {
    const kept = bytes.subarray(0, MAX_LINE_BYTES - this.#length);
    const needed = this.#length + kept.length;
    if (needed > this.#line.length) {
      const larger = new Uint8Array(Math.min(2 * needed, MAX_LINE_BYTES));
      larger.set(this.#line.subarray(0, this.#length));
      this.#line = larger;
    }
    this.#line.set(kept, this.#length);
    this.#length = needed;
  }

  #end(): string {
    const line = new TextDecoder().decode(this.#line.subarray(0, this.#length));
    this.#length = 0;
    return line;
  }
}
