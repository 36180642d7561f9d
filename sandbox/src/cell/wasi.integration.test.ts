import { afterAll, beforeAll, expect, setDefaultTimeout, test } from 'bun:test';
import { createHash } from 'node:crypto';
import { createPlugin } from '@extism/extism';
import {
  exportFunction,
  importFunction,
  PROCEDURE,
  plainModule,
  STATUS,
  text,
} from '@portarium/admission/testing/wasm-builder';
import { DEFAULT_LIMITS } from '@portarium/contracts/limits';
import { compileGuest, HTTP_HEAD, WASI_HEAD } from '../testing/assemblyscript.ts';
import { admitted, BothEngines, type GuestRunner } from '../testing/both-engines.ts';

// Cells of both runtimes are started, and a guest is compiled.
setDefaultTimeout(60_000);

const GUEST = `${HTTP_HEAD}${WASI_HEAD}
const began: i64 = now();
const early: string = request("GET", "http://a.test/early");
export function run(): void {
  random_get(at + 16, 8);
  print(1, "to the log\\nwithout an end");
  const drawn = load<u64>(at + 16).toString(16);
  output([began.toString(), early, now().toString(), drawn].join(","));
}
export function done(): void { output("as it was"); print(2, "bye"); proc_exit(0); }
export function wrong(): void { output("as it was"); proc_exit(3); }
export function failing(): void { error_set(put("the disk is full")); proc_exit(0); }
export function noisy(): void { for (;;) print(1, "x\\n"); }
export function asking(): void { output(request("GET", "http://a.test/")); proc_exit(0); }
`;

const encoder = new TextEncoder();
let engines: BothEngines;
let guest: GuestRunner;

beforeAll(async () => {
  engines = await BothEngines.prepare();
  guest = await engines.bind(await admitted(await compileGuest(GUEST), 'run'));
});

afterAll(() => engines.stop());

test('a guest of WASI reads the action’s clock and chance, also before its operation', async () => {
  const { text, logs } = await guest('run');
  const seed = Buffer.from('5eed'.repeat(16), 'hex');
  const block = createHash('sha256').update(seed).update(Buffer.alloc(8)).digest();
  const drawn = block.readBigUInt64LE().toString(16);
  expect(text).toBe(`1795420800250000000,0 ,1795420800290001000,${drawn}`);
  expect(logs).toEqual([
    'error: http_request: there is no network in this test',
    'info: to the log',
    'info: without an end',
  ]);
  expect((await guest('run')).text).toBe(text);
  expect((await guest('run', { seed: '0'.repeat(64) })).text).not.toBe(text);
});

test('an exit with code 0 ends an operation well, any other and any before it is a trap', async () => {
  expect(await guest('done')).toMatchObject({ end: 'output', text: 'as it was' });
  expect((await guest('done')).logs).toContain('warn: bye');
  expect(await guest('wrong')).toMatchObject({
    end: 'guest.trap',
    text: 'the plugin exited with code 3',
  });
  expect(await guest('failing')).toMatchObject({ end: 'guest.error', text: 'the disk is full' });
  const ok = {
    onRequest: async () => ({ status: 200, headers: {}, body: new Uint8Array(), ms: 1 }),
  };
  expect(await guest('asking', ok)).toMatchObject({ end: 'output', text: '200 ' });
});

test('what a guest prints counts as host calls, and the log is cut but never fatal', async () => {
  const limits = { ...DEFAULT_LIMITS, hostCalls: 500, logLines: 20 };
  const { end, logs, hostCalls } = await guest('noisy', { limits });
  expect([end, hostCalls]).toEqual(['limit.hostcalls', 501]);
  expect(logs.length).toBe(21);
  expect(logs.at(-1)).toStartWith('warn: log truncated here');
});

/**
 * Each of `names` is an export that appends its digit, from 1, to a number in memory, which `run`
 * outputs as 8 bytes. `start` is the place of the one that the start section names.
 */
function tracing(names: readonly string[], usesWasi: boolean, start?: number): Uint8Array {
  const [procedure, alloc, pair, status] = [0, 1, 2, 3];
  const host = (name: string, type: number) => importFunction('extism:host/env', name, type);
  const imports = [host('alloc', alloc), host('store_u64', pair), host('output_set', pair)];
  if (usesWasi) imports.push(importFunction('wasi_snapshot_preview1', 'sched_yield', status));
  const first = imports.length;
  const run = [
    ...[1, 1, 0x7e, 0x42, 8, 0x10, 0, 0x22, 0, 0x41, 0, 0x29, 3, 0, 0x10, 1],
    ...[0x20, 0, 0x42, 8, 0x10, 2, 0x0b],
  ];
  const append = (digit: number) => [
    ...[0, 0x41, 0, 0x41, 0, 0x29, 3, 0, 0x42, 10, 0x7e, 0x42, digit, 0x7c, 0x37, 3, 0, 0x0b],
  ];
  return plainModule({
    types: [PROCEDURE, [0x60, 1, 0x7e, 1, 0x7e], [0x60, 2, 0x7e, 0x7e, 0], STATUS],
    imports,
    functions: [procedure, ...names.map(() => procedure)],
    exports: [
      exportFunction('run', first),
      ...names.map((name, index) => exportFunction(name, first + 1 + index)),
      [...text('memory'), 2, 0],
    ],
    bodies: [run, ...names.map((_, index) => append(index + 1))],
    ...(start === undefined ? {} : { start: first + 1 + start }),
  });
}

const traceOf = (bytes: Uint8Array) => new DataView(bytes.slice().buffer).getBigUint64(0, true);

const BEGINNINGS = [
  { names: ['a'], start: 0, runs: 1n },
  { names: ['_initialize', 'a'], start: 1, runs: 21n },
  { names: ['_start', '_initialize'], runs: 2n },
  { names: ['_start'], runs: 1n },
  { names: ['_start', '_initialize', 'hs_init'], runs: 3n },
  { names: ['__wasm_call_ctors'], runs: 0n },
] as const;

test('what begins a guest runs as Extism would run it, a start section first', async () => {
  for (const { names, runs, ...rest } of BEGINNINGS) {
    const bytes = tracing(names, false, 'start' in rest ? rest.start : undefined);
    const run = await engines.bind(await admitted(bytes, 'run'));
    expect([names, traceOf(encoder.encode((await run('run')).text))]).toEqual([names, runs]);
    const plugin = await createPlugin({ wasm: [{ data: bytes }] }, {});
    const output = await plugin.call('run');
    expect([names, traceOf(output?.bytes() ?? new Uint8Array(8))]).toEqual([names, runs]);
  }
});

test('a guest of WASI is begun by its reactor and Haskell’s runtime, and _start is its own to name', async () => {
  for (const { names, start, runs } of [
    { names: ['_start'], runs: 0n },
    { names: ['_start', '_initialize'], runs: 2n },
    { names: ['hs_init', '_initialize', 'a'], start: 2, runs: 321n },
  ]) {
    const run = await engines.bind(await admitted(tracing(names, true, start), 'run'));
    expect([names, traceOf(encoder.encode((await run('run')).text))]).toEqual([names, runs]);
  }
  const run = await engines.bind(await admitted(tracing(['_start'], true), '_start', 'run'));
  expect(await run('_start')).toMatchObject({ end: 'output' });
});
