/**
 * Reads how large each function body is and how many locals it declares; its instructions are read by
 * `check-code.ts`. Six bytes can declare 50,000 locals, which an engine then holds one by one.
 */
import { type ByteReader, inFunction } from './byte-reader.ts';
import { readValueType } from './read-types.ts';

/** Real functions have hundreds; an interpreter's main loop some thousands. */
export const MAX_LOCALS = 10_000;
export const MAX_LOCALS_TOTAL = 1_000_000;
/** Keeps what one body can put on the engine's stack below some hundred mebibytes. */
export const MAX_BODY_BYTES = 1024 * 1024;

export interface Body {
  /** Offset of the first instruction. */
  readonly start: number;
  readonly end: number;
  /** Without the parameters. */
  readonly locals: number;
}

/**
 * @param imported functions that come before the first body's
 * @returns the bodies, which fill the section to its end
 * @throws MalformedModule
 */
export function readCode(reader: ByteReader, mostFunctions: number, imported: number): Body[] {
  const count = reader.count(mostFunctions, 'function bodies');
  const bodies: Body[] = [];
  let total = 0;
  for (let index = 0; index < count; index++) {
    const body = inFunction(imported + index, () => readBody(reader));
    total += body.locals;
    if (total > MAX_LOCALS_TOTAL) {
      const message = `the functions declare more than ${MAX_LOCALS_TOTAL} locals together`;
      reader.fail(message, 'code.locals');
    }
    bodies.push(body);
  }
  return bodies;
}

function readBody(reader: ByteReader): Body {
  const size = reader.u32();
  if (size > MAX_BODY_BYTES) {
    const message = `the function has ${size} bytes of code, at most ${MAX_BODY_BYTES} are taken`;
    reader.fail(message, 'code.size');
  }
  const end = reader.offset + size;
  const locals = readLocals(reader);
  const start = reader.offset;
  if (start > end) reader.fail('the locals are longer than the function');
  reader.skip(end - start);
  return { start, end, locals };
}

function readLocals(reader: ByteReader): number {
  const groups = reader.u32();
  let locals = 0;
  for (let group = 0; group < groups; group++) {
    // An empty group declares nothing, but costs an engine as much as one that does.
    if (group >= MAX_LOCALS) tooMany(reader);
    locals += reader.u32();
    if (locals > MAX_LOCALS) tooMany(reader);
    readValueType(reader);
  }
  return locals;
}

function tooMany(reader: ByteReader): never {
  return reader.fail(`the function declares more than ${MAX_LOCALS} locals`, 'code.locals');
}
