/**
 * Reads what admission decides on: types, imports, functions, tables, memories and exports.
 * Of code, data, elements and globals it reads what makes an engine work: counts and sizes. The
 * rest is for the engine, after the rewrite and only within these bounds.
 */
import { ByteReader } from './byte-reader.ts';
import { readCode } from './read-code.ts';
import { SECTION, type Section, splitSections } from './sections.ts';

export interface FunctionType {
  readonly params: readonly number[];
  readonly results: readonly number[];
}

export type ExternalKind = 'function' | 'table' | 'memory' | 'global' | 'tag';
const KINDS: readonly ExternalKind[] = ['function', 'table', 'memory', 'global', 'tag'];

export interface Limits {
  readonly initial: number;
  readonly maximum: number | undefined;
  readonly shared: boolean;
  readonly wide: boolean;
}

export interface WasmModule {
  readonly sections: readonly Section[];
  /** `undefined` for a type that is not a plain function type. */
  readonly types: readonly (FunctionType | undefined)[];
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
  readonly exports: readonly {
    readonly name: string;
    readonly kind: ExternalKind;
    readonly index: number;
  }[];
  /** Index of the function that the start section names. */
  readonly start: number | undefined;
  /** Parts of WebAssembly that are refused, named for the author. */
  readonly features: readonly string[];
}

/** Real modules of 16 MiB stay below each of these; engines spend time and memory on each item. */
const MOST = {
  types: 20_000,
  /** An engine handles each of them again wherever a call or a block has the type. */
  params: 100,
  /** Each is a value that two bytes of code put on the engine's stack. */
  results: 16,
  imports: 1_000,
  functions: 100_000,
  exports: 10_000,
  globals: 10_000,
  elementSegments: 10_000,
  dataSegments: 100_000,
  entries: 100,
};
/** Bytes of the sections whose items are not counted one by one; a table has 10,000 entries. */
const MOST_BYTES = { globals: 1024 * 1024, elements: 1024 * 1024 };

const VALUE_TYPES: ReadonlySet<number> = new Set([0x7f, 0x7e, 0x7d, 0x7c, 0x7b, 0x70, 0x6f]);
const REFERENCE_TYPES: ReadonlySet<number> = new Set([0x70, 0x6f]);
export const I32 = 0x7f;
export const I64 = 0x7e;

interface Draft {
  types: FunctionType[];
  imports: WasmModule['imports'][number][];
  functions: number[];
  tables: WasmModule['tables'][number][];
  memories: Limits[];
  exports: WasmModule['exports'][number][];
  start: number | undefined;
  codes: number;
  features: Set<string>;
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
    exports: [],
    start: undefined,
    codes: 0,
    features: new Set(),
  };
  for (const section of sections) {
    const read = READERS[section.id];
    if (!read) continue;
    const reader = new ByteReader(bytes, section.start, section.end);
    const whole = read(reader, draft);
    if (whole !== 'partly' && !reader.done && draft.features.size === 0) {
      reader.fail(`section ${section.id} is longer than its contents`);
    }
  }
  if (draft.codes !== draft.functions.length) {
    new ByteReader(bytes, bytes.length).fail(
      `${draft.functions.length} functions are declared and ${draft.codes} have code`,
    );
  }
  return { ...draft, sections, features: [...draft.features] };
}

type SectionReader = (reader: ByteReader, draft: Draft) => 'partly' | undefined;

const READERS: { readonly [id: number]: SectionReader } = {
  [SECTION.custom]: (reader) => {
    reader.name();
    return 'partly';
  },
  [SECTION.type]: readTypes,
  [SECTION.import]: readImports,
  [SECTION.function]: (reader, draft) => {
    const count = reader.count(MOST.functions, 'functions');
    for (let i = 0; i < count; i++) draft.functions.push(reader.u32());
    return undefined;
  },
  [SECTION.table]: readTables,
  [SECTION.memory]: (reader, draft) => {
    const count = reader.count(MOST.entries, 'memories');
    for (let i = 0; i < count; i++) draft.memories.push(readLimits(reader));
    return undefined;
  },
  [SECTION.export]: (reader, draft) => {
    const count = reader.count(MOST.exports, 'exports');
    for (let i = 0; i < count; i++) {
      const name = reader.name();
      draft.exports.push({ name, kind: readKind(reader), index: reader.u32() });
    }
    return undefined;
  },
  [SECTION.start]: (reader, draft) => {
    draft.start = reader.u32();
    return undefined;
  },
  [SECTION.code]: (reader, draft) => {
    draft.codes = readCode(reader, MOST.functions);
    return undefined;
  },
  [SECTION.global]: (reader) => {
    boundBytes(reader, MOST_BYTES.globals, 'globals');
    reader.count(MOST.globals, 'globals');
    return 'partly';
  },
  [SECTION.element]: (reader) => {
    boundBytes(reader, MOST_BYTES.elements, 'element segments');
    reader.count(MOST.elementSegments, 'element segments');
    return 'partly';
  },
  [SECTION.data]: (reader) => {
    reader.count(MOST.dataSegments, 'data segments');
    return 'partly';
  },
  [SECTION.tag]: (_reader, draft) => {
    draft.features.add('exception handling');
    return 'partly';
  },
};

function boundBytes(reader: ByteReader, most: number, what: string): void {
  if (reader.left > most) {
    reader.fail(`${reader.left} bytes of ${what}, at most ${most} are taken`, 'module.count');
  }
}

function readTypes(reader: ByteReader, draft: Draft): 'partly' | undefined {
  const count = reader.count(MOST.types, 'types');
  for (let i = 0; i < count; i++) {
    const form = reader.byte();
    if (form !== 0x60) {
      if (form < 0x4d || form > 0x5f) reader.fail(`unknown type form 0x${form.toString(16)}`);
      draft.features.add('garbage-collected types');
      return 'partly';
    }
    const params = readValueTypes(reader, draft, MOST.params, 'parameters');
    const results = params && readValueTypes(reader, draft, MOST.results, 'results');
    if (!params || !results) return 'partly';
    draft.types.push({ params, results });
  }
  return undefined;
}

function readValueTypes(
  reader: ByteReader,
  draft: Draft,
  most: number,
  what: string,
): number[] | undefined {
  const count = reader.count(most, what);
  const types: number[] = [];
  for (let i = 0; i < count; i++) {
    const type = reader.byte();
    if (!VALUE_TYPES.has(type)) {
      if (type < 0x60 || type > 0x7f) reader.fail(`unknown value type 0x${type.toString(16)}`);
      draft.features.add('typed references');
      return undefined;
    }
    types.push(type);
  }
  return types;
}

function readImports(reader: ByteReader, draft: Draft): undefined {
  const count = reader.count(MOST.imports, 'imports');
  for (let i = 0; i < count; i++) {
    const module = reader.name();
    const name = reader.name();
    const kind = readKind(reader);
    let type: number | undefined;
    if (kind === 'function') type = reader.u32();
    else if (kind === 'memory') readLimits(reader);
    else if (kind === 'table') {
      reader.byte();
      readLimits(reader);
    } else {
      // A global is a value type and its mutability, a tag an attribute and a type.
      reader.byte();
      reader.u32();
    }
    draft.imports.push({ module, name, kind, type });
  }
}

function readTables(reader: ByteReader, draft: Draft): 'partly' | undefined {
  const count = reader.count(MOST.entries, 'tables');
  for (let i = 0; i < count; i++) {
    const element = reader.byte();
    if (!REFERENCE_TYPES.has(element)) {
      if (element !== 0x40 && (element < 0x60 || element > 0x70)) reader.fail('unknown table type');
      draft.features.add('typed references');
      return 'partly';
    }
    draft.tables.push({ element, limits: readLimits(reader) });
  }
  return undefined;
}

function readKind(reader: ByteReader): ExternalKind {
  const kind = KINDS[reader.byte()];
  return kind ?? reader.fail('unknown kind of import or export');
}

/** Flags: 1 maximum, 2 shared, 4 64-bit; 8 is the custom page size proposal. */
function readLimits(reader: ByteReader): Limits {
  const flags = reader.byte();
  if (flags > 7) reader.fail(`unknown limits flags 0x${flags.toString(16)}`);
  const wide = (flags & 4) !== 0;
  const read = () => (wide ? readWide(reader) : reader.u32());
  const initial = read();
  const maximum = (flags & 1) !== 0 ? read() : undefined;
  return { initial, maximum, shared: (flags & 2) !== 0, wide };
}

/** A 64-bit LEB128, exact only up to 2^53; the memory is refused whatever it says. */
function readWide(reader: ByteReader): number {
  let value = 0;
  for (let index = 0; index < 10; index++) {
    const byte = reader.byte();
    value += (byte & 0x7f) * 2 ** (7 * index);
    if (byte < 0x80) return value;
  }
  return reader.fail('an integer is longer than 64 bits');
}
