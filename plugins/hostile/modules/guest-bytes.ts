/** Modules that text can not say, section by section: broken ones, and ones with a million of something. */
import { concatBytes, encodeU32 } from '@portarium/admission/byte-writer';
import { HEADER, SECTION } from '@portarium/admission/sections';
import {
  type Bytes,
  exportFunction,
  limits,
  PROCEDURE,
  vector,
} from '@portarium/admission/testing/wasm-builder';

type Part = Uint8Array | Bytes;
type SectionName = keyof typeof SECTION;

/** The order in which sections have to stand. */
const ORDER = [
  'type',
  'import',
  'function',
  'table',
  'memory',
  'tag',
  'global',
  'export',
  'start',
  'element',
  'dataCount',
  'code',
  'data',
  'custom',
] as const satisfies readonly SectionName[];

/** `(func (export "run"))` and a page of memory. */
const PLAIN: Readonly<Partial<Record<SectionName, Part>>> = {
  type: vector([PROCEDURE]),
  function: vector([[0]]),
  memory: vector([limits(1)]),
  export: vector([exportFunction('run', 0)]),
  code: vector([[2, 0, 0x0b]]),
};

/** A plugin that does nothing, with other contents in the sections that are named. */
export function plainWith(
  over: Readonly<Partial<Record<SectionName, Part | undefined>>>,
): Uint8Array {
  const contents = { ...PLAIN, ...over };
  return concatBytes([
    HEADER,
    ...ORDER.flatMap((name) => {
      const part = contents[name];
      return part === undefined ? [] : [section(name, part)];
    }),
  ]);
}

export function section(name: SectionName | number, contents: Part): Uint8Array {
  const id = typeof name === 'number' ? name : SECTION[name];
  return concatBytes([[id], encodeU32(contents.length), contents]);
}

/** A vector of `count` equal items. */
export function many(count: number, item: Bytes): Uint8Array {
  return concatBytes([encodeU32(count), repeat(count, item)]);
}

export function repeat(count: number, item: Bytes): Uint8Array {
  const bytes = new Uint8Array(count * item.length);
  bytes.set(item);
  // Doubles what is there: a million items in twenty steps.
  for (let filled = item.length; filled < bytes.length; filled *= 2) {
    bytes.copyWithin(filled, 0, filled);
  }
  return bytes;
}

/** The code section of one function. @param instructions without the last `end` */
export function oneBody(instructions: Part, locals: Part = [0]): Uint8Array {
  const body = concatBytes([locals, instructions, [0x0b]]);
  return concatBytes([[1], encodeU32(body.length), body]);
}

/** As {@link section}, with a size of the caller’s. */
export function sectionOfSize(id: number, size: Bytes, contents: Part): Uint8Array {
  return concatBytes([[id], size, contents]);
}
