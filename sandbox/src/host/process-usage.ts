/** What a process has used, as the kernel counts it: a cell's own word is not taken for it. */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';

export interface ProcessUsage {
  readonly cpuMs: number;
  readonly residentBytes: number;
  readonly peakBytes: number;
}

/** Linux counts in 1/100 s on every platform that we support. */
const TICK_MS = 10;

/** Undefined when the process is gone or the system has no `/proc`. */
export function processUsage(pid: number): ProcessUsage | undefined {
  try {
    const status = readFileSync(`/proc/${pid}/status`, 'latin1');
    return {
      cpuMs: Math.max(threadMs(pid), tickMs(pid)),
      residentBytes: kibibytes(status, 'VmRSS'),
      peakBytes: kibibytes(status, 'VmHWM'),
    };
  } catch {
    return undefined;
  }
}

/** Lets the kernel's peak count anew (`man 5 proc_pid_clear_refs`); false where it can not. */
export function resetPeak(pid: number): boolean {
  try {
    writeFileSync(`/proc/${pid}/clear_refs`, '5');
    return true;
  } catch {
    return false;
  }
}

/** Nanoseconds of every thread (`/proc/pid/task/tid/schedstat`): ticks of 10 ms are too coarse. */
function threadMs(pid: number): number {
  let nanoseconds = 0;
  for (const thread of readdirSync(`/proc/${pid}/task`)) {
    try {
      const text = readFileSync(`/proc/${pid}/task/${thread}/schedstat`, 'latin1');
      nanoseconds += Number(text.split(' ')[0]);
    } catch {
      // The thread ended meanwhile; the process's ticks still hold its time.
    }
  }
  return nanoseconds / 1e6;
}

/** User and system time of all threads, ended ones too (`man 5 proc_pid_stat`, fields 14, 15). */
function tickMs(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[11]) + Number(fields[12])) * TICK_MS;
}

function kibibytes(status: string, field: string): number {
  const found = new RegExp(`^${field}:\\s+(\\d+) kB$`, 'm').exec(status);
  return Number(found?.[1] ?? 0) * 1024;
}
