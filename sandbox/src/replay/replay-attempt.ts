/**
 * Runs one recorded attempt again, in a process of its own that has no network, and compares. The
 * guest is as hostile here as ever: this process keeps the time and kills.
 */
import { digestOf } from '@portarium/contracts/digest';
import { type AttemptLimits, MAX_LIMITS } from '@portarium/contracts/limits';
import { CELL_OVERHEAD_BYTES, type CellCommand, CellProcess } from '../host/cell-process.ts';
import { compareRun, type Run } from './compare-run.ts';
import { JournalPlayer } from './journal-player.ts';
import { isDeterministic, type RecordedAttempt } from './recorded-attempt.ts';
import type { ReplayResult } from './replay-finding.ts';

const MIB = 1024 * 1024;
const WATCH_MS = 50;
/** Starting a cell and compiling 16 MiB takes seconds on a slow machine; never longer. */
const START_TIMEOUT_MS = 30_000;
/** A replay waits for no network, yet its machine may be slower than the one that ran the attempt. */
const MIN_WALL_MS = 10_000;
const WALL_SLACK_MS = 5_000;

export interface ReplayOptions {
  /** Instead of what the order's wall limit gives. */
  readonly wallMs?: number;
}

export async function replayAttempt(
  attempt: RecordedAttempt,
  command: CellCommand,
  options: ReplayOptions = {},
): Promise<ReplayResult> {
  const { order, records } = attempt;
  const onlyCalls = !isDeterministic(attempt.verdict);
  // Nothing that could be compared happened before the machine, the clock or a person ended it.
  if (onlyCalls && records.length === 0) return { status: 'agrees', calls: 0 };
  const unusual = unusualLimit(order.limits);
  if (unusual) return { status: 'not-replayable', reason: unusual };

  const cell = new CellProcess(command);
  let killed: Run['killed'];
  const kill = (why: NonNullable<Run['killed']>) => {
    killed ??= why;
    cell.kill();
  };
  const most = memoryBytes(order.limits);
  const watch = setInterval(() => {
    if (cell.usage().residentBytes > most) kill('memory');
  }, WATCH_MS);
  let timer = setTimeout(() => kill('start'), START_TIMEOUT_MS);
  try {
    const refusal = await bind(cell, attempt);
    clearTimeout(timer);
    if (refusal !== undefined) return { status: 'not-replayable', reason: refusal };
    timer = setTimeout(() => kill('wall'), options.wallMs ?? wallMs(order.limits));
    const player = new JournalPlayer(attempt, onlyCalls);
    const result = await cell.run({
      export: order.operation.export,
      input: attempt.input,
      config: order.config,
      limits: order.limits,
      seed: order.seed,
      startTime: order.startTime,
      maxRequestBytes: order.limits.egressBytesOut,
      onLog: () => undefined,
      async onRequest(request) {
        const answer = await player.play(request);
        if (answer) return answer;
        kill('stop');
        return new Promise(() => undefined);
      },
    });
    const outputDigest = result.kind === 'output' ? await digestOf(result.output) : undefined;
    return compareRun(attempt, { result, outputDigest, killed }, player);
  } finally {
    clearTimeout(timer);
    clearInterval(watch);
    await cell.kill();
  }
}

/** @returns why the module could not be loaded, or undefined */
async function bind(
  cell: CellProcess,
  { module, order }: RecordedAttempt,
): Promise<string | undefined> {
  if (!(await cell.ready)) return `the cell did not start: ${cell.lostReason ?? 'unknown'}`;
  const bound = await cell.bind(module, order.limits.memoryMiB);
  if (bound.ok) return undefined;
  return bound.refused
    ? `the engine refuses the module: ${bound.message}`
    : `the cell was lost while it compiled the module: ${bound.message}`;
}

/** An order that nobody verified could ask for the machine's last byte. */
function unusualLimit(limits: AttemptLimits): string | undefined {
  const over = (Object.keys(MAX_LIMITS) as (keyof AttemptLimits)[]).find(
    (name) => limits[name] > MAX_LIMITS[name],
  );
  return over === undefined
    ? undefined
    : `the order's limit ${over} is ${limits[over]}, more than any action may have (${MAX_LIMITS[over]})`;
}

function wallMs(limits: AttemptLimits): number {
  return Math.max(MIN_WALL_MS, limits.wallMs + WALL_SLACK_MS);
}

/** As a sandbox host bounds its cells. */
function memoryBytes({ memoryMiB, inputBytes, outputBytes, egressBytesIn }: AttemptLimits): number {
  return CELL_OVERHEAD_BYTES + 2 * (memoryMiB * MIB + inputBytes + outputBytes + egressBytesIn);
}
