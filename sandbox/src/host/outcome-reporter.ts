/**
 * Brings the outcome of an attempt to the Control Plane, whatever a guest put into it: it is asked
 * again while that can help, reduced when it is refused, and never dropped while it can be taken.
 */
import { getLogger } from '@logtape/logtape';
import type { EgressCall, Outcome, WorkOrder } from '@portarium/contracts/internal-api';
import { PLATFORM_LIMITS } from '@portarium/contracts/limits';
import { reducedCall } from '../egress/safe-call.ts';
import type { AttemptEnd } from './attempt-end.ts';
import type { ControlAnswer, ControlClient } from './control-client.ts';
import { sleep } from './lease-keeper.ts';

const log = getLogger(['portarium', 'sandbox']);

export interface ReportTimes {
  /** How long a report may hold the place of an attempt, in milliseconds. */
  readonly slotMs: number;
  /** How long it goes on after that while the Control Plane can not be reached at all. */
  readonly keepMs: number;
}

/** `keepMs`: longer than a restart of the Control Plane takes. */
const TIMES: ReportTimes = { slotMs: 10_000, keepMs: 60_000 };
/** What a host that stops still gives to a report. */
const STOP_MS = 2_000;
const RETRY_AFTER_MS = 1_000;
/** Pauses between two tries at the Control Plane: doubled from the first to the longest. */
export const BACK_OFF = { firstMs: 100, mostMs: 2_000 };
const LEFT_OUT = 'left out: the Control Plane refused the full outcome';

/** An outcome whose calls are the host's own records. */
export type OwnOutcome = Omit<Outcome, 'calls'> & { readonly calls: readonly EgressCall[] };

type Answer = ControlAnswer<{ readonly state: string; readonly again: boolean }>;

export class OutcomeReporter {
  readonly #control: Pick<ControlClient, 'outcome' | 'heartbeat'>;
  readonly #times: ReportTimes;
  /** Reports that left their place, by action. */
  readonly #late = new Map<string, Promise<void>>();

  constructor(
    control: Pick<ControlClient, 'outcome' | 'heartbeat'>,
    times: Partial<ReportTimes> = {},
  ) {
    this.#control = control;
    this.#times = { ...TIMES, ...times };
  }

  /** Whether an outcome of the action is on its way: its guest must not run again. */
  isReporting(action: string): boolean {
    return this.#late.has(action);
  }

  /** Reports until it is taken or the place is needed; then goes on behind the caller's back. */
  async report(
    action: string,
    order: WorkOrder,
    outcome: OwnOutcome,
    stop: AbortSignal,
  ): Promise<AttemptEnd> {
    const delivery = new Delivery(this.#control, order, outcome);
    const until = performance.now() + this.#times.slotMs;
    let stopped: number | undefined;
    const answer = await delivery.repeat(() => {
      if (stop.aborted) stopped ??= performance.now() + STOP_MS;
      return Math.min(until, stopped ?? until);
    });
    if (answer.ok || !answer.transient) return endOf(answer, outcome);
    const late = this.#goOn(action, order, delivery).finally(() => this.#late.delete(action));
    this.#late.set(action, late);
    return { kind: 'again', reason: answer.message, retryAfterMs: RETRY_AFTER_MS };
  }

  /** Waits for late reports, at most `ms`. */
  async settle(ms: number = STOP_MS): Promise<void> {
    const over = new AbortController();
    await Promise.race([Promise.all(this.#late.values()), sleep(ms, over.signal)]);
    over.abort();
  }

  /** An answer of 5xx may be the outcome's own doing: that is repeated only for one lease. */
  async #goOn(action: string, order: WorkOrder, delivery: Delivery): Promise<void> {
    const from = performance.now();
    const kept = (answer: Answer) =>
      from +
      (!answer.ok && answer.code === 'unreachable'
        ? Math.max(this.#times.keepMs, order.leaseMs)
        : order.leaseMs);
    let answer = await delivery.repeat(kept);
    while (!answer.ok && answer.transient && answer.code !== 'unreachable' && delivery.reduce()) {
      answer = await delivery.repeat(() => 0);
    }
    const { attempt } = order;
    if (answer.ok) log.info('an outcome was reported late', { action, attempt });
    else {
      const reason = answer.message;
      log.warn('an outcome was given up; another attempt follows', { action, attempt, reason });
    }
  }
}

/** One outcome on its way, in the fullest form that was not refused yet. */
class Delivery {
  readonly #control: Pick<ControlClient, 'outcome' | 'heartbeat'>;
  readonly #order: WorkOrder;
  readonly #forms: OwnOutcome[];
  /** Calls that do not fit into the outcome's report. */
  #before: readonly EgressCall[];

  constructor(
    control: Pick<ControlClient, 'outcome' | 'heartbeat'>,
    order: WorkOrder,
    outcome: OwnOutcome,
  ) {
    this.#control = control;
    this.#order = order;
    const first = Math.max(0, outcome.calls.length - PLATFORM_LIMITS.callsPerReport);
    this.#before = outcome.calls.slice(0, first);
    this.#forms = formsOf({ ...outcome, calls: outcome.calls.slice(first) });
  }

  /** Asks until an answer is final or the time that `until` gives for the last one is over. */
  async repeat(until: (last: Answer) => number): Promise<Answer> {
    for (let wait = BACK_OFF.firstMs; ; wait = Math.min(wait * 2, BACK_OFF.mostMs)) {
      const answer = await this.#ask();
      if (answer.ok || isFinal(answer)) return answer;
      if (!answer.transient) {
        if (!this.reduce()) return answer;
        log.warn('an outcome was refused and is reduced', {
          attempt: this.#order.attempt,
          reason: answer.message,
        });
        continue;
      }
      if (performance.now() + wait > until(answer)) return answer;
      await sleep(wait, NEVER);
    }
  }

  /** Goes to the next smaller form; false when there is none. */
  reduce(): boolean {
    if (this.#forms.length < 2) return false;
    this.#forms.shift();
    return true;
  }

  async #ask(): Promise<Answer> {
    while (this.#before.length > 0) {
      const batch = this.#before.slice(0, PLATFORM_LIMITS.callsPerReport);
      let answer = await this.#control.heartbeat(this.#order, batch);
      if (!answer.ok && !answer.transient && !isFinal(answer)) {
        answer = await this.#control.heartbeat(this.#order, batch.map(reducedCall));
      }
      if (!answer.ok && (answer.transient || isFinal(answer))) return answer;
      this.#before = this.#before.slice(batch.length);
    }
    const [form] = this.#forms;
    if (!form) throw new Error('an outcome has at least its last form');
    return this.#control.outcome(this.#order, { ...form, calls: [...form.calls] });
  }
}

const NEVER = new AbortController().signal;

/** The verdict, the error's code, the output's bytes and all counts stand in each form. */
function formsOf(outcome: OwnOutcome): OwnOutcome[] {
  const { error } = outcome;
  const bare: OwnOutcome = {
    ...outcome,
    ...(error ? { error: { code: error.code, message: LEFT_OUT } } : {}),
    logs: [],
  };
  // Calls that an unanswered heartbeat stored already may only be repeated word for word.
  const reduced = { ...bare, calls: outcome.calls.map(reducedCall) };
  return [outcome, bare, ...(outcome.calls.length > 0 ? [reduced, { ...bare, calls: [] }] : [])];
}

/** Refusals that no other content would change. */
function isFinal(answer: { readonly code: string }): boolean {
  return (
    answer.code === 'attempt.superseded' ||
    answer.code === 'not-found' ||
    answer.code.startsWith('auth.')
  );
}

function endOf(answer: Answer, outcome: OwnOutcome): AttemptEnd {
  if (answer.ok) {
    return answer.value.again
      ? { kind: 'again', reason: outcome.error?.message ?? 'another attempt has to follow' }
      : { kind: 'finished', state: answer.value.state };
  }
  if (answer.code === 'attempt.superseded') return { kind: 'superseded' };
  return { kind: 'refused', reason: answer.message };
}
