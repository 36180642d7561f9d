/** Compares what a replay did with what is on record. Pure: the cell has ended by now. */
import type { Digest } from '@portarium/contracts/digest';
import type { RunResult } from '../host/cell-process.ts';
import type { JournalPlayer } from './journal-player.ts';
import { isDeterministic, type RecordedAttempt } from './recorded-attempt.ts';
import { callFinding, type ReplayFinding, type ReplayResult } from './replay-finding.ts';

export interface Run {
  readonly result: RunResult;
  readonly outputDigest: Digest | undefined;
  /** Why this side killed the cell. */
  readonly killed: 'stop' | 'wall' | 'memory' | 'start' | undefined;
}

type Recorded = Pick<RecordedAttempt, 'verdict' | 'records' | 'outputDigest' | 'order'>;

/** The broker ends an attempt so over a write whose answer is too large, or that may not leave again. */
const MAY_LEAVE_OPEN: ReadonlySet<string> = new Set(['egress.denied', 'limit.egress']);

export function compareRun(
  attempt: Recorded,
  run: Run,
  { consumed, stop }: Pick<JournalPlayer, 'consumed' | 'stop'>,
): ReplayResult {
  const { verdict, records } = attempt;
  const agrees: ReplayResult = { status: 'agrees', calls: consumed };
  const differs = (finding: ReplayFinding): ReplayResult => {
    return { status: 'differs', calls: consumed, finding };
  };
  if (stop?.kind === 'unknown-body') return { status: 'not-replayable', reason: stop.reason };
  if (stop?.kind === 'last') return agrees;
  if (stop?.kind === 'open') {
    const last = consumed === records.length && MAY_LEAVE_OPEN.has(verdict);
    return last ? agrees : differs(stop.finding);
  }
  if (stop?.kind === 'diverged') {
    return verdict === 'journal.diverged' ? agrees : differs(stop.finding);
  }
  const got = stop ? stop.code : verdictOf(attempt, run);
  if (typeof got !== 'string') return { status: 'not-replayable', reason: got.reason };
  if (consumed < records.length) {
    // To make fewer calls than an earlier attempt did is to diverge, too.
    if (verdict === 'journal.diverged') return agrees;
    return differs(callFinding(consumed, records[consumed], `ended before it: ${got}`));
  }
  if (!isDeterministic(verdict)) return agrees;
  // What the host said against an output's shape is not on record, so any output will do.
  const expected = verdict === 'output.invalid' ? 'succeeded' : verdict;
  if (got !== expected) return differs(difference('verdict', expected, got));
  if (verdict !== 'succeeded') return agrees;
  const { outputDigest: output = 'no output' } = run;
  const { outputDigest: recorded = 'no output' } = attempt;
  if (output !== recorded) return differs(difference('output', recorded, output));
  return run.outputDigest ? { ...agrees, outputDigest: run.outputDigest } : agrees;
}

function difference(kind: 'verdict' | 'output', expected: string, got: string): ReplayFinding {
  return { kind, expected, got, message: `the ${kind} on record is ${expected}, now it is ${got}` };
}

/** The verdict that a sandbox host would give, or why there is none. */
function verdictOf(
  { order }: Pick<Recorded, 'order'>,
  { result, killed }: Run,
): string | { readonly reason: string } {
  if (killed === 'wall') return 'limit.deadline';
  if (killed === 'memory') return { reason: 'the cell held more memory than an attempt may' };
  if (result.kind === 'error') return result.code;
  if (result.kind === 'output') {
    return result.output.length > order.limits.outputBytes ? 'limit.output' : 'succeeded';
  }
  // Only a guest that broke out of the engine can make a cell speak out of turn.
  return result.violation ? 'guest.trap' : { reason: `the cell was lost: ${result.reason}` };
}
