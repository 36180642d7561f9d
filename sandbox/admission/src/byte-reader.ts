/** Bounds-checked reading of WebAssembly bytes. Never reads past its end and never loops unbounded. */

import { MODULE_BOUNDS } from './bounds.ts';
import type { Feature } from './features.ts';
import type { AdmissionRule } from './finding.ts';

/** Rules that reading can find broken. */
export type ReadingRule = Extract<
  AdmissionRule,
  | 'module.malformed'
  | 'module.feature'
  | 'module.invalid'
  | 'module.count'
  | 'code.size'
  | 'code.locals'
  | 'code.nesting'
  | 'custom.size'
  | 'custom.names'
>;

/** Thrown for bytes that are not a well-formed binary or too much; only `admit` catches it. */
export class MalformedModule extends Error {
  override readonly name = 'MalformedModule';
  readonly offset: number;
  readonly rule: ReadingRule;
  /** The feature that a `module.feature` names. */
  readonly feature: Feature | undefined;
  /** Index of the function that it stands in, where it stands in one. */
  function: number | undefined;
  constructor(
    message: string,
    offset: number,
    rule: ReadingRule = 'module.malformed',
    feature?: Feature,
  ) {
    super(message);
    this.rule = rule;
    this.offset = offset;
    this.feature = feature;
  }
}

/** Runs `read`; what it throws tells the function that was read. */
export function inFunction<T>(index: number, read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (error instanceof MalformedModule) error.function = index;
    throw error;
  }
}

const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

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

  /** Ends the reading at a part of WebAssembly that is refused, whose contents are not known here. */
  failFeature(feature: Feature): never {
    const message = `the module uses ${feature}`;
    throw new MalformedModule(message, this.#offset, 'module.feature', feature);
  }

  /** The next byte, which stays unread; undefined at the end. */
  peek(): number | undefined {
    return this.#offset < this.#end ? this.#bytes[this.#offset] : undefined;
  }

  byte(): number {
    const value = this.#offset < this.#end ? this.#bytes[this.#offset] : undefined;
    if (value === undefined) return this.fail('the bytes end too early');
    this.#offset++;
    return value;
  }

  /** An unsigned LEB128 of at most 32 bits (WebAssembly core specification, 5.2.2). */
  u32(): number {
    const first = this.byte();
    if (first < 0x80) return first;
    let value = first & 0x7f;
    for (let index = 1; index < 5; index++) {
      const byte = this.byte();
      if (index === 4 && byte > 0x0f) this.fail('an integer is longer than 32 bits');
      value += (byte & 0x7f) * 2 ** (7 * index);
      if (byte < 0x80) return value;
    }
    return this.fail('an integer is longer than 32 bits');
  }

  /** A signed LEB128 of at most 32 bits. */
  s32(): number {
    return this.#signed(5, 0x78);
  }

  /** A signed LEB128 of at most 33 bits: the index of a type, or a negative code. */
  s33(): number {
    return this.#signed(5, 0x70);
  }

  /** A signed LEB128 of at most 64 bits; exact up to 53, which is more than anybody here reads. */
  s64(): number {
    return this.#signed(10, 0x7f);
  }

  /** @param signs in the last byte, the bits that have to be all of the sign (5.2.2) */
  #signed(mostBytes: number, signs: number): number {
    let value = 0;
    let factor = 1;
    for (let index = 1; ; index++) {
      const byte = this.byte();
      value += (byte & 0x7f) * factor;
      factor *= 128;
      if (index === mostBytes) {
        const found = byte & signs;
        if (byte >= 0x80 || (found !== 0 && found !== signs)) this.fail('an integer is too long');
      }
      if (byte < 0x80) return (byte & 0x40) === 0 ? value : value - factor;
    }
  }

  skip(length: number): void {
    if (length > this.#end - this.#offset) this.fail('the bytes end too early');
    this.#offset += length;
  }

  /** A reader of the next `length` bytes, which are skipped here. */
  part(length: number): ByteReader {
    const from = this.#offset;
    this.skip(length);
    return new ByteReader(this.#bytes, from, this.#offset);
  }

  /** A vector's length; refused above `most`, or when the rest could not hold that many items. */
  count(most: number, what: string): number {
    const count = this.u32();
    if (count > most) this.fail(`${count} ${what}, at most ${most} are taken`, 'module.count');
    if (count > this.#end - this.#offset) this.fail(`${count} ${what} do not fit into the section`);
    return count;
  }

  take(length: number): Uint8Array {
    const from = this.#offset;
    this.skip(length);
    return this.#bytes.subarray(from, from + length);
  }

  name(): string {
    const length = this.u32();
    if (length > MODULE_BOUNDS.nameBytes) {
      this.fail(
        `a name of ${length} bytes, at most ${MODULE_BOUNDS.nameBytes} are taken`,
        'module.count',
      );
    }
    const bytes = this.take(length);
    try {
      return decoder.decode(bytes);
    } catch {
      return this.fail('a name is not UTF-8');
    }
  }
}
