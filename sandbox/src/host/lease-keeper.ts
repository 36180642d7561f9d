/**
 * Keeps the lease of one attempt alive and carries its egress calls to the Control Plane as they
 * finish. When the lease is gone the attempt has to stop: another may hold the action.
 */
import type { EgressCall, WorkOrder } from '@portarium/contracts/internal-api';
import { PLATFORM_LIMITS } from '@portarium/contracts/limits';
import type { ControlClient } from './control-client.ts';

export type LeaseLoss = 'superseded' | 'lapsed';

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

  /** Ends the heartbeats; the outcome carries the calls that it returns. */
  async stop(): Promise<readonly EgressCall[]> {
    this.#abort.abort();
    await this.#loop;
    while (this.#loss === undefined && this.#pending() > PLATFORM_LIMITS.callsPerReport) {
      if (!(await this.#report())) break;
    }
    const all = this.#calls();
    return all.slice(this.#reported).slice(-PLATFORM_LIMITS.callsPerReport);
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
    const answer = await this.#control.heartbeat(this.#order, batch);
    if (answer.ok) {
      this.#reported += batch.length;
      return answer.value;
    }
    if (!answer.transient) this.#lose('superseded');
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
