import { afterAll, beforeAll, expect, test } from 'bun:test';
import { concatBytes, encodeU32 } from '@portarium/admission/byte-writer';
import {
  buildModule,
  exportFunction,
  importFunction,
  limits as pages,
  section,
} from '@portarium/admission/testing/wasm-builder';
import { DEFAULT_LIMITS } from '@portarium/contracts/limits';
import { CellProcess, type RunResult } from '../host/cell-process.ts';
import { type CellProgram, prepareCellProgram } from '../host/cell-program.ts';
import { ownRuntime } from '../isolation/runtime.ts';
import { denoBinary } from '../replay/deno-binary.ts';

/**
 * `run` gives what the clock said at the start as its output, 8 bytes; `wait` gives the same at once.
 * What stands in the start section, or under the name that the rewriter gives it, reads the clock.
 */
const I64 = 0x7e;
/** What a data segment makes every instance touch. */
const DATA_BYTES = 16 << 20;
const MODULE = {
  types: [
    [0x60, 0, 0],
    [0x60, 0, 1, I64],
    [0x60, 1, I64, 1, I64],
    [0x60, 2, I64, I64, 0],
  ],
  imports: [
    importFunction('portarium:host/v1', 'clock_time', 1),
    importFunction('extism:host/env', 'alloc', 2),
    importFunction('extism:host/env', 'store_u64', 3),
    importFunction('extism:host/env', 'output_set', 3),
  ],
  functions: [0, 0],
  memories: [pages(1 + DATA_BYTES / 65_536, 512)],
  bodies: [
    // start: memory[0] += clock_time()
    [0, ...[0x41, 0], ...[0x41, 0, 0x29, 3, 0], ...[0x10, 0], 0x7c, ...[0x37, 3, 0], 0x0b],
    // run: block = alloc(8); store_u64(block, memory[0]); output_set(block, 8); memory[0] = 1
    [
      ...[1, 1, I64],
      ...[0x42, 8, 0x10, 1, 0x21, 0],
      ...[0x20, 0, 0x41, 0, 0x29, 3, 0, 0x10, 2],
      ...[0x20, 0, 0x42, 8, 0x10, 3],
      ...[0x41, 0, 0x42, 1, 0x37, 3, 0],
      0x0b,
    ],
  ],
};
const [START, RUN] = [4, 5];
const EXPORTED = buildModule({
  ...MODULE,
  exports: [exportFunction('run', RUN), exportFunction('portarium:start', START)],
});
/** As an older rewriter left it: instantiating it runs the guest. */
const AT_ONCE = buildModule({
  ...MODULE,
  exports: [exportFunction('run', RUN)],
});
const withStart = (bytes: Uint8Array) => {
  // The start section stands behind the exports and before the code, the last section.
  const code = bytes.lastIndexOf(10, bytes.length - MODULE.bodies.flat().length);
  const parts = [bytes.subarray(0, code), section(8, [START]), bytes.subarray(code)];
  return new Uint8Array(parts.flatMap((part) => [...part]));
};

/** A data segment from the second page on. */
const withData = (bytes: Uint8Array) => {
  const head = [1, 0, 0x41, 0x80, 0x80, 4, 0x0b, ...encodeU32(DATA_BYTES)];
  const size = encodeU32(head.length + DATA_BYTES);
  return concatBytes([bytes, [11], size, head, new Uint8Array(DATA_BYTES).fill(7)]);
};

const programs: CellProgram[] = [];
const cells: CellProcess[] = [];

beforeAll(async () => {
  const deno = { name: 'deno', executable: denoBinary() } as const;
  for (const runtime of [ownRuntime(), deno]) {
    programs.push(await prepareCellProgram(process.env.PATH ?? '', { runtime }));
  }
}, 60_000);

afterAll(async () => {
  await Promise.all(cells.map((cell) => cell.kill()));
  await Promise.all(programs.map((program) => program.remove()));
});

const run = (cell: CellProcess, startTime: string, limits = DEFAULT_LIMITS) =>
  cell.run({
    ...{ export: 'run', input: new Uint8Array(), config: {}, limits, startTime },
    ...{ seed: '0'.repeat(64), maxRequestBytes: 0, onLog: () => undefined },
    onRequest: () => Promise.reject(new Error('no requests here')),
  });

function clockOf(result: RunResult): number {
  if (result.kind !== 'output') throw new Error(JSON.stringify(result));
  return Number(new DataView(result.output.buffer, result.output.byteOffset).getBigUint64(0, true));
}

for (const [name, bytes] of [
  ['an export', EXPORTED],
  ['a start section', withStart(AT_ONCE)],
] as const) {
  test(`${name} that runs first runs in its attempt, under its clock and limits, on Bun and Deno`, async () => {
    for (const program of programs) {
      const cell = new CellProcess(program);
      cells.push(cell);
      await cell.ready;
      expect(await cell.bind(bytes, 64)).toEqual({ ok: true });
      // Long enough for the next instance to be there already.
      for (const second of [1, 2, 3]) {
        await Bun.sleep(30);
        const started = await run(cell, `2026-01-01T00:00:0${second}.000Z`);
        expect(clockOf(started)).toBe(Date.UTC(2026, 0, 1, 0, 0, second) * 1_000);
      }
      const none = { ...DEFAULT_LIMITS, hostCalls: 0 };
      expect(await run(cell, '2026-01-01T00:00:00.000Z', none)).toMatchObject({
        kind: 'error',
        code: 'limit.hostcalls',
      });
    }
  }, 30_000);
}

test('the next instance is there before its attempt, unless making it would run the guest', async () => {
  const [program] = programs;
  if (!program) throw new Error('no program');
  const resident = async (bytes: Uint8Array) => {
    const cell = new CellProcess(program);
    cells.push(cell);
    await cell.ready;
    expect(await cell.bind(withData(bytes), 64)).toEqual({ ok: true });
    await run(cell, '2026-01-01T00:00:00.000Z');
    await Bun.sleep(500);
    return cell.usage().residentBytes;
  };
  const [made, unmade] = [await resident(EXPORTED), await resident(withStart(AT_ONCE))];
  expect(made - unmade).toBeGreaterThan(DATA_BYTES / 2);
}, 30_000);
