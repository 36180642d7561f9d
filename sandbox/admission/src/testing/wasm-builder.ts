/** Builds small modules byte by byte, so that tests can break exactly one thing. */
import { concatBytes, encodeU32 } from '../byte-writer.ts';
import { HEADER, SECTION } from '../sections.ts';

export type Bytes = readonly number[];

export function text(value: string): number[] {
  const bytes = [...new TextEncoder().encode(value)];
  return [...encodeU32(bytes.length), ...bytes];
}

export function vector(items: readonly Bytes[]): number[] {
  return [...encodeU32(items.length), ...items.flat()];
}

export interface ModuleParts {
  types?: readonly Bytes[];
  imports?: readonly Bytes[];
  functions?: readonly number[];
  tables?: readonly Bytes[];
  memories?: readonly Bytes[];
  globals?: readonly Bytes[];
  exports?: readonly Bytes[];
  /** Index of the start function. */
  start?: number;
  elements?: readonly Bytes[];
  dataCount?: number;
  bodies?: readonly Bytes[];
  data?: readonly Bytes[];
  /** Raw sections appended at the end. */
  extra?: readonly { id: number; contents: Bytes }[];
}

/** `() -> ()` */
export const PROCEDURE: Bytes = [0x60, 0, 0];
/** `() -> i32` */
export const STATUS: Bytes = [0x60, 0, 1, 0x7f];

export function importFunction(module: string, name: string, type = 0): Bytes {
  return [...text(module), ...text(name), 0, type];
}

export function exportFunction(name: string, index: number): Bytes {
  return [...text(name), 0, ...encodeU32(index)];
}

export function limits(initial: number, maximum?: number, flags = 0): Bytes {
  const flag = flags | (maximum === undefined ? 0 : 1);
  return [flag, ...encodeU32(initial), ...(maximum === undefined ? [] : encodeU32(maximum))];
}

export function section(id: number, contents: Bytes): Bytes {
  return [id, ...encodeU32(contents.length), ...contents];
}

export function buildModule(parts: ModuleParts): Uint8Array {
  const counted = (items: readonly Bytes[] | undefined) => items && vector(items);
  const integer = (value: number | undefined) =>
    value === undefined ? undefined : encodeU32(value);
  const listed: [number, Bytes | undefined][] = [
    [SECTION.type, counted(parts.types)],
    [SECTION.import, counted(parts.imports)],
    [SECTION.function, counted(parts.functions?.map((type) => encodeU32(type)))],
    [SECTION.table, counted(parts.tables)],
    [SECTION.memory, counted(parts.memories)],
    [SECTION.global, counted(parts.globals)],
    [SECTION.export, counted(parts.exports)],
    [SECTION.start, integer(parts.start)],
    [SECTION.element, counted(parts.elements)],
    [SECTION.dataCount, integer(parts.dataCount)],
    [SECTION.code, counted(parts.bodies?.map((body) => [...encodeU32(body.length), ...body]))],
    [SECTION.data, counted(parts.data)],
  ];
  return concatBytes([
    HEADER,
    ...listed.flatMap(([id, contents]) => (contents ? [section(id, contents)] : [])),
    ...(parts.extra ?? []).map(({ id, contents }) => section(id, contents)),
  ]);
}

/** A valid plugin with one export `run`, one page of memory and no imports. */
export function plainModule(over: ModuleParts = {}): Uint8Array {
  return buildModule({
    types: [PROCEDURE],
    functions: [0],
    memories: [limits(1)],
    exports: [exportFunction('run', 0)],
    bodies: [[0, 0x0b]],
    ...over,
  });
}
