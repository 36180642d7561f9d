/**
 * Reads how large each function body is and how many locals it declares; its instructions are read by
 * `check-code.ts`. Six bytes can declare 50,000 locals, which an engine then holds one by one.
 */
import { MODULE_BOUNDS } from './bounds.ts';
import { type ByteReader, inFunction } from './byte-reader.ts';
import { readValueType } from './read-types.ts';

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
export function readCode(reader: ByteReader, imported: number): Body[] {
  const count = reader.count(MODULE_BOUNDS.functions, 'function bodies');
  const bodies: Body[] = [];
  let total = 0;
  for (let index = 0; index < count; index++) {
    const body = inFunction(imported + index, () => readBody(reader));
    total += body.locals;
    if (total > MODULE_BOUNDS.localsOfAll) {
      const message = `the functions declare more than ${MODULE_BOUNDS.localsOfAll} locals together`;
      reader.fail(message, 'code.locals');
    }
    bodies.push(body);
  }
  return bodies;
}

function readBody(reader: ByteReader): Body {
  const size = reader.u32();
  if (size > MODULE_BOUNDS.functionBytes) {
    const message = `the function has ${size} bytes of code, at most ${MODULE_BOUNDS.functionBytes} are taken`;
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
    if (group >= MODULE_BOUNDS.locals) tooMany(reader);
    locals += reader.u32();
    if (locals > MODULE_BOUNDS.locals) tooMany(reader);
    readValueType(reader);
  }
  return locals;
}

function tooMany(reader: ByteReader): never {
  return reader.fail(
    `the function declares more than ${MODULE_BOUNDS.locals} locals`,
    'code.locals',
  );
}
