import { expect, test } from 'bun:test';
import { WASI } from 'node:wasi';
import { WASI_FUNCTIONS } from '@portarium/admission/wasi-functions';
import { DEFAULT_LIMITS } from '@portarium/contracts/limits';
import { runCount } from '@portarium/contracts/testing/run-count';
import fc from 'fast-check';
import { ActionClock } from './action-clock.ts';
import { ActionRandom } from './action-random.ts';
import { GuestLimits, LimitBroken } from './guest-limits.ts';
import { Wasi } from './wasi.ts';
import { WasiExit } from './wasi-exit.ts';

const PAGE = 65_536;
const SEED = '5eed'.repeat(16);
const START = '2026-11-23T08:00:00.250Z';
const NANOS = 1_795_420_800_250_000_000n;
const [SUCCESS, BADF, FAULT, INVAL, NOSYS, NOTDIR, NOTSOCK] = [0, 8, 21, 28, 52, 54, 57];

function rig(hostCalls = 100_000) {
  const memory = new WebAssembly.Memory({ initial: 1, maximum: 4 });
  const lines: string[] = [];
  const limits = new GuestLimits({ ...DEFAULT_LIMITS, hostCalls });
  const clock = new ActionClock(START);
  const random = new ActionRandom(SEED);
  const log = (level: string, line: string) => lines.push(`${level}: ${line}`);
  const wasi = new Wasi({ clock, random, limits, log });
  wasi.attach(memory);
  const functions = wasi.functions();
  const call = (name: string, ...values: (number | bigint)[]) =>
    Number(functions[name]?.(undefined, ...values));
  const view = () => new DataView(memory.buffer);
  const put = (at: number, ...words: number[]) => {
    for (const [index, word] of words.entries()) view().setUint32(at + 4 * index, word, true);
  };
  /** Writes the texts in one call, and gives how many bytes it took. */
  const write = (fd: number, ...texts: string[]): number => {
    let at = 1_024;
    for (const [index, text] of texts.entries()) {
      const bytes = new TextEncoder().encode(text);
      new Uint8Array(memory.buffer).set(bytes, at);
      put(64 + 8 * index, at, bytes.length);
      at += bytes.length;
    }
    const answer = call('fd_write', fd, 64, texts.length, 0);
    return answer === SUCCESS ? view().getUint32(0, true) : -answer;
  };
  return { call, view, put, write, memory, lines, limits, wasi, functions };
}

test('each function of preview 1 is served, and no other', () => {
  const served = Object.keys(rig().functions).toSorted();
  expect(served).toEqual([...WASI_FUNCTIONS.keys()].toSorted());
  // An independent list, which lacks the latest function and has two of its maker's own.
  const { wasiImport } = new WASI({ version: 'preview1' }) as { wasiImport?: object };
  const known = Object.keys(wasiImport ?? {}).filter((name) => !/[A-Z]/.test(name));
  expect(served.filter((name) => name !== 'sock_accept')).toEqual(known.toSorted());
});

test('both clocks are the action’s, a read moves it by 1 µs, and no other clock is there', () => {
  const { call, view } = rig();
  for (const [id, time] of [
    [0, NANOS],
    [1, NANOS + 1_000n],
    [0, NANOS + 2_000n],
  ] as const) {
    expect(call('clock_time_get', id, 0n, 8)).toBe(SUCCESS);
    expect(view().getBigUint64(8, true)).toBe(time);
  }
  expect(call('clock_res_get', 1, 16)).toBe(SUCCESS);
  expect(view().getBigUint64(16, true)).toBe(1_000n);
  for (const id of [2, 3, 4, -1]) {
    expect(call('clock_time_get', id, 0n, 8)).toBe(INVAL);
    expect(call('clock_res_get', id, 8)).toBe(INVAL);
  }
});

test('random bytes are the action’s stream, also beyond what is made at once', () => {
  const { call, memory } = rig();
  memory.grow(2);
  expect(call('random_get', 100, 10)).toBe(SUCCESS);
  expect(call('random_get', 200, 2 * PAGE + 1)).toBe(SUCCESS);
  const stream = new ActionRandom(SEED).take(2 * PAGE + 11);
  const bytes = new Uint8Array(memory.buffer);
  expect(bytes.slice(100, 110)).toEqual(stream.slice(0, 10));
  expect(Bun.hash(bytes.slice(200, 201 + 2 * PAGE))).toBe(Bun.hash(stream.slice(10)));
});

test('there are no arguments, no environment, no files, no folders and no sockets', () => {
  const { call, view, put } = rig();
  for (const name of ['args', 'environ']) {
    put(0, 7, 7);
    expect(call(`${name}_sizes_get`, 0, 4)).toBe(SUCCESS);
    expect([view().getUint32(0, true), view().getUint32(4, true)]).toEqual([0, 0]);
    expect(call(`${name}_get`, 0, 4)).toBe(SUCCESS);
  }
  expect(call('fd_prestat_get', 3, 0)).toBe(BADF);
  expect(call('path_open', 3, 0, 0, 4, 0, 0n, 0n, 0, 0)).toBe(BADF);
  expect(call('path_open', 1, 0, 0, 4, 0, 0n, 0n, 0, 0)).toBe(NOTDIR);
  expect(call('path_symlink', 0, 1, 1, 0, 1)).toBe(NOTDIR);
  expect(call('path_symlink', 1, 1, 9, 0, 1)).toBe(BADF);
  expect(call('sock_send', 9, 0, 0, 0, 0)).toBe(BADF);
  expect(call('sock_accept', 0, 0, 0)).toBe(NOTSOCK);
  expect(call('proc_raise', 9)).toBe(NOSYS);
  expect(call('fd_read', 0, 0, 0, 8)).toBe(SUCCESS);
  expect(view().getUint32(8, true)).toBe(0);
  expect(call('fd_read', 1, 0, 0, 8)).toBe(BADF);
});

test('descriptors 1 and 2 are character devices that are written to, until they are closed', () => {
  const { call, view, write } = rig();
  expect(call('fd_fdstat_get', 1, 32)).toBe(SUCCESS);
  expect([view().getUint8(32), view().getBigUint64(40, true)]).toEqual([2, 64n]);
  expect(call('fd_fdstat_get', 3, 32)).toBe(BADF);
  expect(call('fd_filestat_get', 2, 32)).toBe(SUCCESS);
  expect(view().getUint8(48)).toBe(2);
  expect(write(1, 'a\n')).toBe(2);
  expect(call('fd_close', 1)).toBe(SUCCESS);
  expect(call('fd_close', 1)).toBe(BADF);
  expect(write(1, 'b\n')).toBe(-BADF);
  expect(write(0, 'b\n')).toBe(-BADF);
  expect(write(2, 'c\n')).toBe(2);
});

test('what is written is logged line by line, whole characters, the last one at the end', () => {
  const { write, lines, wasi, call, put, memory } = rig();
  expect(write(1, 'one\ntwo', ' and a half\n\nthr')).toBe(23);
  expect(write(2, 'warned \u2713\n')).toBe(11);
  expect(lines).toEqual(['info: one', 'info: two and a half', 'info: ', 'warn: warned \u2713']);
  // One character in two writes.
  new Uint8Array(memory.buffer).set([0xc3, 0xa9], 2_048);
  for (const at of [2_048, 2_049]) {
    put(64, at, 1);
    expect(call('fd_write', 2, 64, 1, 0)).toBe(SUCCESS);
  }
  wasi.flush();
  wasi.flush();
  expect(lines.slice(4)).toEqual(['info: thr', 'warn: \u00e9']);
  expect(call('fd_write', 1, 64, 0, 0)).toBe(SUCCESS);
});

test('a line that never ends is held only as far as the log would show it', () => {
  const { write, lines, limits } = rig();
  const text = 'x'.repeat(50_000);
  for (let i = 0; i < 40; i++) expect(write(1, text)).toBe(50_000);
  expect(write(1, '\nnext\n')).toBe(6);
  expect(lines.map((line) => line.length < 40_000)).toEqual([true, true]);
  expect(lines[1]).toBe('info: next');
  // Each write and each line.
  expect(limits.hostCalls).toBe(43);
});

test('one write takes a mebibyte at most, however often its vectors name the same bytes', () => {
  const { call, put, view, lines } = rig(10);
  for (let index = 0; index < 1_024; index++) put(8 * index, 0, PAGE);
  expect(call('fd_write', 1, 0, 1_024, PAGE - 4)).toBe(SUCCESS);
  expect(view().getUint32(PAGE - 4, true)).toBe(1_048_576);
  expect(call('fd_write', 1, 0, 1_025, PAGE - 4)).toBe(INVAL);
  new Uint8Array(view().buffer).fill(10, 0, 100);
  put(200, 0, 100);
  expect(() => call('fd_write', 1, 200, 1, PAGE - 4)).toThrow(LimitBroken);
  expect(lines.length).toBeLessThan(10);
});

/** A subscription to a clock, 48 bytes. */
function clockAt(
  view: DataView,
  at: number,
  timeout: bigint,
  over: { id?: number; flags?: number } = {},
) {
  view.setBigUint64(at, BigInt(at), true);
  view.setUint8(at + 8, 0);
  view.setUint32(at + 16, over.id ?? 1, true);
  view.setBigUint64(at + 24, timeout, true);
  view.setUint16(at + 40, over.flags ?? 0, true);
}

function events(view: DataView, count: number) {
  return Array.from({ length: count }, (_, index) => {
    const at = 4_096 + 32 * index;
    return [view.getBigUint64(at, true), view.getUint16(at + 8, true), view.getUint8(at + 10)];
  });
}

test('a sleep puts the clock where it ends, to the earliest of several, and waits for nothing', () => {
  const { call, view } = rig();
  clockAt(view(), 96, 5_000_000_000n);
  clockAt(view(), 144, 2_000_000_001n);
  const began = performance.now();
  expect(call('poll_oneoff', 96, 4_096, 2, 0)).toBe(SUCCESS);
  expect(performance.now() - began).toBeLessThan(1_000);
  expect(events(view(), view().getUint32(0, true))).toEqual([[144n, 0, 0]]);
  call('clock_time_get', 1, 0n, 8);
  expect(view().getBigUint64(8, true)).toBe(NANOS + 2_000_001_000n);
  // A time that has passed is told at once, and nothing goes back.
  clockAt(view(), 96, NANOS, { flags: 1 });
  expect(call('poll_oneoff', 96, 4_096, 1, 0)).toBe(SUCCESS);
  expect(view().getUint32(0, true)).toBe(1);
  call('clock_time_get', 0, 0n, 8);
  expect(view().getBigUint64(8, true)).toBe(NANOS + 2_000_003_000n);
});

test('a sleep without end stops where 63 bits of nanoseconds do', () => {
  const { call, view } = rig();
  for (let i = 0; i < 2; i++) {
    clockAt(view(), 96, 2n ** 64n - 1n);
    expect(call('poll_oneoff', 96, 4_096, 1, 0)).toBe(SUCCESS);
  }
  call('clock_time_get', 0, 0n, 8);
  expect(view().getBigUint64(8, true) / 1_000_000n).toBe((2n ** 63n - 1n) / 1_000_000n);
});

test('a descriptor that is ready is told before any time passes, and what is none as an error', () => {
  const { call, view } = rig();
  clockAt(view(), 96, 5_000_000_000n);
  for (const [index, type, fd] of [
    [1, 2, 1],
    [2, 1, 0],
    [3, 1, 9],
  ] as const) {
    clockAt(view(), 96 + 48 * index, 0n, { id: fd });
    view().setUint8(104 + 48 * index, type);
  }
  clockAt(view(), 96 + 4 * 48, 0n, { id: 2 });
  expect(call('poll_oneoff', 96, 4_096, 5, 0)).toBe(SUCCESS);
  expect(events(view(), view().getUint32(0, true))).toEqual([
    [144n, 0, 2],
    [192n, 0, 1],
    [240n, BADF, 1],
    [288n, INVAL, 0],
  ]);
  call('clock_time_get', 1, 0n, 8);
  expect(view().getBigUint64(8, true)).toBe(NANOS + 1_000n);
  expect(call('poll_oneoff', 96, 4_096, 0, 0)).toBe(INVAL);
  expect(call('poll_oneoff', 0, 0, 1_025, 0)).toBe(INVAL);
  view().setUint8(104, 3);
  expect(call('poll_oneoff', 96, 4_096, 1, 0)).toBe(INVAL);
});

test('an exit ends the guest with its code, and every call counts', () => {
  const { call } = rig(3);
  expect(() => call('proc_exit', 3)).toThrow(new WasiExit(3));
  expect(() => call('proc_exit', -1)).toThrow('the plugin exited with code 4294967295');
  expect(call('sched_yield')).toBe(SUCCESS);
  expect(() => call('sched_yield')).toThrow(LimitBroken);
});

test('an address outside of the memory is a fault and changes nothing', () => {
  const { call, view, put, lines, wasi } = rig();
  const names: [string, ...(number | bigint)[]][] = [
    ['args_sizes_get', PAGE - 3, 0],
    ['clock_time_get', 0, 0n, PAGE - 7],
    ['random_get', 1, PAGE],
    ['random_get', -1, 1],
    ['random_get', -1, -1],
    ['fd_fdstat_get', 1, PAGE - 23],
    ['fd_filestat_get', 1, -64],
    ['fd_read', 0, 0, 0, -2],
    ['poll_oneoff', PAGE - 47, 0, 1, 0],
    ['poll_oneoff', 0, PAGE - 31, 1, 0],
    ['poll_oneoff', 0, 0, 1, PAGE],
    ['fd_write', 1, PAGE - 7, 1, 0],
    ['fd_write', 1, 0, 1_024, PAGE - 8],
    ['fd_write', 1, 0, 0, PAGE - 3],
  ];
  put(0, 0, PAGE + 1);
  for (const [name, ...values] of names) {
    const before = Bun.hash(view().buffer);
    expect([name, call(name, ...values)]).toEqual([name, FAULT]);
    expect(Bun.hash(view().buffer)).toBe(before);
  }
  wasi.flush();
  expect(lines).toEqual([]);
});

test('whatever a guest passes, a function answers with an error number or ends the guest', () => {
  const edges = [
    0,
    1,
    2,
    3,
    64,
    PAGE - 32,
    PAGE - 8,
    PAGE - 1,
    PAGE,
    2 ** 31 - 1,
    -1,
    -8,
    -(2 ** 31),
  ];
  const i32 = fc.oneof(fc.constantFrom(...edges), fc.integer());
  const i64 = fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n });
  const call = fc
    .constantFrom(...WASI_FUNCTIONS)
    .chain(([name, { params }]) =>
      fc.tuple(fc.constant(name), fc.tuple(...params.map((type) => (type === 0x7f ? i32 : i64)))),
    );
  fc.assert(
    fc.property(
      fc.uint8Array({ maxLength: 200 }),
      fc.array(call, { maxLength: 20 }),
      (bytes, calls) => {
        const { call, memory } = rig(60);
        new Uint8Array(memory.buffer).set(bytes);
        for (const [name, values] of calls) {
          try {
            expect([0, 8, 21, 28, 52, 54, 57, 58, 70]).toContain(call(name, ...values));
          } catch (error) {
            if (error instanceof LimitBroken) return;
            if (!(error instanceof WasiExit)) throw error;
          }
          expect(memory.buffer.byteLength).toBe(PAGE);
        }
      },
    ),
    { seed: 20_261_128, numRuns: runCount(25, 2_000) },
  );
}, 600_000);
