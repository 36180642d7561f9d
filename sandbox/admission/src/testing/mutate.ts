/** Changes real modules the way that broken tools and attackers do, from a seed. */
import { ByteReader } from '../byte-reader.ts';
import { concatBytes, encodeU32 } from '../byte-writer.ts';
import { HEADER, SECTION, splitSections } from '../sections.ts';

/** A small generator of the xorshift family; the same seed gives the same numbers. */
export class Chance {
  #state: number;

  constructor(seed: number) {
    this.#state = seed >>> 0 || 1;
  }

  /** An integer in [0, most). */
  below(most: number): number {
    let state = this.#state;
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    this.#state = state >>> 0;
    return this.#state % Math.max(1, most);
  }

  pick<T>(items: readonly T[]): T {
    return items[this.below(items.length)] as T;
  }
}

type Mutation = (bytes: Uint8Array, chance: Chance, others: readonly Uint8Array[]) => Uint8Array;

/** Values at the edges of what readers decide on. */
const EDGES = [0x00, 0x01, 0x0b, 0x40, 0x60, 0x63, 0x70, 0x7f, 0x80, 0xfb, 0xfc, 0xfd, 0xfe, 0xff];

/** Integers in LEB128: padded, too long, too large, negative, without an end. */
const INTEGERS: readonly (readonly number[])[] = [
  [0x80, 0x00],
  [0x80, 0x80, 0x80, 0x80, 0x00],
  [0x80, 0x80, 0x80, 0x80, 0x80, 0x00],
  [0xff, 0xff, 0xff, 0xff, 0x0f],
  [0xff, 0xff, 0xff, 0xff, 0x7f],
  [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01],
  [0x80, 0x80, 0x04],
  [0xff, 0xff],
  encodeU32(100_001),
];

export const MUTATIONS: Readonly<Record<string, Mutation>> = {
  flip(bytes, chance) {
    const changed = bytes.slice();
    for (let flips = 1 + chance.below(4); flips > 0; flips--) {
      const at = chance.below(changed.length);
      changed[at] = (changed[at] ?? 0) ^ (1 << chance.below(8));
    }
    return changed;
  },
  edge(bytes, chance) {
    const changed = bytes.slice();
    changed[chance.below(changed.length)] = chance.pick(EDGES);
    return changed;
  },
  truncate: (bytes, chance) => bytes.slice(0, chance.below(bytes.length)),
  remove(bytes, chance) {
    const at = chance.below(bytes.length);
    return concatBytes([bytes.subarray(0, at), bytes.subarray(at + 1 + chance.below(16))]);
  },
  repeat(bytes, chance) {
    const at = chance.below(bytes.length);
    const part = bytes.subarray(at, at + 1 + chance.below(32));
    return concatBytes([bytes.subarray(0, at), part, part, bytes.subarray(at + part.length)]);
  },
  splice(bytes, chance, others) {
    const other = chance.pick(others);
    const from = chance.below(other.length);
    const at = chance.below(bytes.length);
    const part = other.subarray(from, from + 1 + chance.below(64));
    return concatBytes([bytes.subarray(0, at), part, bytes.subarray(at + part.length)]);
  },
  integer(bytes, chance) {
    const at = chance.below(bytes.length);
    const rest = bytes.subarray(at + 1);
    return concatBytes([bytes.subarray(0, at), chance.pick(INTEGERS), rest]);
  },
  /** Takes sections away, doubles them, changes their order, or takes one of another module. */
  sections(bytes, chance, others) {
    const parts = sectionsOf(bytes);
    const at = chance.below(parts.length);
    const to = chance.below(parts.length);
    const [moved] = parts.splice(at, 1);
    if (chance.below(3) > 0 && moved) parts.splice(to, 0, moved);
    if (chance.below(3) === 0) parts.splice(to, 0, chance.pick(sectionsOf(chance.pick(others))));
    return assemble(parts);
  },
  /** Changes the code of one function; every size around it is then right again. */
  code(bytes, chance, others) {
    const parts = sectionsOf(bytes);
    const at = parts.findIndex(({ id }) => id === SECTION.code);
    const code = parts[at];
    if (!code) return bytes;
    const reader = new ByteReader(code.contents);
    const bodies = Array.from({ length: reader.u32() }, () => reader.take(reader.u32()));
    const which = chance.below(bodies.length);
    const body = bodies[which] ?? code.contents;
    const kind = chance.pick(['flip', 'edge', 'remove', 'repeat', 'splice', 'integer'] as const);
    bodies[which] = MUTATIONS[kind]?.(body, chance, others) ?? body;
    const sized = bodies.flatMap((each) => [encodeU32(each.length), each]);
    parts[at] = { id: SECTION.code, contents: concatBytes([encodeU32(bodies.length), ...sized]) };
    return assemble(parts);
  },
  /** Changes bytes inside of one section, whose size is then right again. */
  inside(bytes, chance, others) {
    const parts = sectionsOf(bytes);
    const at = chance.below(parts.length);
    const part = parts[at];
    if (!part || part.contents.length === 0) return bytes;
    const kind = chance.pick(['flip', 'edge', 'remove', 'repeat', 'splice', 'integer'] as const);
    const contents = MUTATIONS[kind]?.(part.contents, chance, others) ?? part.contents;
    parts[at] = { ...part, contents };
    return assemble(parts);
  },
};

interface Part {
  readonly id: number;
  readonly contents: Uint8Array;
}

function sectionsOf(bytes: Uint8Array): Part[] {
  return splitSections(bytes).map(({ id, start, end }) => ({
    id,
    contents: bytes.subarray(start, end),
  }));
}

function assemble(parts: readonly Part[]): Uint8Array {
  return concatBytes([
    HEADER,
    ...parts.flatMap(({ id, contents }) => [[id], encodeU32(contents.length), contents]),
  ]);
}

/** What leaves the frame whole comes deeper into the reader, so it comes more often. */
const KINDS = [...Object.keys(MUTATIONS), 'code', 'code', 'code', 'inside', 'inside'];

/** One to three changes of one of the modules. */
export function mutate(
  modules: readonly Uint8Array[],
  seed: number,
): { readonly bytes: Uint8Array; readonly kinds: readonly string[] } {
  const chance = new Chance(seed);
  // The first numbers of neighbouring seeds are alike.
  for (let i = 0; i < 8; i++) chance.below(2);
  let bytes = chance.pick(modules);
  const kinds: string[] = [];
  for (let left = chance.pick([1, 1, 1, 2, 3]); left > 0; left--) {
    const kind = chance.pick(KINDS);
    try {
      bytes = MUTATIONS[kind]?.(bytes, chance, modules) ?? bytes;
    } catch {
      // Sections of what is broken already are not found any more.
    }
    kinds.push(kind);
    if (bytes.length === 0) break;
  }
  return { bytes, kinds };
}
