import { expect, test } from 'bun:test';
import { type Admission, admit } from './admit.ts';
import { concatBytes, encodeU32 } from './byte-writer.ts';
import type { Feature } from './features.ts';
import { SECTION } from './sections.ts';
import { sampleManifest } from './testing/sample-manifest.ts';
import {
  type Bytes,
  buildModule,
  exportFunction,
  importFunction,
  limits,
  type ModuleParts,
  PROCEDURE,
  plainModule,
  STATUS,
  section,
  text,
  vector,
} from './testing/wasm-builder.ts';

const manifest = sampleManifest();

const admitted = (parts: ModuleParts): Promise<Admission> =>
  admit(plainModule(parts), manifest, { memoryMiB: 2 });

async function findings(parts: ModuleParts) {
  const admission = await admitted(parts);
  return admission.ok ? [] : admission.findings;
}

const rules = async (parts: ModuleParts) => (await findings(parts)).map(({ rule }) => rule);

/** A body without locals. */
const code = (...instructions: readonly number[]): ModuleParts => ({
  bodies: [[0, ...instructions, 0x0b]],
});

const V128 = Array<number>(16).fill(0);

test('each feature that is refused is named, with the function and the byte where it stands', async () => {
  const cases: readonly (readonly [Feature, ModuleParts])[] = [
    ['threads and atomics', code(0xfe, 3, 0)],
    ['exception handling', code(0x06, 0x40, 0x0b)],
    ['exception handling', code(0x1f, 0x40, 0, 0x0b)],
    ['exception handling', { types: [PROCEDURE, [0x60, 1, 0x69, 0]] }],
    ['relaxed SIMD', code(0xfd, 12, ...V128, 0xfd, 12, ...V128, 0xfd, 0x80, 0x02, 0x1a)],
    ['half-precision floats', code(0xfd, 0xa0, 0x02)],
    ['half-precision floats', code(0xfc, 0x30, 0, 0)],
    ['garbage-collected types', code(0xfb, 0, 0)],
    ['garbage-collected types', code(0xd0, 0x6e, 0x1a)],
    ['garbage-collected types', { types: [PROCEDURE, [0x5f, 0]] }],
    ['typed references', code(0x14, 0)],
    ['typed references', { types: [PROCEDURE, [0x60, 1, 0x63, 0x70, 0]] }],
    ['typed references', { tables: [[0x40, 0, 0x70, ...limits(1), 0xd0, 0x70, 0x0b]] }],
    ['typed references', { bodies: [[1, 1, 0x64, 0x70, 0x0b]] }],
    ['multi-memory', code(0x41, 0, 0x28, 0x42, 1, 0, 0x1a)],
    ['custom page sizes', { memories: [[8, 1, 0]] }],
    ['extended constant expressions', { globals: [[0x7f, 0, 0x41, 1, 0x41, 1, 0x6a, 0x0b]] }],
    [
      'extended constant expressions',
      {
        globals: [
          [0x7f, 0, 0x41, 0, 0x0b],
          [0x7f, 0, 0x23, 0, 0x0b],
        ],
      },
    ],
    ['memory control', code(0x41, 0, 0x41, 0, 0xfc, 0x12, 0)],
    ['wide arithmetic', code(0x42, 0, 0x42, 0, 0xfc, 0x15)],
    ['stack switching', code(0xe0, 0)],
    ['stack switching', { types: [PROCEDURE, [0x5d, 0]] }],
  ];
  for (const [feature, parts] of cases) {
    const [found, ...more] = await findings(parts);
    expect([feature, found?.rule, found?.message, more]).toEqual([
      feature,
      'module.feature',
      `the module uses ${feature}`,
      [],
    ]);
    expect(found?.at).toMatch(/^(function 0, )?byte 0x[0-9a-f]+$/);
  }
});

test('what WebAssembly 2.0 has, and tail calls, are admitted and compile', async () => {
  const fine: readonly ModuleParts[] = [
    code(0x12, 0),
    { ...code(0x41, 0, 0x13, 0, 0), tables: [[0x70, ...limits(1)]] },
    code(0x41, 0, 0xc0, 0x1a),
    code(0x43, 0, 0, 0, 0, 0xfc, 0, 0x1a),
    code(0x44, 0, 0, 0, 0, 0, 0, 0, 0, 0x1a),
    code(0x42, ...Array(9).fill(0xff), 0x7f, 0x1a),
    code(0x41, 0xff, 0xff, 0xff, 0xff, 0x7f, 0x1a),
    code(0x41, 0x80, 0x80, 0x80, 0x80, 0, 0x1a),
    code(0x41, 0, 0x41, 0, 0x41, 0, 0xfc, 11, 0),
    { ...code(0x41, 0, 0x41, 0, 0x41, 0, 0xfc, 8, 0, 0, 0xfc, 9, 0), dataCount: 1, data: [[1, 0]] },
    code(0xd0, 0x70, 0xd1, 0x1a),
    code(0x41, 1, 0x41, 2, 0x41, 0, 0x1c, 1, 0x7f, 0x1a),
    code(0xfd, 12, ...V128, 0xfd, 21, 0, 0x1a),
    code(0x41, 0, 0xfd, 12, ...V128, 0xfd, 84, 0, 0, 15, 0x1a),
    code(0x41, 0, 0xfd, 0, 0, 0, 0x1a),
    code(0x41, 0, 0x04, 0x40, 0x05, 0x0b),
    code(0x02, 0, 0x41, 0, 0x0e, 1, 0, 1, 0x0b),
    { globals: [[0x7b, 0, 0xfd, 12, ...V128, 0x0b]] },
    { tables: [[0x6f, ...limits(1)]], elements: [[5, 0x70, 1, 0xd2, 0, 0x0b]] },
    { tables: [[0x70, ...limits(1)]], elements: [[6, 0, 0x41, 0, 0x0b, 0x70, 1, 0xd2, 0, 0x0b]] },
    { elements: [[3, 0, 1, 0]], ...code(0xd2, 0, 0x1a) },
  ];
  for (const [index, parts] of fine.entries()) {
    const admission = await admitted(parts);
    const valid = admission.ok && WebAssembly.validate(admission.module as Uint8Array<ArrayBuffer>);
    expect([index, admission.ok ? [] : admission.findings, valid]).toEqual([index, [], true]);
  }
});

test('code that names what is not there, or ends elsewhere than it should, is malformed', async () => {
  const broken: readonly ModuleParts[] = [
    code(0x10, 1),
    code(0x41, 0, 0x11, 0, 0),
    code(0x41, 0, 0x11, 9, 0),
    code(0x20, 0),
    code(0x23, 0),
    code(0x41, 0, 0x25, 0),
    { ...code(0x41, 0, 0x28, 2, 0), memories: [] },
    code(0x41, 0, 0x28, 0x80, 1, 0),
    code(0x3f, 1),
    code(0x0c, 1),
    code(0x41, 0, 0x0e, 1, 0, 9),
    code(0x41, 0, 0x0e, 0xff, 0xff, 0xff, 0xff, 0x0f),
    code(0x02, 9, 0x0b),
    code(0x05),
    code(0x41, 0, 0x04, 0x40, 0x05, 0x05, 0x0b),
    code(0x02, 0x40),
    code(0x0b),
    code(0x27),
    code(0xff),
    code(0xfd, 0x9a, 1),
    code(0xfc, 0x17),
    code(0xfc, 9, 0),
    { ...code(0xfc, 9, 0), data: [[1, 0]] },
    code(0xfc, 13, 0),
    code(0x41, 0x80, 0x80, 0x80, 0x80, 0x08),
    code(0x41, 0xff, 0xff, 0xff, 0xff, 0x77),
    code(0x41, 0x80, 0x80, 0x80, 0x80, 0x80, 0),
    code(0x42, ...Array(9).fill(0x80), 0x02),
    code(0x20, 0x80, 0x80, 0x80, 0x80, 0x10),
    code(0x41),
    { bodies: [[0, 0x41, 0, 0x1a]] },
    // What mutation found that the reader had let through.
    code(0x41, 0, 0x28, 3, 0, 0x1a),
    code(0x41, 0, 0x28, 63, 0, 0x1a),
    code(0x41, 0, 0xfd, 0, 5, 0, 0x1a),
    code(0xfd, 12, ...V128, 0xfd, 21, 16, 0x1a),
    code(0xfd, 12, ...V128, 0xfd, 12, ...V128, 0xfd, 13, ...V128.with(15, 32), 0x1a),
  ];
  for (const [index, parts] of broken.entries()) {
    const expected = index === 11 ? 'module.count' : 'module.malformed';
    expect([index, await rules(parts)]).toEqual([index, [expected]]);
    const [finding] = await findings(parts);
    expect(finding?.at).toMatch(/^function 0, byte 0x[0-9a-f]+$/);
  }
});

test('blocks stand at most 5,000 deep in each other', async () => {
  const nested = (depth: number) =>
    code(...Array<Bytes>(depth).fill([0x02, 0x40]).flat(), ...Array<number>(depth).fill(0x0b));
  expect(await rules(nested(5_000))).toEqual([]);
  expect(await rules(nested(5_001))).toEqual(['code.nesting']);
  expect(await rules(nested(100_000))).toEqual(['code.nesting']);
});

const names = (entries: readonly (readonly [number, string])[], end: Bytes = []) => {
  const functions = vector(entries.map(([index, name]) => [...encodeU32(index), ...text(name)]));
  const contents = [...text('name'), ...section(1, functions), ...end];
  return { extra: [{ id: SECTION.custom, contents }] };
};

test('a finding calls the function by the name that the module gives it, made safe to show', async () => {
  const at = async (parts: ModuleParts) => (await findings(parts))[0]?.at;
  const imports = [importFunction('extism:host/env', 'free', 1)];
  const types = [PROCEDURE, [0x60, 1, 0x7e, 0]];
  const exports = [exportFunction('run', 1)];
  const parts = { ...code(0xfe, 3, 0), types, imports, exports };
  expect(await at(parts)).toStartWith('function 1, byte 0x');
  const named = names([
    [0, 'free'],
    [1, 'main.run'],
  ]);
  expect(await at({ ...parts, ...named })).toStartWith('function 1 "main.run", byte 0x');
  const locals = [1, ...encodeU32(10_001), 0x7f];
  const bodies = [[...locals, 0x0b]];
  expect(await at({ ...parts, ...named, bodies })).toStartWith('function 1 "main.run", byte 0x');
  const hostile = names([[1, `\u001b[31m\u202e${'x'.repeat(4_000)}`]]);
  expect(await at({ ...parts, ...hostile })).toMatch(/^function 1 "\[31mx{115}…", byte 0x/);
});

test('names for people are bounded, and a broken section of them is refused', async () => {
  expect(await rules(names([[0, 'x'.repeat(16_384)]]))).toEqual([]);
  expect(await rules(names([[0, 'x'.repeat(16_385)]]))).toEqual(['custom.names']);
  expect(await rules(names([], [7]))).toEqual(['custom.names']);
  const many = [...text('name'), ...section(1, [...encodeU32(200_000), 0, 0])];
  expect(await rules({ extra: [{ id: SECTION.custom, contents: many }] })).toEqual([
    'custom.names',
  ]);
});

test('custom sections have at most 8 MiB together', async () => {
  const custom = (bytes: number) => {
    const contents = new Uint8Array(bytes);
    contents.set(text('x'));
    return concatBytes([[0], encodeU32(bytes), contents]);
  };
  const half = 4 * 1024 * 1024;
  const of = async (...sizes: readonly number[]) => {
    const bytes = concatBytes([plainModule(), ...sizes.map(custom)]);
    const admission = await admit(bytes, manifest, { memoryMiB: 2 });
    return admission.ok ? [] : admission.findings.map(({ rule }) => rule);
  };
  expect(await of(half, half)).toEqual([]);
  expect(await of(half, half + 1)).toEqual(['custom.size']);
});

test('segments lie within the memory and the table that the module starts with', async () => {
  const data = (offset: readonly number[], length: number): ModuleParts => ({
    data: [[0, 0x41, ...offset, 0x0b, ...vector(Array<Bytes>(length).fill([0]))]],
  });
  expect(await rules(data([0x80, 0x80, 0x04], 0))).toEqual([]);
  expect(await rules(data([0xff, 0xff, 0x03], 1))).toEqual([]);
  expect(await rules(data([0xff, 0xff, 0x03], 2))).toEqual(['data.range']);
  expect(await rules(data([0x7f], 1))).toEqual(['data.range']);
  expect(await rules({ ...data([0], 0), memories: [] })).toEqual(['module.malformed']);
  expect(await rules({ data: [[2, 1, 0x41, 0, 0x0b, 0]] })).toEqual(['module.malformed']);
  expect(await rules({ data: [[0, 0x42, 0, 0x0b, 0]] })).toEqual(['module.malformed']);
  const tables = [[0x70, ...limits(2)]];
  const element = (offset: number, count: number): ModuleParts => ({
    tables,
    elements: [[0, 0x41, offset, 0x0b, ...vector(Array<Bytes>(count).fill([0]))]],
  });
  expect(await rules(element(0, 2))).toEqual([]);
  expect(await rules(element(1, 2))).toEqual(['element.range']);
  expect(await rules(element(0x7f, 1))).toEqual(['element.range']);
  expect(await rules({ ...element(0, 1), tables: [] })).toEqual(['module.malformed']);
  expect(await rules({ tables, elements: [[0, 0x41, 0, 0x0b, 1, 1]] })).toEqual([
    'module.malformed',
  ]);
});

test('a start function has no parameters and no results', async () => {
  expect(await rules({ start: 0 })).toEqual([]);
  const status = { types: [STATUS], bodies: [[0, 0x41, 0, 0x0b]] };
  expect(await rules({ ...status, start: 0 })).toEqual(['start.type']);
});

test('a constant has the type of what it is for', async () => {
  expect(await rules({ globals: [[0x7e, 0, 0x41, 0, 0x0b]] })).toEqual(['module.malformed']);
  expect(await rules({ globals: [[0x6f, 0, 0xd2, 0, 0x0b]] })).toEqual(['module.malformed']);
  const elements = [[5, 0x70, 1, 0xd0, 0x6f, 0x0b]];
  expect(await rules({ elements })).toEqual(['module.malformed']);
});

test('two exports of one name are refused', async () => {
  const twice = [exportFunction('run', 0), exportFunction('run', 0), [...text('run'), 2, 0]];
  const [finding, ...more] = await findings({ exports: twice });
  expect([finding?.rule, finding?.at, more]).toEqual(['export.duplicate', 'export run', []]);
});

test('a module of 16 MiB is read in little time, without holding the thread of the caller', async () => {
  const one = new Uint8Array(1_000_000).fill(0x01);
  one[0] = 0;
  one[one.length - 1] = 0x0b;
  const [count, size] = [16, encodeU32(one.length)];
  const code = concatBytes([[count], ...Array<Uint8Array>(count).fill(concatBytes([size, one]))]);
  const bytes = concatBytes([
    buildModule({
      types: [PROCEDURE],
      functions: Array<number>(count).fill(0),
      exports: [exportFunction('run', 0)],
    }),
    [SECTION.code],
    encodeU32(code.length),
    code,
  ]);
  let [longest, last] = [0, performance.now()];
  const tick = setInterval(() => {
    longest = Math.max(longest, performance.now() - last);
    last = performance.now();
  }, 1);
  const cpu = process.cpuUsage();
  const started = performance.now();
  const admission = await admit(bytes, manifest, { memoryMiB: 2 });
  const [took, used] = [performance.now() - started, process.cpuUsage(cpu)];
  clearInterval(tick);
  expect(admission.ok).toBe(true);
  expect((used.user + used.system) / 1_000).toBeLessThan(2_000);
  expect(longest).toBeLessThan(Math.max(took / 2, 300));
});
