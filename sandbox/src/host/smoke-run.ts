/**
 * The part of admission that needs an engine: compiles a module in a cell and makes an instance of it,
 * under a deadline and a watch over memory. The cell is thrown away after it, whatever it says.
 */
import type { SmokeFinding } from '@portarium/contracts/internal-api';
import { MAX_LIMITS } from '@portarium/contracts/limits';
import { plainText } from '@portarium/contracts/plain-text';
import { MAX_ERROR_CHARACTERS } from '../cell/messages.ts';
import { type BindResult, CELL_OVERHEAD_BYTES, type CellProcess } from './cell-process.ts';

export type SmokeEnd =
  | { readonly end: 'passed' }
  | { readonly end: 'refused'; readonly finding: SmokeFinding }
  /** Nothing is known of the module. `crashed`: the cell came up, and ended by itself. */
  | { readonly end: 'lost'; readonly crashed: boolean; readonly reason: string };

const MIB = 1024 * 1024;

/**
 * What the module costs a host is measured as CPU time, so that a busy machine refuses nobody. A module
 * of 16 MiB within the rules takes some 2 s, ones that were made to be slow 40 s.
 */
const SMOKE_CPU_MS = 10_000;
/** The control over a cell that neither computes nor ends. */
const SMOKE_WALL_MS = 25_000;
const WATCH_MS = 25;
/** Resident bytes per byte of a module: compiled code and the engine's tables. */
const FACTOR = 16;

export interface SmokeOptions {
  /** What making an instance may cost. */
  readonly cpuMs?: number;
  /** Kills the cell. */
  readonly stop?: AbortSignal | undefined;
}

export async function smokeRun(
  cell: CellProcess,
  module: Uint8Array,
  { cpuMs = SMOKE_CPU_MS, stop }: SmokeOptions = {},
): Promise<SmokeEnd> {
  let killed: { readonly costly?: string } | undefined;
  const end = (why: { readonly costly?: string }) => {
    killed ??= why;
    cell.kill();
  };
  const stopped = () => end({});
  const late = setTimeout(stopped, SMOKE_WALL_MS);
  stop?.addEventListener('abort', stopped, { once: true });
  if (stop?.aborted) stopped();
  let watch: ReturnType<typeof setInterval> | undefined;
  try {
    if (!(await cell.ready)) {
      return { end: 'lost', crashed: false, reason: cell.lostReason ?? 'no cell started' };
    }
    watch = watchCost(cell, module, cpuMs, end);
    const compiled = await cell.bind(module, MAX_LIMITS.memoryMiB);
    if (!compiled.ok) return failed(compiled, 'module.invalid', killed);
    const made = await cell.tryInstance();
    return made.ok ? { end: 'passed' } : failed(made, 'module.instantiate', killed);
  } finally {
    clearTimeout(late);
    stop?.removeEventListener('abort', stopped);
    clearInterval(watch);
    await cell.kill();
  }
}

function watchCost(
  cell: CellProcess,
  module: Uint8Array,
  cpuMs: number,
  end: (why: { readonly costly: string }) => void,
): ReturnType<typeof setInterval> {
  cell.usage();
  const before = cell.lifeCpuMs;
  const most = CELL_OVERHEAD_BYTES + FACTOR * module.length;
  return setInterval(() => {
    if (cell.usage().residentBytes > most)
      end({ costly: `${Math.ceil(most / MIB)} MiB of memory` });
    if (cell.lifeCpuMs - before > cpuMs) {
      end({ costly: `${cpuMs / 1_000} s of CPU time` });
    }
  }, WATCH_MS);
}

function failed(
  result: BindResult & { readonly ok: false },
  rule: SmokeFinding['rule'],
  killed: { readonly costly?: string } | undefined,
): SmokeEnd {
  if (killed?.costly !== undefined) {
    const message = `making an instance of the module took more than ${killed.costly}`;
    return { end: 'refused', finding: { rule: 'module.costly', message } };
  }
  if (!result.refused) {
    return { end: 'lost', crashed: killed === undefined, reason: result.message };
  }
  const said = plainText(result.message, MAX_ERROR_CHARACTERS - 100);
  return { end: 'refused', finding: { rule, message: `the engine refuses the module: ${said}` } };
}
