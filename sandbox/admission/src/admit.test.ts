import { expect, test } from 'bun:test';
import { digestOf } from '@portarium/contracts/digest';
import { PLATFORM_LIMITS } from '@portarium/contracts/limits';
import { type Manifest, ManifestSchema } from '@portarium/contracts/manifest';
import * as v from 'valibot';
import { admit } from './admit.ts';
import { EXTISM_FUNCTIONS, HOST_FUNCTIONS } from './module-rules.ts';
import { readModule } from './read-module.ts';
import { HEADER, SECTION } from './sections.ts';
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
  text,
} from './testing/wasm-builder.ts';

const LIMITS = { memoryMiB: 2 };

async function rulesOf(bytes: Uint8Array, of: Manifest = sampleManifest()): Promise<string[]> {
  const admission = await admit(bytes, of, LIMITS);
  if (admission.ok) return [];
  for (const finding of admission.findings) {
    expect(finding.hint.length).toBeGreaterThan(10);
    expect(finding.message.length).toBeGreaterThan(10);
  }
  return admission.findings.map(({ rule }) => rule);
}

const rules = (parts: ModuleParts) => rulesOf(plainModule(parts));

test('a plain module is admitted with both digests and a report', async () => {
  const bytes = plainModule();
  const admission = await admit(bytes, sampleManifest(), LIMITS);
  if (!admission.ok) throw new Error(JSON.stringify(admission.findings));
  expect(admission.digest).toBe(await digestOf(bytes));
  expect(admission.moduleDigest).toBe(await digestOf(admission.module));
  expect(admission.moduleDigest).not.toBe(admission.digest);
  expect(admission.report).toEqual({
    memoryPages: 32,
    imports: [],
    exports: ['run'],
    sizeBytes: bytes.length,
  });
  expect(WebAssembly.validate(admission.module as Uint8Array<ArrayBuffer>)).toBe(true);
});

test('a report stays small and can be stored, whatever names a module gives its exports', async () => {
  const names = [
    'run',
    'a\u0000b',
    ...Array.from({ length: 300 }, (_, i) => `${i}${'é'.repeat(700)}`),
  ];
  const exports = names.map((name) => exportFunction(name, 0));
  const admission = await admit(plainModule({ exports }), sampleManifest(), LIMITS);
  if (!admission.ok) throw new Error(JSON.stringify(admission.findings));
  const { exports: told } = admission.report;
  expect(told.slice(0, 3)).toEqual(['run', 'a\\u{0}b', `0${'é'.repeat(99)}…`]);
  expect(told).toHaveLength(100);
  const twice = importFunction('extism:host/env', 'alloc', 1);
  const imports = { types: [PROCEDURE, [0x60, 1, 0x7e, 1, 0x7e]], imports: [twice, twice] };
  const again = await admit(
    plainModule({ ...imports, exports: [exportFunction('run', 2)] }),
    sampleManifest(),
    LIMITS,
  );
  expect(again.ok && again.report.imports).toEqual(['extism:host/env#alloc']);
});

test('the memory maximum is the limit, and a lower declared one stays', async () => {
  for (const [declared, written] of [
    [undefined, 32],
    [7, 7],
    [65_536, 32],
  ] as const) {
    const admission = await admit(
      plainModule({ memories: [limits(1, declared)] }),
      sampleManifest(),
      LIMITS,
    );
    if (!admission.ok) throw new Error('refused');
    expect(readModule(admission.module).memories[0]?.maximum).toBe(written);
  }
});

test('the engine refuses growth beyond the written maximum', async () => {
  const grow = [0, 0x41, 0xc0, 0x00, 0x40, 0x00, 0x0b];
  const admission = await admit(
    plainModule({ types: [STATUS], bodies: [grow] }),
    sampleManifest(),
    LIMITS,
  );
  if (!admission.ok) throw new Error('refused');
  const { instance } = await WebAssembly.instantiate(admission.module as Uint8Array<ArrayBuffer>);
  expect((instance.exports.run as () => number)()).toBe(-1);
});

test('a table gets a maximum and a longer one is refused', async () => {
  const tables = [[0x70, ...limits(3)]];
  const admission = await admit(plainModule({ tables }), sampleManifest(), LIMITS);
  if (!admission.ok) throw new Error('refused');
  expect(readModule(admission.module).tables[0]?.limits.maximum).toBe(10_000);
  expect(await rules({ tables: [[0x70, ...limits(10_001)]] })).toEqual(['table.limit']);
});

test('a second rewrite changes nothing', async () => {
  const first = await admit(plainModule(), sampleManifest(), LIMITS);
  if (!first.ok) throw new Error('refused');
  const second = await admit(first.module, sampleManifest(), LIMITS);
  expect(second.ok && second.moduleDigest).toBe(first.moduleDigest);
});

test('what is not a module is refused as such', async () => {
  expect(await rulesOf(new TextEncoder().encode('(module)'))).toEqual(['module.not-wasm']);
  expect(await rulesOf(new Uint8Array())).toEqual(['module.not-wasm']);
  const component = Uint8Array.from([...HEADER.slice(0, 4), 0x0d, 0, 1, 0]);
  expect(await rulesOf(component)).toEqual(['module.not-wasm']);
});

test('a module over the size limit is refused before it is read', async () => {
  const bytes = new Uint8Array(PLATFORM_LIMITS.moduleBytes + 1);
  bytes.set(plainModule());
  expect(await rulesOf(bytes)).toEqual(['module.size']);
});

test('each function of the Extism kit may be imported, and nothing else', async () => {
  const types = [...EXTISM_FUNCTIONS.values()].map(({ params, results }) => [
    ...[0x60, params.length, ...params, results.length, ...results],
  ]);
  const known = [...EXTISM_FUNCTIONS.keys()].map((name, type) =>
    importFunction('extism:host/env', name, type + 1),
  );
  const exports = [exportFunction('run', known.length)];
  const kit = { types: [PROCEDURE, ...types], imports: known, exports };
  expect(await rules(kit)).toEqual([]);
  const wrong = [...EXTISM_FUNCTIONS.keys()].map((name) => importFunction('extism:host/env', name));
  expect(new Set(await rules({ ...kit, imports: wrong }))).toEqual(new Set(['import.type']));
  const foreign = [
    importFunction('wasi_unstable', 'fd_write'),
    importFunction('env', 'abort'),
    importFunction('extism:host/env', 'exec'),
  ];
  expect(await rules({ imports: foreign, exports: [exportFunction('run', 3)] })).toEqual([
    'import.unknown',
    'import.unknown',
    'import.unknown',
  ]);
});

/** `() -> i64` and `(i64) -> i64` */
const HOST_TYPES = { clock_time: [0x60, 0, 1, 0x7e], random_bytes: [0x60, 1, 0x7e, 1, 0x7e] };

test('the action’s clock and random stream may be imported with exactly their types', async () => {
  const types = [PROCEDURE, HOST_TYPES.clock_time, HOST_TYPES.random_bytes];
  const host = 'portarium:host/v1';
  const both = [importFunction(host, 'clock_time', 1), importFunction(host, 'random_bytes', 2)];
  const exports = [exportFunction('run', 2)];
  expect([...HOST_FUNCTIONS.keys()]).toEqual(Object.keys(HOST_TYPES));
  expect(await rules({ types, imports: both, exports })).toEqual([]);
  for (const [name, wrong] of [
    ['clock_time', 0],
    ['clock_time', 2],
    ['random_bytes', 1],
    ['random_bytes', 3],
  ] as const) {
    const imports = [importFunction(host, name, wrong)];
    const narrow = [...types, [0x60, 1, 0x7f, 1, 0x7f]];
    const found = await rules({ types: narrow, imports, exports: [exportFunction('run', 1)] });
    expect([name, wrong, found]).toEqual([name, wrong, ['import.type']]);
  }
  const foreign = ['clock', 'deadline_left', 'alloc'].map((name) => importFunction(host, name));
  expect(await rules({ imports: foreign, exports: [exportFunction('run', 3)] })).toEqual([
    'import.unknown',
    'import.unknown',
    'import.unknown',
  ]);
});

/** Its exports are `run`, function 0 behind the imports, and the memory. */
function wasiModule(imports: readonly Bytes[], over: ModuleParts = {}): Uint8Array {
  const exports = [exportFunction('run', imports.length), [...text('memory'), 2, 0]];
  return plainModule({ imports, exports, ...over });
}

test('functions of WASI preview 1 are admitted with exactly their types, and named anew', async () => {
  const errno = [0x60, 0, 1, 0x7f];
  const pointers = [0x60, 2, 0x7f, 0x7f, 1, 0x7f];
  const types = [PROCEDURE, errno, pointers, [0x60, 1, 0x7e, 0]];
  const of = (name: string, type: number) => importFunction('wasi_snapshot_preview1', name, type);
  const imports = [
    of('random_get', 2),
    importFunction('extism:host/env', 'free', 3),
    of('sched_yield', 1),
  ];
  const admission = await admit(wasiModule(imports, { types }), sampleManifest(), LIMITS);
  if (!admission.ok) throw new Error(JSON.stringify(admission.findings));
  expect(admission.rewriter).toBe('portarium-rewriter/2');
  expect(admission.report.imports[0]).toBe('wasi_snapshot_preview1#random_get');
  const read = readModule(admission.module);
  expect(read.imports.map(({ module, name, type }) => [module, name, type])).toEqual([
    ['portarium:wasi/p1', 'random_get', 2],
    ['extism:host/env', 'free', 3],
    ['portarium:wasi/p1', 'sched_yield', 1],
  ]);
  expect(WebAssembly.validate(admission.module as Uint8Array<ArrayBuffer>)).toBe(true);
  expect(await rulesOf(wasiModule([of('random_get', 1)], { types }))).toEqual(['import.type']);
  expect(await rulesOf(wasiModule([of('thread_spawn', 1)], { types }))).toEqual(['import.unknown']);
  const exports = [exportFunction('run', 1)];
  expect(await rulesOf(wasiModule([of('random_get', 2)], { types, exports }))).toEqual([
    'memory.export',
  ]);
});

test('the module that a rewrite names can not be imported by an author', async () => {
  const own = [importFunction('portarium:wasi/p1', 'sched_yield')];
  expect(await rulesOf(wasiModule(own))).toEqual(['import.unknown']);
});

test('what a start section names becomes an export, and no start section is left', async () => {
  // Function 0 stores what function 1 gives back.
  const parts: ModuleParts = {
    types: [PROCEDURE, STATUS],
    functions: [0, 1],
    exports: [exportFunction('run', 1)],
    start: 0,
    bodies: [
      [0, 0x41, 0, 0x41, 7, 0x36, 2, 0, 0x0b],
      [0, 0x41, 0, 0x28, 2, 0, 0x0b],
    ],
  };
  const admission = await admit(plainModule(parts), sampleManifest(), LIMITS);
  if (!admission.ok) throw new Error(JSON.stringify(admission.findings));
  const read = readModule(admission.module);
  expect(read.start).toBeUndefined();
  expect(read.exports.map(({ name, index }) => [name, index])).toEqual([
    ['run', 1],
    ['portarium:start', 0],
  ]);
  const { instance } = await WebAssembly.instantiate(admission.module as Uint8Array<ArrayBuffer>);
  const { run, 'portarium:start': start } = instance.exports as Record<string, () => number>;
  expect(run?.()).toBe(0);
  start?.();
  expect(run?.()).toBe(7);
  expect(await rulesOf(plainModule({ ...parts, start: 1 }))).toEqual(['start.type']);
  expect(await rulesOf(plainModule({ ...parts, start: 2 }))).toEqual(['module.malformed']);
});

test('exports that begin like the sandbox’s own are refused', async () => {
  for (const name of ['portarium:start', 'portarium:other']) {
    const exports = [exportFunction('run', 0), exportFunction(name, 0)];
    expect(await rules({ exports })).toEqual(['export.reserved']);
    expect(await rules({ exports, start: 0 })).toEqual(['export.reserved']);
  }
});

test('what asks for the machine’s clock or chance is told of the action’s', async () => {
  for (const name of ['seed', 'Date.now', 'performance.now', 'crypto.getRandomValuesN']) {
    const bytes = plainModule({
      imports: [importFunction('env', name)],
      exports: [exportFunction('run', 1)],
    });
    const admission = await admit(bytes, sampleManifest(), LIMITS);
    if (admission.ok) throw new Error('admitted');
    expect(admission.findings[0]?.hint).toContain('random.number()');
    expect(admission.findings[0]?.hint).toContain('clock.nowMs()');
  }
});

test('memory, tables and globals may not be imported', async () => {
  const name = [...text('extism:host/env'), ...text('alloc')];
  expect(await rules({ imports: [[...name, 2, ...limits(1)]], memories: [] })).toEqual([
    'import.kind',
  ]);
  expect(await rules({ imports: [[...name, 1, 0x70, ...limits(1)]] })).toEqual(['import.kind']);
  expect(await rules({ imports: [[...name, 3, 0x7f, 0]] })).toEqual(['import.kind']);
});

test('each operation needs its export as a function without parameters', async () => {
  expect(await rulesOf(plainModule(), sampleManifest({ export: 'other' }))).toEqual([
    'export.missing',
  ]);
  expect(await rules({ exports: [[...text('run'), 2, 0]] })).toEqual(['export.missing']);
  expect(await rules({ types: [[0x60, 1, 0x7f, 0]] })).toEqual(['export.signature']);
  expect(await rules({ types: [[0x60, 0, 1, 0x7e]], bodies: [[0, 0x42, 0, 0x0b]] })).toEqual([
    'export.signature',
  ]);
  expect(await rules({ types: [STATUS], bodies: [[0, 0x41, 0, 0x0b]] })).toEqual([]);
});

test('memories are at most one, unshared, 32-bit and within the limit', async () => {
  expect(await rules({ memories: [] })).toEqual([]);
  expect(await rules({ memories: [limits(1), limits(1)] })).toEqual(['memory.count']);
  expect(await rules({ memories: [limits(1, 2, 2)] })).toEqual(['memory.kind']);
  expect(await rules({ memories: [limits(1, undefined, 4)] })).toEqual(['memory.kind']);
  expect(await rules({ memories: [limits(33)] })).toEqual(['memory.limit']);
  expect(await rules({ memories: [limits(2, 1)] })).toEqual(['module.invalid']);
  expect(await rules({ memories: [limits(1, 65_537)] })).toEqual(['module.invalid']);
  expect(await rules({ memories: [limits(1, 65_536)] })).toEqual([]);
});

test('exception handling and garbage-collected types are named as features', async () => {
  const tag = { id: SECTION.tag, contents: [1, 0, 0] };
  expect(await rulesOf(buildModule({ types: [PROCEDURE], extra: [tag] }))).toEqual([
    'module.feature',
    'export.missing',
  ]);
  expect(await rules({ types: [[0x4e, 1, 0x60, 0, 0]] })).toContain('module.feature');
});

test('sections out of order, twice, cut off or too long are malformed', async () => {
  const cases: ModuleParts[] = [
    { extra: [{ id: SECTION.type, contents: [0] }] },
    { extra: [{ id: 42, contents: [] }] },
    { functions: [0, 0] },
    { memories: [[...limits(1), 0]] },
    { functions: [0], bodies: [] },
    { imports: [importFunction('extism:host/env', 'free', 9)] },
    { dataCount: 1 },
    { exports: [exportFunction('run', 1)] },
    { start: 1 },
    { globals: [[0x7f, 2, 0x41, 0, 0x0b]] },
    { exports: [[1, 0xff, 0, 0]] },
  ];
  for (const parts of cases) expect(await rules(parts)).toEqual(['module.malformed']);
  const bytes = plainModule();
  expect(await rulesOf(bytes.subarray(0, bytes.length - 1))).toEqual(['module.malformed']);
  expect(await rulesOf(Uint8Array.from([...HEADER, 1, 0x80, 0x80, 0x80, 0x80, 0x10]))).toEqual([
    'module.malformed',
  ]);
});

test('all findings are collected, each with its place', async () => {
  const broken = plainModule({
    imports: [importFunction('env', 'abort')],
    memories: [limits(99)],
  });
  const admission = await admit(
    broken,
    sampleManifest({ export: 'gone', input: { $ref: 'https://example.com/schema' } }),
    LIMITS,
  );
  if (admission.ok) throw new Error('admitted');
  expect(admission.findings.map(({ rule, at }) => [rule, at])).toEqual([
    ['import.unknown', 'import env#abort'],
    ['export.missing', '/operations/0/export'],
    ['memory.limit', undefined],
    ['schema.ref', '/operations/0/input/$ref'],
  ]);
});

test('an import from env is told what stands in its place, abort of AssemblyScript apart', async () => {
  const hintOf = async (name: string) => {
    const admission = await admit(
      plainModule({ imports: [importFunction('env', name)] }),
      sampleManifest(),
      LIMITS,
    );
    if (admission.ok) throw new Error('admitted');
    return admission.findings
      .filter(({ rule }) => rule === 'import.unknown')
      .map(({ hint }) => hint);
  };
  expect(await hintOf('abort')).toEqual([expect.stringContaining('--use abort=')]);
  const [other = ''] = await hintOf('socket_open');
  expect(other).toContain('Define or link socket_open');
  expect(other).not.toContain('AssemblyScript');
});

test('patterns are bounded in number and in the size of their programs', async () => {
  const of = (input: Record<string, unknown>) => rulesOf(plainModule(), sampleManifest({ input }));
  const named = (count: number) =>
    Object.fromEntries(Array.from({ length: count }, (_, i) => [`^a${i}$`, {}]));
  expect(await of({ patternProperties: named(64) })).toEqual([]);
  expect(await of({ patternProperties: named(65) })).toEqual(['schema.pattern']);
  expect(await of({ allOf: Array.from({ length: 65 }, () => ({ pattern: '^a$' })) })).toEqual([]);
  expect(await of({ pattern: '(?:[ab]?){1000}[^ab]$' })).toEqual(['schema.pattern']);
  expect(await of({ pattern: '(?i)a' })).toEqual(['schema.pattern']);
  const operations = Array.from({ length: 5 }, (_, i) => ({
    ...{ name: `run${i}`, export: 'run', effect: 'read' as const },
    input: { allOf: Array.from({ length: 60 }, (_, j) => ({ pattern: `^${i}-${j}$` })) },
  }));
  const many = v.parse(ManifestSchema, { ...sampleManifest(), operations });
  expect(await rulesOf(plainModule(), many)).toEqual(['schema.pattern']);
});

test('schemas are bounded in size, depth, references and patterns', async () => {
  const of = (input: Record<string, unknown>) => rulesOf(plainModule(), sampleManifest({ input }));
  let deep: Record<string, unknown> = { type: 'string' };
  for (let i = 0; i < 10; i++) deep = { type: 'object', properties: { a: deep } };
  expect(await of(deep)).toEqual(['schema.depth']);
  expect(await of({ enum: ['x'.repeat(65_536)] })).toEqual(['schema.size']);
  expect(await of({ $ref: '#/$defs/a', $defs: { a: { type: 'string' } } })).toEqual([]);
  expect(await of({ $id: 'https://example.com' })).toEqual(['schema.keyword']);
  expect(await of({ properties: { a: { pattern: '(a)\\1' } } })).toEqual(['schema.pattern']);
  expect(await of({ properties: { a: { minlength: 1 } } })).toEqual(['schema.keyword']);
  expect(await of({ $id: 'https://example.com/', $dynamicRef: '#' })).toEqual([
    'schema.keyword',
    'schema.keyword',
  ]);
  expect(await of({ patternProperties: { '(?=a)': {} } })).toEqual(['schema.pattern']);
  expect(await of({ properties: { pattern: { type: 'string' }, $ref: {} } })).toEqual([]);
});

test('references lead to a schema, and following them for one value comes to an end', async () => {
  const of = (input: Record<string, unknown>) => rulesOf(plainModule(), sampleManifest({ input }));
  const tree = { type: 'object', properties: { left: { $ref: '#' }, right: { $ref: '#' } } };
  expect(await of(tree)).toEqual([]);
  expect(await of({ $ref: '#/$defs/a', $defs: { a: { items: { $ref: '#/$defs/a' } } } })).toEqual(
    [],
  );
  expect(await of({ $ref: '#' })).toEqual(['schema.ref']);
  expect(await of({ enum: [{ $ref: '#' }], default: { $ref: '#' } })).toEqual([]);
  const circle = { a: { $ref: '#/$defs/b' }, b: { not: { $ref: '#/$defs/a' } } };
  expect(await of({ items: { $ref: '#/$defs/a' }, $defs: circle })).toEqual(['schema.ref']);
  expect(await of({ $ref: '#/$defs/none' })).toEqual(['schema.ref']);
  expect(await of({ $ref: '#/constructor' })).toEqual(['schema.ref']);
  const doubling = Array.from({ length: 30 }, (_, i) => {
    const half = { $ref: `#/$defs/a${i - 1}` };
    return [`a${i}`, i === 0 ? { type: 'string' } : { allOf: [half, half] }];
  });
  const chain = Array.from({ length: 2_000 }, (_, i) => [`c${i}`, { $ref: `#/$defs/c${i + 1}` }]);
  expect(await of({ $defs: Object.fromEntries(doubling) })).toEqual(['schema.ref']);
  const long = Object.fromEntries([...chain, ['c2000', {}]]);
  expect(await of({ $ref: '#/$defs/c0', $defs: long })).toEqual(['schema.ref']);
});

test('keywords have the values that they can have', async () => {
  const of = (input: Record<string, unknown>) => rulesOf(plainModule(), sampleManifest({ input }));
  const wrong = { type: 7, properties: [], minimum: 'a', maxLength: -1, required: [1], allOf: {} };
  const more = { uniqueItems: 1, multipleOf: 0, enum: 'a', items: 'x', $ref: 1, $defs: { a: 1 } };
  for (const [keyword, value] of Object.entries({ ...wrong, ...more })) {
    expect([keyword, await of({ [keyword]: value })]).toEqual([keyword, ['schema.keyword']]);
  }
  expect(await of({ type: ['string', 'null'], minimum: -1.5, maxLength: 3, items: false })).toEqual(
    [],
  );
});
