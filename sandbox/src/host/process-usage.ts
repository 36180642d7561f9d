/** What a process has used, as the kernel counts it: a cell's own word is not taken for it. */
import { readdirSync, readFileSync } from 'node:fs';

export interface ProcessUsage {
  readonly cpuMs: number;
  readonly residentBytes: number;
  readonly peakBytes: number;
}

/** Undefined when the process is gone or the system has no `/proc`. */
export function processUsage(pid: number): ProcessUsage | undefined {
  try {
    const status = readFileSync(`/proc/${pid}/status`, 'latin1');
    return {
      cpuMs: cpuMs(pid),
      residentBytes: kibibytes(status, 'VmRSS'),
      peakBytes: kibibytes(status, 'VmHWM'),
    };
  } catch {
    return undefined;
  }
}

/** Nanoseconds of every thread (`/proc/pid/task/tid/schedstat`): ticks of 10 ms are too coarse. */
function cpuMs(pid: number): number {
  let nanoseconds = 0;
  for (const thread of readdirSync(`/proc/${pid}/task`)) {
    const text = readFileSync(`/proc/${pid}/task/${thread}/schedstat`, 'latin1');
    nanoseconds += Number(text.split(' ')[0]);
  }
  return nanoseconds / 1e6;
}

function kibibytes(status: string, field: string): number {
  const found = new RegExp(`^${field}:\\s+(\\d+) kB$`, 'm').exec(status);
  return Number(found?.[1] ?? 0) * 1024;
}
