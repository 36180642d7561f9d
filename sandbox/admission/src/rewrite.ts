/**
 * Changes of a module that passed the rules: a memory or table without a low maximum gets the
 * limit; the WASI imports name our own module; what a start section would run becomes an export,
 * since a start section could not be put under a deadline. All else is copied as it is.
 */
import { ByteReader } from './byte-reader.ts';
import { concatBytes, encodeName, encodeU32 } from './byte-writer.ts';
import { importsWasi, MAX_TABLE_ENTRIES, PAGES_PER_MIB } from './module-rules.ts';
import type { WasmModule } from './read-module.ts';
import type { Limits } from './read-types.ts';
import { HEADER, SECTION, type Section } from './sections.ts';
import { WASI_MODULE } from './wasi-functions.ts';

/** Part of the key of rewritten bytes: raise it whenever equal input gives other output. */
export const REWRITER = 'portarium-rewriter/2';

/** What cells serve WASI preview 1 as. Bun refuses the real name, whoever would serve it. */
export const SERVED_WASI_MODULE = 'portarium:wasi/p1';

/** The export that a cell calls first, once, with nothing: the module's start function. */
export const START_EXPORT = 'portarium:start';

type Part = Uint8Array | readonly number[];

/** The maximum that the rewritten module's memory carries, in pages; 0 without a memory. */
export function memoryPages(module: WasmModule, memoryMiB: number): number {
  const memory = module.memories[0];
  return memory ? bounded(memory, memoryMiB * PAGES_PER_MIB) : 0;
}

export function rewriteModule(
  bytes: Uint8Array,
  module: WasmModule,
  memoryMiB: number,
): Uint8Array {
  const parts: Part[] = [HEADER];
  for (const section of module.sections) {
    if (section.id === SECTION.export && module.start !== undefined) continue;
    const contents = contentsOf(section, { bytes, module, memoryMiB });
    // The exports stand right before the start section, so they may take its place.
    const id = section.id === SECTION.start ? SECTION.export : section.id;
    parts.push([id], encodeU32(contents.length), contents);
  }
  return concatBytes(parts);
}

function contentsOf(
  { id, start, end }: Section,
  { bytes, module, memoryMiB }: { bytes: Uint8Array; module: WasmModule; memoryMiB: number },
): Part {
  switch (id) {
    case SECTION.memory:
      return memorySection(module, memoryMiB);
    case SECTION.table:
      return tableSection(module);
    case SECTION.import:
      return importsWasi(module) ? importSection(module) : bytes.subarray(start, end);
    case SECTION.start:
      return exportSection(bytes, module);
    default:
      return bytes.subarray(start, end);
  }
}

function memorySection(module: WasmModule, memoryMiB: number): number[] {
  return [
    ...encodeU32(module.memories.length),
    ...module.memories.flatMap((memory) => encodeLimits(memory, memoryMiB * PAGES_PER_MIB)),
  ];
}

function tableSection(module: WasmModule): number[] {
  return [
    ...encodeU32(module.tables.length),
    ...module.tables.flatMap(({ element, limits }) => [
      element,
      ...encodeLimits(limits, MAX_TABLE_ENTRIES),
    ]),
  ];
}

/** The rules leave nothing but functions. */
function importSection(module: WasmModule): number[] {
  return [
    ...encodeU32(module.imports.length),
    ...module.imports.flatMap(({ module: from, name, type = 0 }) => [
      ...encodeName(from === WASI_MODULE ? SERVED_WASI_MODULE : from),
      ...encodeName(name),
      ...[0, ...encodeU32(type)],
    ]),
  ];
}

function exportSection(bytes: Uint8Array, module: WasmModule): Uint8Array {
  const section = module.sections.find(({ id }) => id === SECTION.export);
  const exports = new ByteReader(bytes, section?.start ?? 0, section?.end ?? 0);
  if (section) exports.u32();
  return concatBytes([
    encodeU32(module.exports.length + 1),
    bytes.subarray(exports.offset, section?.end ?? 0),
    encodeName(START_EXPORT),
    [0, ...encodeU32(module.start ?? 0)],
  ]);
}

function encodeLimits(limits: Limits, most: number): number[] {
  return [1, ...encodeU32(limits.initial), ...encodeU32(bounded(limits, most))];
}

function bounded(limits: Limits, most: number): number {
  return Math.min(limits.maximum ?? most, most);
}
