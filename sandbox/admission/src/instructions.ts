/**
 * What stands behind each opcode of WebAssembly 2.0 with tail calls (core specification, 5.4), and which
 * refused feature every other opcode belongs to.
 */
import type { Feature } from './features.ts';

/** What follows an opcode. */
export const OPERAND = {
  unknown: 0,
  none: 1,
  block: 2,
  else: 3,
  end: 4,
  label: 5,
  labels: 6,
  function: 7,
  indirect: 8,
  types: 9,
  local: 10,
  global: 11,
  table: 12,
  memory: 13,
  memoryIndex: 14,
  i32: 15,
  i64: 16,
  f32: 17,
  f64: 18,
  reference: 19,
  bulk: 20,
  vector: 21,
} as const;

function table(ranges: readonly (readonly [from: number, to: number, operand: number])[]) {
  const operands = new Uint8Array(256);
  for (const [from, to, operand] of ranges) operands.fill(operand, from, to + 1);
  return operands;
}

/** By the first byte of an instruction. */
export const OPERANDS: Uint8Array = table([
  [0x00, 0x01, OPERAND.none],
  [0x02, 0x04, OPERAND.block],
  [0x05, 0x05, OPERAND.else],
  [0x0b, 0x0b, OPERAND.end],
  [0x0c, 0x0d, OPERAND.label],
  [0x0e, 0x0e, OPERAND.labels],
  [0x0f, 0x0f, OPERAND.none],
  [0x10, 0x10, OPERAND.function],
  [0x11, 0x11, OPERAND.indirect],
  [0x12, 0x12, OPERAND.function],
  [0x13, 0x13, OPERAND.indirect],
  [0x1a, 0x1b, OPERAND.none],
  [0x1c, 0x1c, OPERAND.types],
  [0x20, 0x22, OPERAND.local],
  [0x23, 0x24, OPERAND.global],
  [0x25, 0x26, OPERAND.table],
  [0x28, 0x3e, OPERAND.memory],
  [0x3f, 0x40, OPERAND.memoryIndex],
  [0x41, 0x41, OPERAND.i32],
  [0x42, 0x42, OPERAND.i64],
  [0x43, 0x43, OPERAND.f32],
  [0x44, 0x44, OPERAND.f64],
  [0x45, 0xc4, OPERAND.none],
  [0xd0, 0xd0, OPERAND.reference],
  [0xd1, 0xd1, OPERAND.none],
  [0xd2, 0xd2, OPERAND.function],
  [0xfc, 0xfc, OPERAND.bulk],
  [0xfd, 0xfd, OPERAND.vector],
]);

/** The feature that an unknown first byte belongs to. */
export function featureOfOpcode(opcode: number): Feature | undefined {
  if (EXCEPTIONS.has(opcode)) return 'exception handling';
  if (TYPED_REFERENCES.has(opcode)) return 'typed references';
  if (opcode === 0xd3 || opcode === 0xfb) return 'garbage-collected types';
  if (opcode >= 0xe0 && opcode <= 0xe6) return 'stack switching';
  return opcode === 0xfe ? 'threads and atomics' : undefined;
}

const EXCEPTIONS: ReadonlySet<number> = new Set([
  ...[0x06, 0x07, 0x08, 0x09, 0x0a, 0x18, 0x19, 0x1f],
]);
const TYPED_REFERENCES: ReadonlySet<number> = new Set([0x14, 0x15, 0xd4, 0xd5, 0xd6]);

type Named = 'data' | 'element' | 'memory' | 'table';

/** Behind the prefix 0xfc, by the code that follows: the indices that come, in order. */
export const BULK: readonly (readonly Named[])[] = [
  // Conversions that saturate.
  ...Array.from({ length: 8 }, () => []),
  ['data', 'memory'],
  ['data'],
  ['memory', 'memory'],
  ['memory'],
  ['element', 'table'],
  ['element'],
  ['table', 'table'],
  ['table'],
  ['table'],
  ['table'],
];

export function featureOfBulk(code: number): Feature | undefined {
  if (code === 18) return 'memory control';
  if (code >= 19 && code <= 22) return 'wide arithmetic';
  return code === 0x30 || code === 0x31 ? 'half-precision floats' : undefined;
}

/** Largest alignment of an access to memory, as the power of two that it is encoded by. */
const ALIGNMENTS: readonly number[] = [
  ...[2, 3, 2, 3, 0, 0, 1, 1, 0, 0, 1, 1, 2, 2],
  ...[2, 3, 2, 3, 0, 1, 0, 1, 2],
];

/** @param opcode 0x28 to 0x3e */
export function alignmentOf(opcode: number): number {
  return ALIGNMENTS[opcode - 0x28] ?? 0;
}

/** What follows an instruction behind the prefix 0xfd. */
export interface VectorOperands {
  /** Largest alignment of its access to memory; undefined when it has none. */
  readonly alignment?: number;
  /** Lanes that one byte chooses from. */
  readonly lanes?: number;
  /** Sixteen bytes, each below this. */
  readonly bytesBelow?: number;
}

const NOTHING: VectorOperands = {};
const LANES = [16, 16, 16, 8, 8, 8, 4, 4, 2, 2, 4, 4, 2, 2] as const;

const VECTOR_OPERANDS: ReadonlyMap<number, VectorOperands> = new Map<number, VectorOperands>([
  ...[4, 3, 3, 3, 3, 3, 3, 0, 1, 2, 3, 4].map((alignment, code) => [code, { alignment }] as const),
  [12, { bytesBelow: 256 }],
  [13, { bytesBelow: 32 }],
  ...LANES.map((lanes, i) => [21 + i, { lanes }] as const),
  ...[0, 1, 2, 3, 0, 1, 2, 3].map(
    (alignment, i) => [84 + i, { alignment, lanes: 16 >> alignment }] as const,
  ),
  [92, { alignment: 2 }],
  [93, { alignment: 3 }],
]);

const VECTOR_GAPS: ReadonlySet<number> = new Set([
  ...[0x9a, 0xa2, 0xa5, 0xa6, 0xaf, 0xb0, 0xb2, 0xb3, 0xb4, 0xbb, 0xc2, 0xc5, 0xc6, 0xcf, 0xd0],
  ...[0xd2, 0xd3, 0xd4, 0xe2, 0xee],
]);

/** @returns undefined for an instruction that does not exist */
export function vectorOperands(code: number): VectorOperands | undefined {
  if (code > 0xff || VECTOR_GAPS.has(code)) return undefined;
  return VECTOR_OPERANDS.get(code) ?? NOTHING;
}

export function featureOfVector(code: number): Feature | undefined {
  if (code >= 0x100 && code <= 0x113) return 'relaxed SIMD';
  return code >= 0x120 && code <= 0x14f ? 'half-precision floats' : undefined;
}
