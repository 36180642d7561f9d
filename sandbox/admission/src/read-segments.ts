/**
 * Reads globals and the segments that fill memory and tables: their constant expressions, where they
 * lie, and how long they are.
 */
import { MODULE_BOUNDS } from './bounds.ts';
import type { ByteReader } from './byte-reader.ts';
import {
  F32,
  F64,
  FUNCREF,
  I32,
  I64,
  readReferenceType,
  readValueType,
  V128,
} from './read-types.ts';

/** Where an active segment starts; undefined when that depends on an imported global. */
export interface Segment {
  /** Of the segment's first byte in the file. */
  readonly at: number;
  /** Of the table or memory that it fills at the start; undefined for the others. */
  readonly target: number | undefined;
  readonly offset: number | undefined;
  /** Bytes of data, or entries of a table. */
  readonly length: number;
}

/** How many of each there are for an index to name. */
export interface Counts {
  readonly functions: number;
  readonly importedGlobals: number;
  readonly globals: number;
  readonly memories: number;
  readonly tables: number;
}

/** What a constant expression gives; both undefined when that is an imported global's. */
interface Constant {
  readonly type: number | undefined;
  /** Of an i32, as an unsigned integer. */
  readonly value?: number;
}

/** @param counts `globals` counts those before it */
export function readGlobal(reader: ByteReader, counts: Counts): void {
  const type = readValueType(reader);
  if (reader.byte() > 1) reader.fail('a global is neither constant nor mutable');
  readConstant(reader, counts, type);
}

/** One instruction and its end; whatever else stands there is a proposal, or is refused. */
function readConstant(reader: ByteReader, counts: Counts, type: number): Constant {
  const constant = readConstantInstruction(reader, counts);
  const end = reader.peek();
  if (end !== undefined && EXTENDED.has(end)) {
    return reader.failFeature('extended constant expressions');
  }
  if (reader.byte() !== 0x0b) reader.fail('a constant expression does not end where it should');
  if (constant.type !== undefined && constant.type !== type) {
    reader.fail('a constant expression has another type than what it is for');
  }
  return constant;
}

/** What may follow a first constant under the proposal `extended-const`: constants and arithmetic. */
const EXTENDED: ReadonlySet<number> = new Set([
  0x23, 0x41, 0x42, 0x6a, 0x6b, 0x6c, 0x7c, 0x7d, 0x7e,
]);

function readConstantInstruction(reader: ByteReader, counts: Counts): Constant {
  switch (reader.byte()) {
    case 0x41:
      return { type: I32, value: reader.s32() >>> 0 };
    case 0x42:
      reader.s64();
      return { type: I64 };
    case 0x43:
      reader.skip(4);
      return { type: F32 };
    case 0x44:
      reader.skip(8);
      return { type: F64 };
    case 0x23:
      if (readIndex(reader, counts.globals, 'global') >= counts.importedGlobals) {
        return reader.failFeature('extended constant expressions');
      }
      return { type: undefined };
    case 0xd0:
      return { type: readReferenceType(reader) };
    case 0xd2:
      readIndex(reader, counts.functions, 'function');
      return { type: FUNCREF };
    case 0xfb:
      return reader.failFeature('garbage-collected types');
    case 0xfd:
      if (reader.u32() !== 12) return reader.fail('a constant expression has another instruction');
      reader.skip(16);
      return { type: V128 };
    default:
      return reader.fail('a constant expression has another instruction');
  }
}

function readOffset(reader: ByteReader, counts: Counts): number | undefined {
  return readConstant(reader, counts, I32).value;
}

export function readIndex(reader: ByteReader, count: number, what: string): number {
  const index = reader.u32();
  return index < count ? index : reader.fail(`there is no ${what} ${index}`);
}

export function readDataSegment(reader: ByteReader, counts: Counts): Segment {
  const at = reader.offset;
  const flags = reader.u32();
  if (flags > 2) reader.fail(`unknown kind of data segment ${flags}`);
  if (flags === 1) return { at, target: undefined, offset: undefined, length: readBytes(reader) };
  const target = readTarget(reader, flags, counts.memories, 'memory');
  const offset = readOffset(reader, counts);
  return { at, target, offset, length: readBytes(reader) };
}

function readTarget(reader: ByteReader, flags: number, count: number, what: string): number {
  const target = flags === 0 ? 0 : reader.u32();
  return target < count ? target : reader.fail(`there is no ${what} ${target}`);
}

function readBytes(reader: ByteReader): number {
  const length = reader.u32();
  reader.skip(length);
  return length;
}

/** Flags: 1 not active, 2 a table's index or declared only, 4 expressions (core specification, 5.5.12). */
export function readElementSegment(reader: ByteReader, counts: Counts): Segment {
  const at = reader.offset;
  const flags = reader.u32();
  if (flags > 7) reader.fail(`unknown kind of element segment ${flags}`);
  const active = (flags & 1) === 0;
  const target = active ? readTarget(reader, flags & 2, counts.tables, 'table') : undefined;
  const offset = active ? readOffset(reader, counts) : undefined;
  const expressions = (flags & 4) !== 0;
  let type = FUNCREF;
  if ((flags & 3) !== 0) {
    if (expressions) type = readReferenceType(reader);
    else if (reader.byte() !== 0) reader.fail('unknown kind of elements');
  }
  const length = reader.count(MODULE_BOUNDS.elementEntries, 'entries of a segment');
  for (let entry = 0; entry < length; entry++) {
    if (expressions) readConstant(reader, counts, type);
    else readIndex(reader, counts.functions, 'function');
  }
  return { at, target, offset, length };
}
