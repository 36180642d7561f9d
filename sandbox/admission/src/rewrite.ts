/**
 * Writes maxima into a module that passed the rules: a lower declared maximum stays, everything
 * else gets the limit. Every other byte is copied as it is.
 */
import { concatBytes, encodeU32 } from './byte-writer.ts';
import { MAX_TABLE_ENTRIES, PAGES_PER_MIB } from './module-rules.ts';
import type { WasmModule } from './read-module.ts';
import type { Limits } from './read-types.ts';
import { HEADER, SECTION } from './sections.ts';

/** Part of the key of rewritten bytes: raise it whenever equal input gives other output. */
export const REWRITER = 'portarium-rewriter/1';

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
  const parts: (Uint8Array | readonly number[])[] = [HEADER];
  for (const { id, start, end } of module.sections) {
    const contents =
      id === SECTION.memory
        ? memorySection(module, memoryMiB)
        : id === SECTION.table
          ? tableSection(module)
          : bytes.subarray(start, end);
    parts.push([id], encodeU32(contents.length), contents);
  }
  return concatBytes(parts);
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

function encodeLimits(limits: Limits, most: number): number[] {
  return [1, ...encodeU32(limits.initial), ...encodeU32(bounded(limits, most))];
}

function bounded(limits: Limits, most: number): number {
  return Math.min(limits.maximum ?? most, most);
}
