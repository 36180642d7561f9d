/**
 * Brings the outcome of an attempt to the Control Plane, whatever a guest put into it: it is asked
 * again while that can help, reduced when it is refused, and never dropped while it can be taken.
 */
import { getLogger } from '@logtape/logtape';
import type { Outcome, WorkOrder } from '@portarium/contracts/internal-api';
import type { AttemptEnd } from './attempt-end.ts';
import { persist, sleep } from './back-off.ts';
import { type ControlAnswer, type ControlClient, isFinal, SUPERSEDED } from './control-client.ts';
import type { RecordForm, Reports } from './reports.ts';

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
const LEFT_OUT = 'left out: the Control Plane refused the full outcome';

/** What came of the guest; its calls stand in the reports. */
export type OwnOutcome = Omit<Outcome, 'calls' | 'bodies'>;

type Answer = ControlAnswer<{ readonly state: string; readonly again: boolean }>;

export class OutcomeReporter {
  readonly #control: Pick<ControlClient, 'outcome'>;
  readonly #times: ReportTimes;
  /** Reports that left their place, by action. */
  readonly #late = new Map<string, Promise<void>>();

  constructor(control: Pick<ControlClient, 'outcome'>, times: Partial<ReportTimes> = {}) {
    this.#control = control;
    this.#times = { ...TIMES, ...times };
  }

  /** Whether an outcome of the action is on its way: its guest must not run again. */
  isReporting(action: string): boolean {
    return this.#late.has(action);
  }

  /**
   * Reports until it is taken or the place is needed; then goes on behind the caller's back.
   * @param reports what the attempt has not reported of its calls; closed in the end
   */
  async report(
    { action, order }: { readonly action: string; readonly order: WorkOrder },
    outcome: OwnOutcome,
    reports: Reports,
    stop: AbortSignal,
  ): Promise<AttemptEnd> {
    const delivery = new Delivery(this.#control, order, outcome, reports);
    const until = performance.now() + this.#times.slotMs;
    let stopped: number | undefined;
    const answer = await delivery.repeat(() => {
      if (stop.aborted) stopped ??= performance.now() + STOP_MS;
      return Math.min(until, stopped ?? until);
    });
    if (answer.ok || !answer.transient) {
      reports.close();
      return endOf(answer, outcome);
    }
    const late = this.#goOn(action, order, delivery).finally(() => {
      this.#late.delete(action);
      reports.close();
    });
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

/** What is sent of an outcome. */
interface Form {
  readonly outcome: OwnOutcome;
  readonly records: RecordForm;
}

/** One outcome on its way, in the fullest form that was not refused yet. */
class Delivery {
  readonly #control: Pick<ControlClient, 'outcome'>;
  readonly #order: WorkOrder;
  readonly #reports: Reports;
  readonly #forms: Form[];

  constructor(
    control: Pick<ControlClient, 'outcome'>,
    order: WorkOrder,
    outcome: OwnOutcome,
    reports: Reports,
  ) {
    this.#control = control;
    this.#order = order;
    this.#reports = reports;
    this.#forms = formsOf(outcome, reports.pending);
  }

  /** Asks until an answer is final or the time that `until` gives for the last one is over. */
  repeat(until: (last: Answer) => number): Promise<Answer> {
    return persist(() => this.#askReducing(), { until });
  }

  /** Goes to the next smaller form; false when there is none. */
  reduce(): boolean {
    if (this.#forms.length < 2) return false;
    this.#forms.shift();
    return true;
  }

  async #askReducing(): Promise<Answer> {
    for (;;) {
      const answer = await this.#ask();
      if (answer.ok || answer.transient || isFinal(answer) || !this.reduce()) return answer;
      log.warn('an outcome was refused and is reduced', {
        attempt: this.#order.attempt,
        reason: answer.message,
      });
    }
  }

  async #ask(): Promise<Answer> {
    const [form] = this.#forms;
    if (!form) throw new Error('an outcome has at least its last form');
    const failure = await this.#reports.makeRoom(true);
    if (failure) return failure;
    return this.#reports.bringAs(form.records, (report) =>
      this.#control.outcome(this.#order, { ...form.outcome, ...report }),
    );
  }
}

/** The verdict, the error's code, the output's bytes and all counts stand in each form. */
function formsOf(outcome: OwnOutcome, withCalls: boolean): Form[] {
  const { error } = outcome;
  const bare: OwnOutcome = {
    ...outcome,
    ...(error ? { error: { code: error.code, message: LEFT_OUT } } : {}),
    logs: [],
  };
  const fuller: Form[] = [
    { outcome, records: 'full' },
    { outcome: bare, records: 'full' },
  ];
  if (!withCalls) return fuller;
  // Calls that an unanswered heartbeat stored already may only be repeated word for word.
  return [...fuller, { outcome: bare, records: 'reduced' }, { outcome: bare, records: 'none' }];
}

function endOf(answer: Answer, outcome: OwnOutcome): AttemptEnd {
  if (answer.ok) {
    return answer.value.again
      ? { kind: 'again', reason: outcome.error?.message ?? 'another attempt has to follow' }
      : { kind: 'finished', state: answer.value.state };
  }
  if (answer.code === SUPERSEDED) return { kind: 'superseded' };
  return { kind: 'refused', reason: answer.message };
}
