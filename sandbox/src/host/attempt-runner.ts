/**
 * Runs one attempt from claim to reported outcome. What fails on the way to the Control Plane is
 * asked again; the guest itself never runs twice in one attempt.
 */
import { type AttemptErrorCode, RETRYABLE_ATTEMPT_ERRORS } from '@portarium/contracts/errors';
import type { Dispatch, ISOLATION_LEVELS, WorkOrder } from '@portarium/contracts/internal-api';
import { plainText } from '@portarium/contracts/plain-text';
import { ActionJournal } from '../egress/action-journal.ts';
import { type BrokerOptions, EgressSession } from '../egress/egress-session.ts';
import { IN_FLIGHT } from '../egress/response-buffer.ts';
import type { AttemptEnd } from './attempt-end.ts';
import { type Patience, persist } from './back-off.ts';
import type { CellPool, Place } from './cell-pool.ts';
import { type ControlClient, type ControlFailure, SUPERSEDED } from './control-client.ts';
import { ControlEgress } from './control-egress.ts';
import { LeaseKeeper } from './lease-keeper.ts';
import type { ModuleCache } from './module-cache.ts';
import { OutcomeReporter, type OwnOutcome, type ReportTimes } from './outcome-reporter.ts';
import { Reports } from './reports.ts';
import { runGuest } from './run-guest.ts';

export interface AttemptRunnerOptions {
  readonly control: ControlClient;
  readonly pool: CellPool;
  readonly modules: ModuleCache;
  readonly broker: BrokerOptions;
  readonly isolation: (typeof ISOLATION_LEVELS)[number];
  /** Engine and runtime with versions. */
  readonly engine: string;
  /** How long an outcome is reported. */
  readonly report?: Partial<ReportTimes>;
}

const REQUEST_RETRY_MS = 3_000;
const REPORTING_RETRY_MS = 1_000;
const PLACE_RETRY_MS = 1_000;

export class AttemptRunner {
  readonly #options: AttemptRunnerOptions;
  readonly #reporter: OutcomeReporter;

  constructor(options: AttemptRunnerOptions) {
    this.#options = options;
    this.#reporter = new OutcomeReporter(options.control, options.report);
  }

  /** @param signal kills the guest when the host has to stop */
  async run(dispatch: Dispatch, signal: AbortSignal): Promise<AttemptEnd> {
    const { workspace, action } = dispatch;
    if (this.#reporter.isReporting(action)) {
      const reason = 'the outcome of the attempt before is still being reported';
      return { kind: 'again', reason, retryAfterMs: REPORTING_RETRY_MS };
    }
    // Before the claim: who waits for a cell holds no lease, and has used up no attempt.
    const entered = await this.#options.pool.enter(workspace, { signal });
    if (!entered.ok) {
      return { kind: 'again', reason: entered.message, retryAfterMs: PLACE_RETRY_MS };
    }
    try {
      return await this.#claimed(dispatch, entered.place, signal);
    } finally {
      entered.place.leave();
    }
  }

  /** Waits a little for outcomes that are still being reported. */
  async settle(): Promise<void> {
    await this.#reporter.settle();
  }

  async #claimed(dispatch: Dispatch, place: Place, signal: AbortSignal): Promise<AttemptEnd> {
    const { control, isolation, engine } = this.#options;
    const { workspace, action } = dispatch;
    const claim = await persist(
      () => control.claim({ workspace, action, isolation, engine }),
      briefly(signal),
    );
    if (!claim.ok) return claimFailed(claim);
    if (claim.value.status === 'finished') return { kind: 'finished', state: claim.value.state };
    return this.#attempt(dispatch, claim.value.order, place, signal);
  }

  async #attempt(
    { workspace, action }: Dispatch,
    order: WorkOrder,
    place: Place,
    signal: AbortSignal,
  ): Promise<AttemptEnd> {
    const { control, broker } = this.#options;
    const journal = new ActionJournal(order.journal, broker.inFlight ?? IN_FLIGHT);
    const reports = new Reports(control, order, journal);
    const lease = new LeaseKeeper(reports, order);
    const { operation, contract, limits, dryRun, attempt, trace } = order;
    const origin = { action, attempt, trace };
    const egress = new EgressSession(
      { workspace, contract, effect: operation.effect, limits, dryRun, origin },
      broker,
      journal,
      new ControlEgress(control, order, reports, lease),
    );
    const stop = AbortSignal.any([signal, lease.lost]);
    let outcome: OwnOutcome;
    try {
      outcome = await this.#execute(place, order, egress, stop);
    } catch (error) {
      outcome = lost('host.resource', error instanceof Error ? error.message : String(error));
    }
    if (!mayFollow(outcome)) egress.recordCut();
    await lease.stop();
    if (lease.loss === 'superseded') {
      reports.close();
      return { kind: 'superseded' };
    }
    // A lapsed lease may still be the newest: the Control Plane decides by the fence.
    return this.#reporter.report({ action, order }, outcome, reports, signal);
  }

  async #execute(
    place: Place,
    order: WorkOrder,
    egress: EgressSession,
    stop: AbortSignal,
  ): Promise<OwnOutcome> {
    const module = await this.#module(order, stop);
    if ('code' in module) return lost(module.code, module.message);
    const { moduleDigest, limits, isolation } = order;
    const key = { moduleDigest, memoryMiB: limits.memoryMiB, isolation };
    const acquired = await place.cell(key, module.bytes, stop);
    if (!acquired.ok) return lost(acquired.code, acquired.message);
    const { cell } = acquired;
    let reusable = false;
    try {
      const run = await runGuest(cell.process, order, egress, stop);
      reusable = run.reusable;
      return run.outcome;
    } finally {
      await cell.release(reusable);
    }
  }

  async #module(
    order: WorkOrder,
    stop: AbortSignal,
  ): Promise<
    { readonly bytes: Uint8Array } | { readonly code: AttemptErrorCode; readonly message: string }
  > {
    const { control, modules } = this.#options;
    const bytes = await modules.get(order.moduleDigest, async () => {
      const answer = await persist(() => control.module(order), briefly(stop));
      if (!answer.ok) throw new Error(answer.message);
      return answer.value;
    });
    if (bytes) return { bytes };
    const message = `the module that was served does not have the digest ${order.moduleDigest}`;
    return { code: 'host.resource', message };
  }
}

/** Whether another attempt may follow: the Control Plane decides, and errs on no other side. */
function mayFollow({ error }: OwnOutcome): boolean {
  return error !== undefined && RETRYABLE_ATTEMPT_ERRORS.has(error.code as AttemptErrorCode);
}

function claimFailed(failure: ControlFailure): AttemptEnd {
  if (failure.code === SUPERSEDED) return { kind: 'superseded' };
  if (failure.code === 'attempt.busy' || failure.transient) {
    const { retryAfterMs } = failure;
    return {
      kind: 'again',
      reason: failure.message,
      ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
    };
  }
  return { kind: 'refused', reason: failure.message };
}

/** For what another dispatch could do as well. */
function briefly(signal: AbortSignal): Patience {
  const until = performance.now() + REQUEST_RETRY_MS;
  return { until: () => until, signal };
}

function lost(code: AttemptErrorCode, message: string): OwnOutcome {
  const usage = {
    wallMs: 0,
    cpuMs: 0,
    memoryBytes: 0,
    egressCalls: 0,
    egressBytesOut: 0,
    egressBytesIn: 0,
    logLines: 0,
    hostCalls: 0,
  };
  return { verdict: 'failed', error: { code, message: plainText(message, 2_000) }, usage };
}
