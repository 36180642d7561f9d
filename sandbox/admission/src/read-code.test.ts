import { expect, test } from 'bun:test';
import { cpuMs } from '@portarium/contracts/testing/cpu-ms';
import { admit } from './admit.ts';
import { encodeU32 } from './byte-writer.ts';
import { SECTION } from './sections.ts';
import { sampleManifest } from './testing/sample-manifest.ts';
import {
  type Bytes,
  buildModule,
  exportFunction,
  type ModuleParts,
  PROCEDURE,
  plainModule,
  text,
  vector,
} from './testing/wasm-builder.ts';

const manifest = sampleManifest();

async function rulesOf(bytes: Uint8Array): Promise<string[]> {
  const admission = await admit(bytes, manifest, { memoryMiB: 2 });
  return admission.ok ? [] : admission.findings.map(({ rule }) => rule);
}

const rules = (parts: ModuleParts) => rulesOf(plainModule(parts));

/** A body whose groups each declare `locals` i32. */
const body = (...groups: readonly number[]): Bytes => [
  ...vector(groups.map((locals) => [...encodeU32(locals), 0x7f])),
  0x0b,
];

const many = (count: number, one: Bytes): ModuleParts => ({
  functions: Array<number>(count).fill(0),
  bodies: Array<Bytes>(count).fill(one),
});

test('a small module that declares millions of locals is refused before an engine sees it', async () => {
  const bytes = plainModule(many(20_000, body(50_000)));
  const started = process.cpuUsage();
  expect(await rulesOf(bytes)).toEqual(['code.locals']);
  expect(cpuMs(started)).toBeLessThan(2_500);
});

test('a function has at most 10,000 locals, and all together at most 1,000,000', async () => {
  expect(await rules({ bodies: [body(10_000)] })).toEqual([]);
  expect(await rules({ bodies: [body(10_001)] })).toEqual(['code.locals']);
  expect(await rules({ bodies: [body(6_000, 4_001)] })).toEqual(['code.locals']);
  expect(await rules({ bodies: [body(0xffff_ffff, 0xffff_ffff)] })).toEqual(['code.locals']);
  expect(await rules({ bodies: [body(...Array<number>(10_001).fill(0))] })).toEqual([
    'code.locals',
  ]);
  expect(await rules(many(100, body(10_000)))).toEqual([]);
  expect(await rules(many(101, body(10_000)))).toEqual(['code.locals']);
});

test('bodies lie within their section and locals within their body', async () => {
  const raw = (code: Bytes) =>
    buildModule({
      types: [PROCEDURE],
      functions: [0],
      exports: [exportFunction('run', 0)],
      extra: [{ id: SECTION.code, contents: code }],
    });
  expect(await rulesOf(raw([1, 2, 0, 0x0b]))).toEqual([]);
  expect(await rulesOf(raw([1, 9, 0, 0x0b]))).toEqual(['module.malformed']);
  expect(await rulesOf(raw([1, 2, 0, 0x0b, 0]))).toEqual(['module.malformed']);
  expect(await rulesOf(raw([1, 2, 1, 1, 0x7f, 0x0b]))).toEqual(['module.malformed']);
});

test('a body of more than a mebibyte is refused', async () => {
  const nops = (count: number): Bytes => [0, ...Array<number>(count).fill(0x01), 0x0b];
  expect(await rules({ bodies: [nops(1024 * 1024 - 2)] })).toEqual([]);
  expect(await rules({ bodies: [nops(1024 * 1024 - 1)] })).toEqual(['code.size']);
});

test('functions, parameters, results, names, globals and segments are bounded', async () => {
  const i32 = (count: number) => vector(Array<Bytes>(count).fill([0x7f]));
  expect(await rules(many(100_001, [0, 0x0b]))).toEqual(['module.count']);
  expect(await rules({ types: [PROCEDURE, [0x60, ...i32(100), ...i32(16)]] })).toEqual([]);
  expect(await rules({ types: [PROCEDURE, [0x60, ...i32(101), 0]] })).toEqual(['module.count']);
  expect(await rules({ types: [PROCEDURE, [0x60, 0, ...i32(17)]] })).toEqual(['module.count']);
  const exports = [exportFunction('run', 0), [...text('x'.repeat(4_097)), 0, 0]];
  expect(await rules({ exports })).toEqual(['module.count']);
  const filled = (count: number, item: Bytes) => Array<Bytes>(count).fill(item);
  const global: Bytes = [0x7f, 0, 0x41, 0, 0x0b];
  const active: Bytes = [0, 0x41, 0, 0x0b, 0];
  const passive: Bytes = [1, 0, 0];
  for (const [part, item, most] of [
    ['globals', global, 10_000],
    ['elements', passive, 10_000],
    ['data', active, 100_000],
  ] as const) {
    expect([part, await rules({ [part]: filled(most, item) })]).toEqual([part, []]);
    const more = await rules({ [part]: filled(most + 1, item) });
    expect([part, more]).toEqual([part, ['module.count']]);
  }
  const long: Bytes = [1, 0, ...encodeU32(1024 * 1024), ...Array<number>(1024 * 1024).fill(0)];
  expect(await rules({ elements: [long] })).toEqual(['module.count']);
});
