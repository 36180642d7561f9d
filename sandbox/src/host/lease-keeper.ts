/**
 * Keeps the lease of one attempt alive and carries its egress calls to the Control Plane as they
 * finish. When the lease is gone the attempt has to stop: another may hold the action.
 */
import type { EgressCall, WorkOrder } from '@portarium/contracts/internal-api';
import { PLATFORM_LIMITS } from '@portarium/contracts/limits';
import { reducedCall } from '../egress/safe-call.ts';
import type { ControlClient } from './control-client.ts';

/** `refused`: the Control Plane takes no heartbeat, and says nothing of a newer attempt. */
export type LeaseLoss = 'superseded' | 'refused' | 'lapsed';

const SUPERSEDED = 'attempt.superseded';

export class LeaseKeeper {
  readonly #control: Pick<ControlClient, 'heartbeat'>;
  readonly #order: WorkOrder;
  readonly #calls: () => readonly EgressCall[];
  readonly #abort = new AbortController();
  readonly #lost = new AbortController();
  readonly #loop: Promise<void>;
  #reported = 0;
  #loss: LeaseLoss | undefined;

  /** @param calls every finished egress call so far; only ever grows */
  constructor(
    control: Pick<ControlClient, 'heartbeat'>,
    order: WorkOrder,
    calls: () => readonly EgressCall[],
  ) {
    this.#control = control;
    this.#order = order;
    this.#calls = calls;
    this.#loop = this.#beat();
  }

  /** Aborts when the lease is gone. */
  get lost(): AbortSignal {
    return this.#lost.signal;
  }

  get loss(): LeaseLoss | undefined {
    return this.#loss;
  }

  /** Ends the heartbeats; gives the calls that still have to be reported. */
  async stop(): Promise<readonly EgressCall[]> {
    this.#abort.abort();
    await this.#loop;
    while (this.#loss === undefined && this.#pending() > PLATFORM_LIMITS.callsPerReport) {
      if (!(await this.#report())) break;
    }
    return this.#calls().slice(this.#reported);
  }

  #pending(): number {
    return this.#calls().length - this.#reported;
  }

  async #beat(): Promise<void> {
    let held = performance.now();
    let { leaseMs } = this.#order;
    while (!this.#abort.signal.aborted && this.#loss === undefined) {
      await sleep(this.#order.heartbeatMs, this.#abort.signal);
      if (this.#abort.signal.aborted) return;
      const asked = performance.now();
      const lease = await this.#report();
      if (lease) {
        held = asked;
        leaseMs = lease.leaseMs;
      } else if (performance.now() - held > leaseMs) this.#lose('lapsed');
    }
  }

  async #report(): Promise<{ readonly leaseMs: number } | undefined> {
    const batch = this.#calls().slice(
      this.#reported,
      this.#reported + PLATFORM_LIMITS.callsPerReport,
    );
    let answer = await this.#control.heartbeat(this.#order, batch);
    if (!answer.ok && !answer.transient && answer.code !== SUPERSEDED && batch.length > 0) {
      // The lease must not hang on what a guest made of its calls.
      answer = await this.#control.heartbeat(this.#order, batch.map(reducedCall));
    }
    if (answer.ok) {
      this.#reported += batch.length;
      return answer.value;
    }
    if (!answer.transient) this.#lose(answer.code === SUPERSEDED ? 'superseded' : 'refused');
    return undefined;
  }

  #lose(loss: LeaseLoss): void {
    this.#loss ??= loss;
    this.#lost.abort();
  }
}

/** Resolves after `ms`, or at once when `signal` aborts. */
export function sleep(ms: number, signal: AbortSignal): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  if (signal.aborted) return Promise.resolve();
  const stop = () => {
    clearTimeout(timer);
    signal.removeEventListener('abort', stop);
    resolve();
  };
  const timer = setTimeout(stop, ms);
  signal.addEventListener('abort', stop, { once: true });
  return promise;
}
