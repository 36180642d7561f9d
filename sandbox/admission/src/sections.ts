/** Splits a module into its sections and checks their order. Never looks inside one. */
import { MODULE_BOUNDS } from './bounds.ts';
import { ByteReader } from './byte-reader.ts';

export const SECTION = {
  custom: 0,
  type: 1,
  import: 2,
  function: 3,
  table: 4,
  memory: 5,
  global: 6,
  export: 7,
  start: 8,
  element: 9,
  code: 10,
  data: 11,
  dataCount: 12,
  tag: 13,
} as const;

/** The order that the core specification gives (5.5.16, with the exception proposal's tags). */
const ORDER: readonly number[] = [
  SECTION.type,
  SECTION.import,
  SECTION.function,
  SECTION.table,
  SECTION.memory,
  SECTION.tag,
  SECTION.global,
  SECTION.export,
  SECTION.start,
  SECTION.element,
  SECTION.dataCount,
  SECTION.code,
  SECTION.data,
];

/** As the core specification calls it, for messages. */
export function sectionName(id: number): string {
  return Object.entries(SECTION).find(([, known]) => known === id)?.[0] ?? String(id);
}

export const HEADER: readonly number[] = [0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00];

export interface Section {
  readonly id: number;
  /** Offset of the first byte of the contents. */
  readonly start: number;
  /** Offset after the last byte of the contents. */
  readonly end: number;
}

/** @throws MalformedModule */
export function splitSections(bytes: Uint8Array): readonly Section[] {
  const reader = new ByteReader(bytes, HEADER.length);
  const sections: Section[] = [];
  let last = -1;
  while (!reader.done) {
    if (sections.length >= MODULE_BOUNDS.sections) {
      reader.fail(`more than ${MODULE_BOUNDS.sections} sections`, 'module.count');
    }
    const id = reader.byte();
    if (id !== SECTION.custom) {
      const position = ORDER.indexOf(id);
      if (position === -1) reader.fail(`unknown section ${id}`);
      if (position <= last) {
        reader.fail(`the ${sectionName(id)} section stands twice or out of order`);
      }
      last = position;
    }
    const size = reader.u32();
    const start = reader.offset;
    reader.skip(size);
    sections.push({ id, start, end: start + size });
  }
  return sections;
}
