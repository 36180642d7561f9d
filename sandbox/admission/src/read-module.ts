/**
 * Reads a module section by section: everything but instructions, with bounds on whatever makes an
 * engine work. What is read is well-formed; whether its code type-checks is for the engine to say.
 */
import { MODULE_BOUNDS } from './bounds.ts';
import { ByteReader } from './byte-reader.ts';
import type { Feature } from './features.ts';
import { type Body, readCode } from './read-code.ts';
import { readNames } from './read-names.ts';
import {
  type Counts,
  readDataSegment,
  readElementSegment,
  readGlobal,
  readIndex,
  type Segment,
} from './read-segments.ts';
import { type Limits, readLimits, readReferenceType, readValueType } from './read-types.ts';
import { SECTION, type Section, sectionName, splitSections } from './sections.ts';

export interface FunctionType {
  readonly params: readonly number[];
  readonly results: readonly number[];
}

export type ExternalKind = 'function' | 'table' | 'memory' | 'global' | 'tag';
const KINDS: readonly ExternalKind[] = ['function', 'table', 'memory', 'global', 'tag'];

/** A part of WebAssembly that is refused, where it was first seen. */
export interface FoundFeature {
  readonly feature: Feature;
  readonly offset: number;
}

export interface WasmModule {
  readonly sections: readonly Section[];
  /** Fewer than there are, when `features` says that a type of another kind stands among them. */
  readonly types: readonly FunctionType[];
  readonly imports: readonly {
    readonly module: string;
    readonly name: string;
    readonly kind: ExternalKind;
    readonly type: number | undefined;
  }[];
  /** Type indices of the functions that the module defines. */
  readonly functions: readonly number[];
  readonly tables: readonly { readonly element: number; readonly limits: Limits }[];
  readonly memories: readonly Limits[];
  /** How many globals the module defines. */
  readonly globals: number;
  readonly exports: readonly {
    readonly name: string;
    readonly kind: ExternalKind;
    readonly index: number;
  }[];
  /** Index of the start function. */
  readonly start: number | undefined;
  readonly elements: readonly Segment[];
  /** How many data segments are announced before the code; undefined without the section. */
  readonly dataCount: number | undefined;
  readonly data: readonly Segment[];
  /** Of the functions that the module defines, in order. */
  readonly bodies: readonly Body[];
  readonly features: readonly FoundFeature[];
}

/** A memory of 4 GiB. */
const MEMORY_PAGES = 65_536;

interface Draft {
  types: FunctionType[];
  imports: WasmModule['imports'][number][];
  functions: number[];
  tables: WasmModule['tables'][number][];
  memories: Limits[];
  globals: number;
  exports: WasmModule['exports'][number][];
  start: number | undefined;
  elements: Segment[];
  dataCount: number | undefined;
  data: Segment[];
  bodies: Body[];
  customBytes: number;
  features: FoundFeature[];
}

/** @throws MalformedModule */
export function readModule(bytes: Uint8Array): WasmModule {
  const sections = splitSections(bytes);
  const draft: Draft = {
    types: [],
    imports: [],
    functions: [],
    tables: [],
    memories: [],
    globals: 0,
    exports: [],
    start: undefined,
    elements: [],
    dataCount: undefined,
    data: [],
    bodies: [],
    customBytes: 0,
    features: [],
  };
  for (const section of sections) {
    const reader = new ByteReader(bytes, section.start, section.end);
    const whole = READERS[section.id]?.(reader, draft);
    if (whole !== 'partly' && !reader.done) {
      reader.fail(`the ${sectionName(section.id)} section is longer than its contents`);
    }
  }
  checkCounts(bytes, draft);
  const { customBytes: _, ...module } = draft;
  return { ...module, sections };
}

function checkCounts(bytes: Uint8Array, draft: Draft): void {
  const end = new ByteReader(bytes, bytes.length);
  const { functions, bodies, data, dataCount } = draft;
  if (bodies.length !== functions.length) {
    end.fail(`${functions.length} functions are declared and ${bodies.length} have code`);
  }
  if (dataCount !== undefined && data.length !== dataCount) {
    end.fail(`${dataCount} data segments are announced, and there are ${data.length}`);
  }
}

type SectionReader = (reader: ByteReader, draft: Draft) => 'partly' | undefined;

const READERS: { readonly [id: number]: SectionReader } = {
  [SECTION.custom]: readCustom,
  [SECTION.type]: readTypes,
  [SECTION.import]: readImports,
  [SECTION.function]: (reader, draft) => {
    const count = reader.count(MODULE_BOUNDS.functions, 'functions');
    for (let i = 0; i < count; i++) draft.functions.push(readTypeIndex(reader, draft));
    return undefined;
  },
  [SECTION.table]: readTables,
  [SECTION.memory]: (reader, draft) => {
    const count = reader.count(MODULE_BOUNDS.tables, 'memories');
    for (let i = 0; i < count; i++) draft.memories.push(readLimits(reader, MEMORY_PAGES));
    return undefined;
  },
  [SECTION.tag]: (reader, draft) => {
    draft.features.push({ feature: 'exception handling', offset: reader.offset });
    return 'partly';
  },
  [SECTION.global]: (reader, draft) => {
    boundBytes(reader, MODULE_BOUNDS.globalBytes, 'globals');
    const count = reader.count(MODULE_BOUNDS.globals, 'globals');
    const counts = countsOf(draft);
    for (let i = 0; i < count; i++) {
      readGlobal(reader, { ...counts, globals: counts.importedGlobals + i });
    }
    draft.globals = count;
    return undefined;
  },
  [SECTION.export]: readExports,
  [SECTION.start]: (reader, draft) => {
    draft.start = readIndex(reader, countsOf(draft).functions, 'function');
    return undefined;
  },
  [SECTION.element]: (reader, draft) => {
    boundBytes(reader, MODULE_BOUNDS.elementBytes, 'element segments');
    const count = reader.count(MODULE_BOUNDS.elementSegments, 'element segments');
    const counts = countsOf(draft);
    for (let i = 0; i < count; i++) {
      draft.elements.push(readElementSegment(reader, counts));
    }
    return undefined;
  },
  [SECTION.dataCount]: (reader, draft) => {
    draft.dataCount = reader.u32();
    return undefined;
  },
  [SECTION.code]: (reader, draft) => {
    const imported = countsOf(draft).functions - draft.functions.length;
    draft.bodies = readCode(reader, imported);
    return undefined;
  },
  [SECTION.data]: (reader, draft) => {
    const count = reader.count(MODULE_BOUNDS.dataSegments, 'data segments');
    const counts = countsOf(draft);
    for (let i = 0; i < count; i++) draft.data.push(readDataSegment(reader, counts));
    return undefined;
  },
};

export function countsOf(
  module: Pick<WasmModule, 'imports' | 'functions' | 'tables' | 'memories' | 'globals'>,
): Counts {
  const imported: Record<ExternalKind, number> = {
    function: 0,
    table: 0,
    memory: 0,
    global: 0,
    tag: 0,
  };
  for (const { kind } of module.imports) imported[kind]++;
  return {
    functions: imported.function + module.functions.length,
    importedGlobals: imported.global,
    globals: imported.global + module.globals,
    memories: imported.memory + module.memories.length,
    tables: imported.table + module.tables.length,
  };
}

function boundBytes(reader: ByteReader, most: number, what: string): void {
  if (reader.left > most) {
    reader.fail(`${reader.left} bytes of ${what}, at most ${most} are taken`, 'module.count');
  }
}

function readCustom(reader: ByteReader, draft: Draft): 'partly' {
  draft.customBytes += reader.left;
  if (draft.customBytes > MODULE_BOUNDS.customBytes) {
    const message = `debug data and other custom sections have more than ${MODULE_BOUNDS.customBytes} bytes`;
    reader.fail(message, 'custom.size');
  }
  if (reader.name() === 'name') readNames(reader);
  return 'partly';
}

function readTypes(reader: ByteReader, draft: Draft): 'partly' | undefined {
  const count = reader.count(MODULE_BOUNDS.types, 'types');
  for (let i = 0; i < count; i++) {
    const form = reader.peek() ?? 0;
    if (form >= 0x4d && form <= 0x5f) {
      const feature = form === 0x5d ? 'stack switching' : 'garbage-collected types';
      draft.features.push({ feature, offset: reader.offset });
      return 'partly';
    }
    if (reader.byte() !== 0x60) reader.fail(`unknown kind of type 0x${form.toString(16)}`);
    const params = readValueTypes(reader, MODULE_BOUNDS.parameters, 'parameters');
    draft.types.push({ params, results: readValueTypes(reader, MODULE_BOUNDS.results, 'results') });
  }
  return undefined;
}

function readValueTypes(reader: ByteReader, most: number, what: string): number[] {
  const count = reader.count(most, what);
  const types: number[] = [];
  for (let i = 0; i < count; i++) types.push(readValueType(reader));
  return types;
}

function readTypeIndex(reader: ByteReader, { types, features }: Draft): number {
  // Types of another kind were not all read.
  return features.length > 0 ? reader.u32() : readIndex(reader, types.length, 'type');
}

function readImports(reader: ByteReader, draft: Draft): undefined {
  const count = reader.count(MODULE_BOUNDS.imports, 'imports');
  for (let i = 0; i < count; i++) {
    const module = reader.name();
    const name = reader.name();
    const kind = readKind(reader);
    let type: number | undefined;
    if (kind === 'function') type = readTypeIndex(reader, draft);
    else if (kind === 'memory') readLimits(reader, MEMORY_PAGES);
    else if (kind === 'table') {
      readReferenceType(reader);
      readLimits(reader);
    } else if (kind === 'global') {
      readValueType(reader);
      reader.byte();
    } else {
      reader.failFeature('exception handling');
    }
    draft.imports.push({ module, name, kind, type });
  }
}

function readTables(reader: ByteReader, draft: Draft): undefined {
  const count = reader.count(MODULE_BOUNDS.tables, 'tables');
  for (let i = 0; i < count; i++) {
    // A table with an initial value for its entries.
    if (reader.peek() === 0x40) reader.failFeature('typed references');
    const element = readReferenceType(reader);
    draft.tables.push({ element, limits: readLimits(reader) });
  }
}

function readExports(reader: ByteReader, draft: Draft): undefined {
  const count = reader.count(MODULE_BOUNDS.exports, 'exports');
  const { functions, tables, memories, globals } = countsOf(draft);
  const counts = { function: functions, table: tables, memory: memories, global: globals };
  for (let i = 0; i < count; i++) {
    const name = reader.name();
    const kind = readKind(reader);
    if (kind === 'tag') reader.failFeature('exception handling');
    draft.exports.push({ name, kind, index: readIndex(reader, counts[kind], kind) });
  }
}

function readKind(reader: ByteReader): ExternalKind {
  const kind = KINDS[reader.byte()];
  return kind ?? reader.fail('unknown kind of import or export');
}
