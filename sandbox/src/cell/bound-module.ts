/**
 * Fits an admitted module to the attempt's own limit of memory, which a workspace may have set below
 * the plugin's, and finds out what the engines do not tell. Only sections are read; all else is for
 * the engine to judge.
 */
import { ByteReader } from '@portarium/admission/byte-reader';
import { concatBytes, encodeU32 } from '@portarium/admission/byte-writer';
import { HEADER, SECTION, splitSections } from '@portarium/admission/sections';

const PAGES_PER_MIB = 16;
/** Exports of kind memory, in the binary format. */
const MEMORY_KIND = 2;
/** Under this name the cell finds the guest's memory; a manifest can not name such an export. */
export const MEMORY_EXPORT = 'portarium:memory';

/** The module asks for more than its attempt may have before its first instruction. */
export class MemoryTooLarge extends Error {
  override readonly name = 'MemoryTooLarge';
}

export interface BoundModule {
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** Whether instantiating it runs code of the guest. */
  readonly hasStart: boolean;
  /** Pages of 64 KiB that its memory may grow to; 0 without a memory. */
  readonly maximumPages: number;
}

/** @throws MalformedModule, MemoryTooLarge */
export function boundModule(bytes: Uint8Array, memoryMiB: number): BoundModule {
  const parts: (Uint8Array | readonly number[])[] = [bytes.subarray(0, HEADER.length)];
  let maximumPages = 0;
  let hasStart = false;
  for (const { id, start, end } of splitSections(bytes)) {
    const reader = new ByteReader(bytes, start, end);
    let contents: Uint8Array | readonly number[] = bytes.subarray(start, end);
    if (id === SECTION.memory && bytes[start] !== 0) {
      ({ contents, maximumPages } = lowered(reader, memoryMiB * PAGES_PER_MIB));
    }
    if (id === SECTION.export && maximumPages > 0) contents = withMemory(reader);
    if (id === SECTION.start) hasStart = true;
    parts.push([id], encodeU32(contents.length), contents);
  }
  const whole = concatBytes(parts) as Uint8Array<ArrayBuffer>;
  return { bytes: whole, hasStart, maximumPages };
}

/** Admission leaves at most one memory, of 32 bits, not shared, and with a maximum. */
function lowered(reader: ByteReader, most: number) {
  if (reader.u32() !== 1) reader.fail('a module has one memory');
  const flags = reader.byte();
  if (flags > 1) reader.fail('a memory that admission does not let through');
  const initial = reader.u32();
  const maximumPages = flags === 1 ? Math.min(reader.u32(), most) : most;
  if (initial > maximumPages) {
    const [has, may] = [initial / PAGES_PER_MIB, most / PAGES_PER_MIB];
    throw new MemoryTooLarge(`the module starts with ${has} MiB of memory, at most ${may}`);
  }
  return { contents: [1, 1, ...encodeU32(initial), ...encodeU32(maximumPages)], maximumPages };
}

function withMemory(reader: ByteReader): Uint8Array {
  const count = reader.u32();
  const name = new TextEncoder().encode(MEMORY_EXPORT);
  return concatBytes([
    encodeU32(count + 1),
    reader.take(reader.left),
    [...encodeU32(name.length), ...name, MEMORY_KIND, 0],
  ]);
}
