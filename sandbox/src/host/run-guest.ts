/**
 * One attempt in one cell: enforces what only the host can (wall, CPU, memory, egress) by killing
 * the cell, and says what came of it. Never believes a cell about time, memory or egress.
 */

import type { AttemptErrorCode } from '@portarium/contracts/errors';
import type { Outcome, Usage, WorkOrder } from '@portarium/contracts/internal-api';
import type { AttemptLimits } from '@portarium/contracts/limits';
import { plainText } from '@portarium/contracts/plain-text';
import { LogBudget, type LogLine } from '../cell/log-budget.ts';
import { MAX_ERROR_CHARACTERS } from '../cell/messages.ts';
import type { EgressSession } from '../egress/egress-session.ts';
import { CELL_OVERHEAD_BYTES, type CellProcess, type RunResult } from './cell-process.ts';

export interface GuestOutcome {
  readonly outcome: Omit<Outcome, 'calls' | 'bodies'>;
  /** Whether the cell may run another attempt of the same workspace and module. */
  readonly reusable: boolean;
}

interface Ending {
  readonly code: AttemptErrorCode;
  readonly message: string;
}

/** The broker, as far as a guest's run needs it. */
export type GuestEgress = Pick<
  EgressSession,
  'request' | 'close' | 'count' | 'bytesOut' | 'bytesIn' | 'refusal' | 'unreplayed'
>;

const WATCH_MS = 50;
const MIB = 1024 * 1024;

export async function runGuest(
  cell: CellProcess,
  order: Pick<WorkOrder, 'operation' | 'input' | 'config' | 'limits' | 'seed' | 'startTime'>,
  egress: GuestEgress,
  signal: AbortSignal,
): Promise<GuestOutcome> {
  const { limits } = order;
  const started = performance.now();
  const endsBy = started + limits.wallMs;
  let ending: Ending | undefined;
  const end = (code: AttemptErrorCode, message: string) => {
    if (ending) return;
    ending = { code, message };
    cell.kill();
    // Nothing may leave for a guest that is over; a write in flight stays open.
    egress.close();
  };
  const abort = () => end('host.lost', 'the sandbox host stopped this attempt');
  signal.addEventListener('abort', abort, { once: true });
  if (signal.aborted) abort();
  const deadline = setTimeout(
    () => end('limit.deadline', `the attempt ran past its deadline of ${limits.wallMs} ms`),
    limits.wallMs,
  );
  const watch = setInterval(() => watchUsage(cell, limits, end), WATCH_MS);

  const logs: LogLine[] = [];
  const budget = new LogBudget(limits);
  const result = await cell.run({
    export: order.operation.export,
    input: new Uint8Array(Buffer.from(order.input, 'base64')),
    config: order.config,
    limits,
    seed: order.seed,
    startTime: order.startTime,
    maxRequestBytes: limits.egressBytesOut,
    onLog(level, message) {
      const line = budget.take(level, message);
      if (line) logs.push(line);
    },
    async onRequest(request) {
      const answer = await egress.request(request, endsBy);
      if (answer.kind === 'response') return answer;
      if (answer.kind === 'failed') return { failed: answer.reason, ms: answer.ms };
      end(answer.code, answer.message);
      return { failed: answer.message, ms: 0 };
    },
  });

  clearTimeout(deadline);
  clearInterval(watch);
  signal.removeEventListener('abort', abort);
  await egress.close();
  const verdict = verdictOf(
    result,
    lostAtDeadline(ending, egress) ?? divergence(result, egress),
    limits,
  );
  const used = cell.takeUsage();
  const usage: Usage = {
    wallMs: performance.now() - started,
    cpuMs: used.cpuMs,
    memoryBytes: used.peakBytes,
    egressCalls: egress.count,
    egressBytesOut: egress.bytesOut,
    egressBytesIn: egress.bytesIn,
    logLines: budget.lines,
    hostCalls: result.kind === 'lost' ? 0 : Math.min(result.hostCalls, limits.hostCalls + 1),
  };
  const reusable =
    ending === undefined &&
    (result.kind === 'output' || (result.kind === 'error' && result.code === 'guest.error'));
  return { outcome: { ...verdict, usage, logs }, reusable };
}

/** A deadline that cut off a write which may be sent again with its key is a lost answer, not the end. */
function lostAtDeadline(ending: Ending | undefined, egress: GuestEgress): Ending | undefined {
  const { refusal } = egress;
  if (ending?.code !== 'limit.deadline' || refusal?.code !== 'answer.lost') return ending;
  return { code: refusal.code, message: `${refusal.message}; ${ending.message}` };
}

/** A guest that ends by itself has to have made every call that the journal holds. */
function divergence(result: RunResult, egress: GuestEgress): Ending | undefined {
  const own =
    result.kind === 'output' || (result.kind === 'error' && result.code === 'guest.error');
  if (!own || egress.unreplayed === 0) return undefined;
  const end = result.kind === 'error' ? `with: ${result.message}` : 'with an output';
  const message = `the guest ended ${end}, and the journal holds ${egress.unreplayed} calls more than it made`;
  return { code: 'journal.diverged', message };
}

function verdictOf(
  result: RunResult,
  ending: Ending | undefined,
  limits: AttemptLimits,
): Pick<Outcome, 'verdict' | 'output' | 'error'> {
  if (ending) return failed(ending.code, ending.message);
  if (result.kind === 'error') return failed(result.code, result.message);
  if (result.kind === 'lost') {
    // Only a guest that broke out of the engine can make a cell speak out of turn.
    return failed(result.violation ? 'guest.trap' : 'host.lost', result.reason);
  }
  if (result.output.length > limits.outputBytes) {
    return failed('limit.output', `the output has ${result.output.length} bytes`);
  }
  return { verdict: 'succeeded', output: Buffer.from(result.output).toString('base64') };
}

function failed(code: AttemptErrorCode, message: string): Pick<Outcome, 'verdict' | 'error'> {
  return { verdict: 'failed', error: { code, message: plainText(message, MAX_ERROR_CHARACTERS) } };
}

function watchUsage(
  cell: CellProcess,
  limits: AttemptLimits,
  end: (code: AttemptErrorCode, message: string) => void,
): void {
  const used = cell.usage();
  if (used.cpuMs > limits.cpuMs) {
    end('limit.cpu', `the attempt used more than ${limits.cpuMs} ms of CPU`);
  }
  const { memoryMiB, inputBytes, outputBytes, egressBytesIn } = limits;
  const most =
    CELL_OVERHEAD_BYTES + 2 * (memoryMiB * MIB + inputBytes + outputBytes + egressBytesIn);
  if (used.residentBytes > most) {
    end('limit.memory', `the cell holds ${used.residentBytes} bytes, at most ${most}`);
  }
}
