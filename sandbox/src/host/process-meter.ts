/**
 * What a process has used, as the kernel counts it: a cell's own word is not taken for it. Files of
 * `/proc` stay open, which halves what a reading costs and never reads another process that got the
 * same id later.
 */
import { closeSync, openSync, readSync, writeSync } from 'node:fs';

/** Since the process began. */
export interface Reading {
  /** Of the main thread, which guests run on, in nanoseconds' precision. */
  readonly mainMs: number;
  /** Of all threads, ended ones too, in steps of {@link TICK_MS}. */
  readonly allMs: number;
  /** Memory that is taken from the machine: pages, those that were swapped out, and the tables of pages. */
  readonly residentBytes: number;
  /** Of pages alone, since the last {@link ProcessMeter.restartPeak}. */
  readonly peakBytes: number;
  readonly threads: number;
}

/** Linux counts in 1/100 s on every platform that we support. */
export const TICK_MS = 10;

const FILES = ['schedstat', 'stat', 'status'] as const;
/** Pages alone would leave out gigabytes of page tables that map one page of zeros again and again. */
const HELD = ['VmRSS:', 'VmSwap:', 'VmPTE:'] as const;

export class ProcessMeter {
  readonly #pid: number;
  readonly #buffer = Buffer.alloc(8_192);
  readonly #open = new Map<string, number>();
  #closed = false;

  constructor(pid: number) {
    this.#pid = pid;
  }

  /** Undefined when the process is gone or the system has no `/proc`. */
  read(): Reading | undefined {
    try {
      const [schedule = '', stat = '', status = ''] = FILES.map((file) => this.#text(file));
      return {
        mainMs: Number(schedule.split(' ')[0]) / 1e6,
        allMs: ticksMs(stat),
        residentBytes: HELD.reduce((sum, field) => sum + kibibytes(status, field), 0),
        peakBytes: kibibytes(status, 'VmHWM:'),
        threads: numberOf(status, 'Threads:'),
      };
    } catch {
      return undefined;
    }
  }

  /** Lets the kernel's peak count anew (`man 5 proc_pid_clear_refs`); false where it can not. */
  restartPeak(): boolean {
    try {
      writeSync(this.#file('clear_refs', 'w'), '5');
      return true;
    } catch {
      return false;
    }
  }

  close(): void {
    this.#closed = true;
    for (const descriptor of this.#open.values()) closeSync(descriptor);
    this.#open.clear();
  }

  #text(name: string): string {
    const length = readSync(this.#file(name, 'r'), this.#buffer, 0, this.#buffer.length, 0);
    return this.#buffer.toString('latin1', 0, length);
  }

  #file(name: string, flags: 'r' | 'w'): number {
    const known = this.#open.get(name);
    if (known !== undefined) return known;
    if (this.#closed) throw new Error('closed');
    const descriptor = openSync(`/proc/${this.#pid}/${name}`, flags);
    this.#open.set(name, descriptor);
    return descriptor;
  }
}

/** User and system time (`man 5 proc_pid_stat`, fields 14, 15). */
function ticksMs(stat: string): number {
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[11]) + Number(fields[12])) * TICK_MS;
}

/** 0 for a process that has ended and was not waited for. */
function kibibytes(status: string, field: string): number {
  return numberOf(status, field) * 1024;
}

function numberOf(status: string, field: string): number {
  const at = status.indexOf(`\n${field}`);
  return at === -1 ? 0 : Number.parseInt(status.slice(at + 1 + field.length), 10);
}
