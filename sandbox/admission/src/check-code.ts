/**
 * Reads every instruction: which features it belongs to, how deep blocks stand in each other, and whether
 * what it names is there. One pass without recursion; whether operands have the right types is left to
 * the engine. Gives the thread back every few milliseconds.
 */
import { MODULE_BOUNDS } from './bounds.ts';
import { ByteReader, inFunction, MalformedModule } from './byte-reader.ts';
import type { Feature } from './features.ts';
import {
  alignmentOf,
  BULK,
  featureOfBulk,
  featureOfOpcode,
  featureOfVector,
  OPERAND,
  OPERANDS,
  vectorOperands,
} from './instructions.ts';
import type { Body } from './read-code.ts';
import { countsOf, type WasmModule } from './read-module.ts';
import { readIndex } from './read-segments.ts';
import { readBlockType, readReferenceType, readValueType } from './read-types.ts';

/** How long the caller's thread is held at once. */
const SLICE_MS = 10;
/** Bodies between two looks at the time are at most this long together. */
const SLICE_BYTES = 64 * 1024;

/**
 * @returns what is against the code: each refused feature once, where it was first seen, and what ended
 * the reading; nothing when the code is well-formed
 */
export async function checkCode(
  bytes: Uint8Array,
  module: WasmModule,
): Promise<readonly MalformedModule[]> {
  const spaces = spacesOf(module);
  const imported = spaces.functions - module.functions.length;
  const features = new Map<Feature, MalformedModule>();
  let heldSince = performance.now();
  let bytesSince = 0;
  for (const [index, body] of module.bodies.entries()) {
    const type = module.functions[index];
    const params = type === undefined ? 0 : (module.types[type]?.params.length ?? 0);
    const reader = new ByteReader(bytes, body.start, body.end);
    try {
      inFunction(imported + index, () => readBody(reader, body, params, spaces));
    } catch (error) {
      if (!(error instanceof MalformedModule)) throw error;
      if (error.feature === undefined) return [...features.values(), error];
      if (!features.has(error.feature)) features.set(error.feature, error);
    }
    bytesSince += body.end - body.start;
    if (bytesSince < SLICE_BYTES) continue;
    bytesSince = 0;
    if (performance.now() - heldSince < SLICE_MS) continue;
    await new Promise((resolve) => setTimeout(resolve, 0));
    heldSince = performance.now();
  }
  return [...features.values()];
}

/** How many of each an index may name. */
interface Spaces {
  readonly functions: number;
  readonly types: number;
  readonly tables: number;
  readonly memories: number;
  readonly globals: number;
  readonly elements: number;
  readonly data: number;
}

function spacesOf(module: WasmModule): Spaces {
  return {
    ...countsOf(module),
    types: module.types.length,
    elements: module.elements.length,
    // Code may name data segments only when they are announced before it.
    data: module.dataCount ?? 0,
  };
}

/** Open blocks of the function that is read: 1 an `if` that may have an `else`, 0 any other. */
const open = new Uint8Array(MODULE_BOUNDS.nesting + 1);

function readBody(reader: ByteReader, body: Body, params: number, spaces: Spaces): void {
  const locals = params + body.locals;
  let depth = 0;
  for (;;) {
    const at = reader.offset;
    const opcode = reader.byte();
    switch (OPERANDS[opcode]) {
      case OPERAND.none:
        break;
      case OPERAND.local:
        if (reader.u32() >= locals) reader.fail('there is no such local variable');
        break;
      case OPERAND.i32:
        reader.s32();
        break;
      case OPERAND.memory:
        readMemoryOperand(reader, spaces, alignmentOf(opcode));
        break;
      case OPERAND.block: {
        const type = readBlockType(reader);
        if (type !== undefined && type >= spaces.types) reader.fail(`there is no type ${type}`);
        if (++depth > MODULE_BOUNDS.nesting) {
          const message = `blocks stand more than ${MODULE_BOUNDS.nesting} deep in each other`;
          throw new MalformedModule(message, at, 'code.nesting');
        }
        open[depth] = opcode === 0x04 ? 1 : 0;
        break;
      }
      case OPERAND.else:
        if (depth === 0 || open[depth] !== 1) reader.fail('an else has no if');
        open[depth] = 0;
        break;
      case OPERAND.end:
        if (depth-- > 0) break;
        if (!reader.done) reader.fail('code stands behind the end of a function');
        return;
      case OPERAND.label:
        readLabel(reader, depth);
        break;
      case OPERAND.labels:
        readLabels(reader, depth);
        break;
      default:
        readRareOperand(reader, opcode, at, spaces);
    }
  }
}

function readLabel(reader: ByteReader, depth: number): void {
  if (reader.u32() > depth) reader.fail('a branch leaves more blocks than there are');
}

function readLabels(reader: ByteReader, depth: number): void {
  const count = reader.count(MODULE_BOUNDS.branches, 'places of one br_table');
  for (let label = 0; label <= count; label++) readLabel(reader, depth);
}

function readRareOperand(reader: ByteReader, opcode: number, at: number, spaces: Spaces): void {
  switch (OPERANDS[opcode]) {
    case OPERAND.function:
      readIndex(reader, spaces.functions, 'function');
      return;
    case OPERAND.indirect:
      readIndex(reader, spaces.types, 'type');
      readIndex(reader, spaces.tables, 'table');
      return;
    case OPERAND.types:
      if (reader.u32() !== 1) reader.fail('a select names another number of types than one');
      readValueType(reader);
      return;
    case OPERAND.global:
      readIndex(reader, spaces.globals, 'global');
      return;
    case OPERAND.table:
      readIndex(reader, spaces.tables, 'table');
      return;
    case OPERAND.memoryIndex:
      readMemoryIndex(reader, spaces);
      return;
    case OPERAND.i64:
      reader.s64();
      return;
    case OPERAND.f32:
      reader.skip(4);
      return;
    case OPERAND.f64:
      reader.skip(8);
      return;
    case OPERAND.reference:
      readReferenceType(reader);
      return;
    case OPERAND.bulk:
      readBulk(reader, at, spaces);
      return;
    case OPERAND.vector:
      readVector(reader, at, spaces);
      return;
    default:
      refuseUnknown(`instruction 0x${opcode.toString(16)}`, at, featureOfOpcode(opcode));
  }
}

function readBulk(reader: ByteReader, at: number, spaces: Spaces): void {
  const code = reader.u32();
  const operands = BULK[code];
  if (!operands) {
    refuseUnknown(`instruction 0xfc 0x${code.toString(16)}`, at, featureOfBulk(code));
    return;
  }
  for (const operand of operands) {
    if (operand === 'memory') readMemoryIndex(reader, spaces);
    else if (operand === 'table') readIndex(reader, spaces.tables, 'table');
    else if (operand === 'data') readIndex(reader, spaces.data, 'announced data segment');
    else readIndex(reader, spaces.elements, 'element segment');
  }
}

function readVector(reader: ByteReader, at: number, spaces: Spaces): void {
  const code = reader.u32();
  const operands = vectorOperands(code);
  if (operands === undefined) {
    refuseUnknown(`instruction 0xfd 0x${code.toString(16)}`, at, featureOfVector(code));
    return;
  }
  const { alignment, lanes, bytesBelow } = operands;
  if (alignment !== undefined) readMemoryOperand(reader, spaces, alignment);
  if (lanes !== undefined && reader.byte() >= lanes) reader.fail('there is no such lane');
  if (bytesBelow !== undefined && reader.take(16).some((byte) => byte >= bytesBelow)) {
    reader.fail('there is no such lane');
  }
}

function refuseUnknown(what: string, at: number, feature: Feature | undefined): never {
  if (feature)
    throw new MalformedModule(`the module uses ${feature}`, at, 'module.feature', feature);
  throw new MalformedModule(`unknown ${what}`, at);
}

/** Alignment and offset; bit 6 of the first says that a memory's index follows. */
function readMemoryOperand(reader: ByteReader, spaces: Spaces, most: number): void {
  const alignment = reader.u32();
  if (alignment >= 0x40) {
    if (alignment < 0x80) reader.failFeature('multi-memory');
    reader.fail('unknown flags of a memory access');
  }
  if (alignment > most)
    reader.fail(`an access is aligned to 2^${alignment} bytes, at most 2^${most}`);
  if (spaces.memories === 0) reader.fail('memory is accessed, and there is none');
  reader.u32();
}

function readMemoryIndex(reader: ByteReader, spaces: Spaces): void {
  const index = reader.u32();
  if (index >= spaces.memories) reader.fail(`there is no memory ${index}`);
  if (index !== 0) reader.failFeature('multi-memory');
}
