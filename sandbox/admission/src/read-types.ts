/** Reads the types that stand in several sections: of values, references and limits. */
import type { ByteReader } from './byte-reader.ts';
import type { Feature } from './features.ts';

export const I32 = 0x7f;
export const I64 = 0x7e;
export const F32 = 0x7d;
export const F64 = 0x7c;
export const V128 = 0x7b;
export const FUNCREF = 0x70;
const EXTERNREF = 0x6f;

/** Numbers, vectors, and the two references of WebAssembly 2.0. */
const VALUE_TYPES: ReadonlySet<number> = new Set([
  ...[I32, I64, F32, F64, V128, FUNCREF, EXTERNREF],
]);

/** Codes of other types, by the proposal that brought them. */
const FOREIGN_TYPES: ReadonlyMap<number, Feature> = new Map<number, Feature>([
  [0x63, 'typed references'],
  [0x64, 'typed references'],
  [0x69, 'exception handling'],
  [0x74, 'exception handling'],
  [0x68, 'stack switching'],
  [0x75, 'stack switching'],
  ...[0x65, 0x6a, 0x6b, 0x6c, 0x6d, 0x6e, 0x71, 0x72, 0x73, 0x77, 0x78].map(
    (code) => [code, 'garbage-collected types'] as const,
  ),
]);

export function readValueType(reader: ByteReader): number {
  const type = reader.peek();
  if (type === undefined || !VALUE_TYPES.has(type)) return foreignType(reader, 'value');
  return reader.byte();
}

/** The type of a table's or a segment's entries. */
export function readReferenceType(reader: ByteReader): number {
  const type = reader.peek();
  if (type !== FUNCREF && type !== EXTERNREF) return foreignType(reader, 'reference');
  return reader.byte();
}

/** What a block takes and gives. @returns the index of a function type, or undefined for none */
export function readBlockType(reader: ByteReader): number | undefined {
  const type = reader.peek();
  if (type === 0x40 || (type !== undefined && VALUE_TYPES.has(type))) {
    reader.byte();
    return undefined;
  }
  if (type !== undefined && FOREIGN_TYPES.has(type)) return foreignType(reader, 'block');
  const index = reader.s33();
  return index < 0 ? reader.fail('unknown block type') : index;
}

function foreignType(reader: ByteReader, what: string): never {
  const type = reader.peek();
  const feature = type === undefined ? undefined : FOREIGN_TYPES.get(type);
  if (feature) return reader.failFeature(feature);
  return reader.fail(`unknown ${what} type${type === undefined ? '' : ` 0x${type.toString(16)}`}`);
}

export interface Limits {
  readonly initial: number;
  readonly maximum: number | undefined;
  readonly shared: boolean;
  readonly wide: boolean;
}

/**
 * Flags: 1 maximum, 2 shared, 4 64-bit, 8 a page size of its own.
 * @param most the largest maximum of a 32-bit one
 */
export function readLimits(reader: ByteReader, most = Number.POSITIVE_INFINITY): Limits {
  const flags = reader.peek() ?? 0;
  if (flags >= 8 && flags < 16) return reader.failFeature('custom page sizes');
  if (flags > 7) return reader.fail(`unknown limits flags 0x${flags.toString(16)}`);
  reader.byte();
  const wide = (flags & 4) !== 0;
  const read = () => (wide ? readWide(reader) : reader.u32());
  const initial = read();
  const maximum = (flags & 1) !== 0 ? read() : undefined;
  if (maximum !== undefined && initial > maximum) {
    reader.fail(`it starts with ${initial}, above its own maximum of ${maximum}`, 'module.invalid');
  }
  if (!wide && Math.max(initial, maximum ?? 0) > most) {
    reader.fail(`a memory has at most ${most} pages`, 'module.invalid');
  }
  return { initial, maximum, shared: (flags & 2) !== 0, wide };
}

/** A 64-bit LEB128, exact only up to 2^53; what it bounds is refused whatever it says. */
function readWide(reader: ByteReader): number {
  let value = 0;
  for (let index = 0; index < 10; index++) {
    const byte = reader.byte();
    if (index === 9 && byte > 1) break;
    value += (byte & 0x7f) * 2 ** (7 * index);
    if (byte < 0x80) return value;
  }
  return reader.fail('an integer is longer than 64 bits');
}
