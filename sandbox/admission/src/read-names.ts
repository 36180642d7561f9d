/**
 * The custom section `name` (core specification, appendix "Custom Sections"): bounds on it, and the name
 * of one function for a finding. Names are for people only, and were chosen by who made the module.
 */
import { plainText } from '@portarium/contracts/plain-text';
import { MODULE_BOUNDS } from './bounds.ts';
import { ByteReader, MalformedModule } from './byte-reader.ts';
import { SECTION, splitSections } from './sections.ts';

const FUNCTION_NAMES = 1;
const MAX_SHOWN_CHARACTERS = 120;
const MOST_NAMES = MODULE_BOUNDS.functions + MODULE_BOUNDS.imports;

/**
 * Reads what stands behind the section's own name.
 * @throws MalformedModule `custom.names`
 */
export function readNames(reader: ByteReader): void {
  try {
    for (const part of partsOf(reader)) {
      if (part.id !== FUNCTION_NAMES) continue;
      const count = part.reader.u32();
      if (count > MOST_NAMES) part.reader.fail(`${count} functions have a name`);
      for (let entry = 0; entry < count; entry++) {
        part.reader.u32();
        const length = part.reader.u32();
        if (length > MODULE_BOUNDS.debugNameBytes) {
          part.reader.fail(
            `a name of ${length} bytes, at most ${MODULE_BOUNDS.debugNameBytes} are taken`,
          );
        }
        part.reader.skip(length);
      }
    }
  } catch (error) {
    if (!(error instanceof MalformedModule)) throw error;
    throw new MalformedModule(`names: ${error.message}`, error.offset, 'custom.names');
  }
}

function* partsOf(reader: ByteReader): Generator<{ id: number; reader: ByteReader }> {
  while (!reader.done) {
    const id = reader.byte();
    const size = reader.u32();
    yield { id, reader: reader.part(size) };
  }
}

/** The name of a function, made safe to show; undefined when the module does not tell. */
export function functionName(bytes: Uint8Array, index: number): string | undefined {
  try {
    for (const { id, start, end } of splitSections(bytes)) {
      if (id !== SECTION.custom) continue;
      const reader = new ByteReader(bytes, start, end);
      const name = reader.name() === 'name' ? findName(reader, index) : undefined;
      if (name !== undefined) return plainText(name, MAX_SHOWN_CHARACTERS);
    }
  } catch (error) {
    if (!(error instanceof MalformedModule)) throw error;
  }
  return undefined;
}

function findName(reader: ByteReader, index: number): string | undefined {
  for (const part of partsOf(reader)) {
    if (part.id !== FUNCTION_NAMES) continue;
    for (let left = part.reader.u32(); left > 0; left--) {
      const at = part.reader.u32();
      const name = part.reader.take(part.reader.u32());
      if (at === index) return new TextDecoder().decode(name);
    }
  }
  return undefined;
}
