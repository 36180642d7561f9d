/**
 * Reads how large each function body is and how many locals it declares, and nothing of its
 * instructions. Six bytes can declare 50,000 locals, which an engine then holds one by one.
 */
import type { ByteReader } from './byte-reader.ts';

/** Real functions have hundreds; an interpreter's main loop some thousands. */
export const MAX_LOCALS = 10_000;
export const MAX_LOCALS_TOTAL = 1_000_000;
/** Keeps what one body can put on the engine's stack below some hundred mebibytes. */
export const MAX_BODY_BYTES = 1024 * 1024;

/**
 * @returns the number of bodies, which fill the section to its end
 * @throws MalformedModule
 */
export function readCode(reader: ByteReader, mostFunctions: number): number {
  const count = reader.count(mostFunctions, 'function bodies');
  let total = 0;
  for (let index = 0; index < count; index++) {
    const size = reader.u32();
    if (size > MAX_BODY_BYTES) {
      const message = `body ${index} has ${size} bytes, at most ${MAX_BODY_BYTES} are taken`;
      reader.fail(message, 'code.size');
    }
    const start = reader.offset;
    const locals = readLocals(reader, index);
    total += locals;
    if (total > MAX_LOCALS_TOTAL) {
      const message = `the functions declare more than ${MAX_LOCALS_TOTAL} locals together`;
      reader.fail(message, 'code.locals');
    }
    const read = reader.offset - start;
    if (read > size) reader.fail(`the locals of body ${index} are longer than the body`);
    reader.take(size - read);
  }
  return count;
}

function readLocals(reader: ByteReader, index: number): number {
  const groups = reader.u32();
  let locals = 0;
  for (let group = 0; group < groups; group++) {
    // An empty group declares nothing, but costs an engine as much as one that does.
    if (group >= MAX_LOCALS) tooMany(reader, index);
    locals += reader.u32();
    if (locals > MAX_LOCALS) tooMany(reader, index);
    skipType(reader);
  }
  return locals;
}

function tooMany(reader: ByteReader, index: number): never {
  const message = `function body ${index} declares more than ${MAX_LOCALS} locals`;
  return reader.fail(message, 'code.locals');
}

/** One byte for plain types; typed references carry a heap type behind it. */
function skipType(reader: ByteReader): void {
  const type = reader.byte();
  if (type !== 0x63 && type !== 0x64) return;
  while (reader.byte() >= 0x80);
}
