/**
 * WASI preview 1 for guests: time and chance are the action's, descriptors 1 and 2 are its log, and
 * there are no files, no sockets, no arguments and no environment. Never reaches the machine.
 * Source: `wasi_snapshot_preview1.witx` of the WebAssembly/WASI repository.
 */
import type { ActionClock } from './action-clock.ts';
import type { ActionRandom } from './action-random.ts';
import type { GuestLimits } from './guest-limits.ts';
import type { LogLevel } from './messages.ts';
import { ERRNO, type Errno } from './wasi-errno.ts';
import { WasiExit } from './wasi-exit.ts';
import { GuestFault, GuestMemory } from './wasi-memory.ts';
import { WasiOutput } from './wasi-output.ts';
import { isSharedClock, NANOS_PER_MICRO, poll } from './wasi-poll.ts';

/** Most vectors of one write; what systems call IOV_MAX. */
const MAX_VECTORS = 1_024;
/** Most bytes that one write takes; vectors may name the same bytes again and again. */
const MAX_WRITE_BYTES = 1024 * 1024;
/** Bytes of the random stream that are made at once. */
const RANDOM_CHUNK_BYTES = 65_536;
const CHARACTER_DEVICE = 2;
const RIGHT_FD_READ = 1n << 1n;
const RIGHT_FD_WRITE = 1n << 6n;

/** Functions that need what none has: which parameter names the descriptor, what an open one answers. */
const REFUSED: Readonly<Record<string, readonly [parameter: number, answer: Errno]>> = {
  fd_advise: [0, ERRNO.spipe],
  fd_allocate: [0, ERRNO.notsup],
  fd_datasync: [0, ERRNO.inval],
  fd_fdstat_set_flags: [0, ERRNO.notsup],
  fd_fdstat_set_rights: [0, ERRNO.notsup],
  fd_filestat_set_size: [0, ERRNO.inval],
  fd_filestat_set_times: [0, ERRNO.notsup],
  fd_pread: [0, ERRNO.spipe],
  fd_prestat_dir_name: [0, ERRNO.badf],
  fd_prestat_get: [0, ERRNO.badf],
  fd_pwrite: [0, ERRNO.spipe],
  fd_readdir: [0, ERRNO.notdir],
  fd_renumber: [0, ERRNO.notsup],
  fd_seek: [0, ERRNO.spipe],
  fd_sync: [0, ERRNO.inval],
  fd_tell: [0, ERRNO.spipe],
  path_create_directory: [0, ERRNO.notdir],
  path_filestat_get: [0, ERRNO.notdir],
  path_filestat_set_times: [0, ERRNO.notdir],
  path_link: [0, ERRNO.notdir],
  path_open: [0, ERRNO.notdir],
  path_readlink: [0, ERRNO.notdir],
  path_remove_directory: [0, ERRNO.notdir],
  path_rename: [0, ERRNO.notdir],
  path_symlink: [2, ERRNO.notdir],
  path_unlink_file: [0, ERRNO.notdir],
  sock_accept: [0, ERRNO.notsock],
  sock_recv: [0, ERRNO.notsock],
  sock_send: [0, ERRNO.notsock],
  sock_shutdown: [0, ERRNO.notsock],
};

/** An i32 comes as a number with a sign, an i64 as a bigint with a sign. */
type Call = (...values: never[]) => Errno;
export type WasiFunction = (context: unknown, ...values: (number | bigint)[]) => Errno;

interface WasiHost {
  readonly clock: ActionClock;
  readonly random: ActionRandom;
  readonly limits: GuestLimits;
  log(level: LogLevel, line: string): void;
}

export class Wasi {
  readonly #host: WasiHost;
  readonly #open = new Set([0, 1, 2]);
  readonly #outputs: ReadonlyMap<number, { readonly level: LogLevel; readonly lines: WasiOutput }>;
  #memory = new GuestMemory({ buffer: new ArrayBuffer(0) });

  constructor(host: WasiHost) {
    this.#host = host;
    const output = (level: LogLevel) => {
      const say = (line: string) => {
        host.limits.hostCall();
        host.log(level, line);
      };
      return { level, lines: new WasiOutput(say) };
    };
    this.#outputs = new Map([
      [1, output('info')],
      [2, output('warn')],
    ]);
  }

  /** Before the guest's first call; without, every address is outside. */
  attach(memory: WebAssembly.Memory | undefined): void {
    if (memory) this.#memory = new GuestMemory(memory);
  }

  /** Says what was written and has no end of line yet. */
  flush(): void {
    for (const { level, lines } of this.#outputs.values()) {
      const line = lines.rest();
      if (line !== undefined) this.#host.log(level, line);
    }
  }

  /** Served as they are to the guest: each counts as a host call, and no address is believed. */
  functions(): Record<string, WasiFunction> {
    const refused = Object.entries(REFUSED).map(([name, [parameter, answer]]): [string, Call] => [
      name,
      (...values: number[]) => (this.#open.has(values[parameter] ?? -1) ? answer : ERRNO.badf),
    ]);
    const calls = [...refused, ...Object.entries(this.#calls())];
    return Object.fromEntries(calls.map(([name, call]) => [name, this.#guarded(call)]));
  }

  #guarded(call: Call): WasiFunction {
    return (_context, ...values) => {
      this.#host.limits.hostCall();
      try {
        return call(...(values.map(unsigned) as never[]));
      } catch (error) {
        if (error instanceof GuestFault) return ERRNO.fault;
        throw error;
      }
    };
  }

  #calls(): Record<string, Call> {
    return {
      args_get: () => ERRNO.success,
      args_sizes_get: (count: number, bytes: number) => this.#none(count, bytes),
      environ_get: () => ERRNO.success,
      environ_sizes_get: (count: number, bytes: number) => this.#none(count, bytes),
      clock_res_get: (id: number, at: number) => {
        if (!isSharedClock(id)) return ERRNO.inval;
        this.#memory.setU64(at, NANOS_PER_MICRO);
        return ERRNO.success;
      },
      clock_time_get: (id: number, _precision: bigint, at: number) => {
        if (!isSharedClock(id)) return ERRNO.inval;
        this.#memory.setU64(at, this.#host.clock.read() * NANOS_PER_MICRO);
        return ERRNO.success;
      },
      fd_close: (fd: number) => (this.#open.delete(fd) ? ERRNO.success : ERRNO.badf),
      fd_fdstat_get: (fd: number, at: number) => this.#describe(fd, at),
      fd_filestat_get: (fd: number, at: number) => {
        if (!this.#open.has(fd)) return ERRNO.badf;
        this.#memory.bytes(at, 64).fill(0)[16] = CHARACTER_DEVICE;
        return ERRNO.success;
      },
      fd_read: (fd: number, _vectors: number, _count: number, read: number) => {
        if (fd !== 0 || !this.#open.has(fd)) return ERRNO.badf;
        this.#memory.setU32(read, 0);
        return ERRNO.success;
      },
      fd_write: (fd: number, vectors: number, count: number, written: number) =>
        this.#write(fd, { vectors, count, written }),
      poll_oneoff: (subscriptions: number, events: number, count: number, written: number) =>
        poll(this.#memory, this.#host.clock, this.#open, { subscriptions, events, count, written }),
      proc_exit: (code: number) => {
        throw new WasiExit(code);
      },
      proc_raise: () => ERRNO.nosys,
      random_get: (at: number, length: number) => {
        const bytes = this.#memory.bytes(at, length);
        for (let filled = 0; filled < length; filled += RANDOM_CHUNK_BYTES) {
          const size = Math.min(RANDOM_CHUNK_BYTES, length - filled);
          bytes.set(this.#host.random.take(size), filled);
        }
        return ERRNO.success;
      },
      sched_yield: () => ERRNO.success,
    };
  }

  #none(count: number, bytes: number): Errno {
    this.#memory.setU32(count, 0);
    this.#memory.setU32(bytes, 0);
    return ERRNO.success;
  }

  #describe(fd: number, at: number): Errno {
    if (!this.#open.has(fd)) return ERRNO.badf;
    const view = this.#memory.view(at, 24);
    for (let offset = 0; offset < 24; offset += 8) view.setBigUint64(offset, 0n);
    view.setUint8(0, CHARACTER_DEVICE);
    view.setBigUint64(8, fd === 0 ? RIGHT_FD_READ : RIGHT_FD_WRITE, true);
    return ERRNO.success;
  }

  #write(fd: number, to: { vectors: number; count: number; written: number }): Errno {
    const output = this.#outputs.get(fd);
    if (!output || !this.#open.has(fd)) return ERRNO.badf;
    if (to.count > MAX_VECTORS) return ERRNO.inval;
    const list = this.#memory.view(to.vectors, 8 * to.count);
    const parts: Uint8Array[] = [];
    let total = 0;
    for (let index = 0; index < to.count; index++) {
      const at = list.getUint32(8 * index, true);
      const part = this.#memory.bytes(at, list.getUint32(8 * index + 4, true));
      parts.push(part.subarray(0, MAX_WRITE_BYTES - total));
      total += parts[index]?.length ?? 0;
    }
    this.#memory.setU32(to.written, total);
    for (const part of parts) output.lines.write(part);
    return ERRNO.success;
  }
}

function unsigned(value: number | bigint): number | bigint {
  return typeof value === 'number' ? value >>> 0 : BigInt.asUintN(64, value);
}
