/**
 * Runs one attempt from claim to reported outcome. What fails on the way to the Control Plane is
 * asked again; the guest itself never runs twice in one attempt.
 */

import type { AttemptErrorCode } from '@portarium/contracts/errors';
import type {
  Dispatch,
  ISOLATION_LEVELS,
  Outcome,
  WorkOrder,
} from '@portarium/contracts/internal-api';
import { type BrokerOptions, EgressSession } from '../egress/egress-session.ts';
import type { CellPool } from './cell-pool.ts';
import type { ControlAnswer, ControlClient, ControlFailure } from './control-client.ts';
import { LeaseKeeper, sleep } from './lease-keeper.ts';
import type { ModuleCache } from './module-cache.ts';
import { runGuest } from './run-guest.ts';

export interface AttemptRunnerOptions {
  readonly control: ControlClient;
  readonly pool: CellPool;
  readonly modules: ModuleCache;
  readonly broker: BrokerOptions;
  readonly isolation: (typeof ISOLATION_LEVELS)[number];
  /** Engine and runtime with versions. */
  readonly engine: string;
  /** How long a report of an outcome is repeated while the Control Plane is away. */
  readonly reportMs?: number;
}

export type AttemptEnd =
  /** The action is in a state that this dispatch need not change. */
  | { readonly kind: 'finished'; readonly state: string }
  /** Another attempt has to follow. */
  | { readonly kind: 'again'; readonly reason: string; readonly retryAfterMs?: number }
  /** A newer attempt holds the action. */
  | { readonly kind: 'superseded' }
  /** Asking again can not help: the request itself is refused. */
  | { readonly kind: 'refused'; readonly reason: string };

/** Longer than a restart of the Control Plane takes. */
const REPORT_MS = 60_000;
const REQUEST_RETRY_MS = 3_000;
const BACK_OFF = { firstMs: 100, mostMs: 2_000 };

export class AttemptRunner {
  readonly #options: AttemptRunnerOptions;

  constructor(options: AttemptRunnerOptions) {
    this.#options = options;
  }

  /** @param signal kills the guest when the host has to stop */
  async run(dispatch: Dispatch, signal: AbortSignal): Promise<AttemptEnd> {
    const { control, isolation, engine } = this.#options;
    const { workspace, action } = dispatch;
    const claim = await persist(
      () => control.claim({ workspace, action, isolation, engine }),
      REQUEST_RETRY_MS,
      signal,
    );
    if (!claim.ok) return claimFailed(claim);
    if (claim.value.status === 'finished') return { kind: 'finished', state: claim.value.state };
    return this.#attempt(workspace, claim.value.order, signal);
  }

  async #attempt(workspace: string, order: WorkOrder, signal: AbortSignal): Promise<AttemptEnd> {
    const { operation, contract, limits } = order;
    const egress = new EgressSession(
      { contract, effect: operation.effect, limits },
      this.#options.broker,
    );
    const lease = new LeaseKeeper(this.#options.control, order, () => egress.calls);
    const stop = AbortSignal.any([signal, lease.lost]);
    let outcome: Omit<Outcome, 'calls'>;
    try {
      outcome = await this.#execute(workspace, order, egress, stop);
    } catch (error) {
      outcome = lost('host.resource', error instanceof Error ? error.message : String(error));
    }
    const calls = [...(await lease.stop())];
    if (lease.loss === 'superseded') return { kind: 'superseded' };
    // A lapsed lease may still be the newest: the Control Plane decides by the fence.
    return this.#report(order, { ...outcome, calls });
  }

  async #execute(
    workspace: string,
    order: WorkOrder,
    egress: EgressSession,
    stop: AbortSignal,
  ): Promise<Omit<Outcome, 'calls'>> {
    const module = await this.#module(order, stop);
    if ('code' in module) return lost(module.code, module.message);
    const key = { workspace, moduleDigest: order.moduleDigest };
    const acquired = await this.#options.pool.acquire(key, module.bytes);
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
      const answer = await persist(() => control.module(order), REQUEST_RETRY_MS, stop);
      if (!answer.ok) throw new Error(answer.message);
      return answer.value;
    });
    if (bytes) return { bytes };
    const message = `the module that was served does not have the digest ${order.moduleDigest}`;
    return { code: 'host.resource', message };
  }

  /** The guest has run: only its report may be repeated. */
  async #report(order: WorkOrder, outcome: Outcome): Promise<AttemptEnd> {
    const { control, reportMs = REPORT_MS } = this.#options;
    const never = new AbortController().signal;
    const answer = await persist(() => control.outcome(order, outcome), reportMs, never);
    if (answer.ok) {
      return answer.value.again
        ? { kind: 'again', reason: outcome.error?.message ?? 'another attempt has to follow' }
        : { kind: 'finished', state: answer.value.state };
    }
    if (answer.code === 'attempt.superseded') return { kind: 'superseded' };
    return answer.transient
      ? { kind: 'again', reason: answer.message }
      : { kind: 'refused', reason: answer.message };
  }
}

function claimFailed(failure: ControlFailure): AttemptEnd {
  if (failure.code === 'attempt.superseded') return { kind: 'superseded' };
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

/** Repeats a request with back-off while its failure is transient and `forMs` is not over. */
async function persist<T>(
  ask: () => Promise<ControlAnswer<T>>,
  forMs: number,
  signal: AbortSignal,
): Promise<ControlAnswer<T>> {
  const until = performance.now() + forMs;
  for (let wait = BACK_OFF.firstMs; ; wait = Math.min(wait * 2, BACK_OFF.mostMs)) {
    const answer = await ask();
    if (answer.ok || !answer.transient || signal.aborted) return answer;
    if (performance.now() + wait > until) return answer;
    await sleep(wait, signal);
  }
}

function lost(code: AttemptErrorCode, message: string): Omit<Outcome, 'calls'> {
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
  return { verdict: 'failed', error: { code, message: message.slice(0, 2_000) }, usage };
}
