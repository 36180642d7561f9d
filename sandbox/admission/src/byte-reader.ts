/** Bounds-checked reading of WebAssembly bytes. Never reads past its end and never loops unbounded. */

import type { AdmissionRule } from './finding.ts';

/** Rules that reading can find broken. */
export type ReadingRule = Extract<
  AdmissionRule,
  'module.malformed' | 'module.count' | 'code.size' | 'code.locals'
>;

/** Thrown for bytes that are not a well-formed binary or too much; only `admit` catches it. */
export class MalformedModule extends Error {
  override readonly name = 'MalformedModule';
  readonly offset: number;
  readonly rule: ReadingRule;
  constructor(message: string, offset: number, rule: ReadingRule = 'module.malformed') {
    super(message);
    this.rule = rule;
    this.offset = offset;
  }
}

const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** Longest import or export name, in bytes; real tool chains stay far below. */
const MAX_NAME_BYTES = 4_096;

export class ByteReader {
  readonly #bytes: Uint8Array;
  readonly #end: number;
  #offset: number;

  /** Reads `bytes` from `start` to `end`; offsets in errors count from the start of `bytes`. */
  constructor(bytes: Uint8Array, start = 0, end: number = bytes.length) {
    this.#bytes = bytes;
    this.#offset = start;
    this.#end = end;
  }

  get offset(): number {
    return this.#offset;
  }

  /** Bytes that were not read yet. */
  get left(): number {
    return this.#end - this.#offset;
  }

  get done(): boolean {
    return this.#offset >= this.#end;
  }

  fail(message: string, rule?: ReadingRule): never {
    throw new MalformedModule(message, this.#offset, rule);
  }

  byte(): number {
    const value = this.#offset < this.#end ? this.#bytes[this.#offset] : undefined;
    if (value === undefined) return this.fail('the bytes end too early');
    this.#offset++;
    return value;
  }

  /** An unsigned LEB128 of at most 32 bits (WebAssembly core specification, 5.2.2). */
  u32(): number {
    let value = 0;
    for (let index = 0; index < 5; index++) {
      const byte = this.byte();
      if (index === 4 && byte > 0x0f) this.fail('an integer is longer than 32 bits');
      value += (byte & 0x7f) * 2 ** (7 * index);
      if (byte < 0x80) return value;
    }
    return this.fail('an integer is longer than 32 bits');
  }

  /** A vector's length; refused above `most`, or when the rest could not hold that many items. */
  count(most: number, what: string): number {
    const count = this.u32();
    if (count > most) this.fail(`${count} ${what}, at most ${most} are taken`, 'module.count');
    if (count > this.#end - this.#offset) this.fail(`${count} ${what} do not fit into the section`);
    return count;
  }

  take(length: number): Uint8Array {
    if (length > this.#end - this.#offset) this.fail('the bytes end too early');
    const part = this.#bytes.subarray(this.#offset, this.#offset + length);
    this.#offset += length;
    return part;
  }

  name(): string {
    const length = this.u32();
    if (length > MAX_NAME_BYTES) {
      this.fail(`a name of ${length} bytes, at most ${MAX_NAME_BYTES} are taken`, 'module.count');
    }
    const bytes = this.take(length);
    try {
      return decoder.decode(bytes);
    } catch {
      return this.fail('a name is not UTF-8');
    }
  }
}
