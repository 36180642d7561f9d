/**
 * Keeps the lease of one attempt alive and carries its egress calls to the Control Plane as they
 * finish. When the lease is gone the attempt has to stop: another may hold the action.
 */
import type { WorkOrder } from '@portarium/contracts/internal-api';
import { sleep } from './back-off.ts';
import { SUPERSEDED } from './control-client.ts';
import type { Reports } from './reports.ts';

/** `refused`: the Control Plane takes no report, and says nothing of a newer attempt. */
export type LeaseLoss = 'superseded' | 'refused' | 'lapsed';

export class LeaseKeeper {
  readonly #reports: Pick<Reports, 'heartbeat'>;
  readonly #heartbeatMs: number;
  readonly #abort = new AbortController();
  readonly #lost = new AbortController();
  readonly #loop: Promise<void>;
  /** When the Control Plane was last asked with success, and for how long that holds. */
  #held = performance.now();
  #leaseMs: number;
  #loss: LeaseLoss | undefined;

  constructor(
    reports: Pick<Reports, 'heartbeat'>,
    { leaseMs, heartbeatMs }: Pick<WorkOrder, 'leaseMs' | 'heartbeatMs'>,
  ) {
    this.#reports = reports;
    this.#leaseMs = leaseMs;
    this.#heartbeatMs = heartbeatMs;
    this.#loop = this.#beat();
  }

  /** Aborts when the lease is gone. */
  get lost(): AbortSignal {
    return this.#lost.signal;
  }

  get loss(): LeaseLoss | undefined {
    return this.#loss;
  }

  /** On `performance.now()`: how long the Control Plane can be counted on to wait for this attempt. */
  get heldUntil(): number {
    return this.#held + this.#leaseMs;
  }

  /** The Control Plane took something else of this attempt, which it was asked for at `askedAt`. */
  extend(askedAt: number): void {
    this.#held = Math.max(this.#held, askedAt);
  }

  /** The Control Plane refuses whatever this attempt says. */
  refused({ code }: { readonly code: string }): void {
    this.#lose(code === SUPERSEDED ? 'superseded' : 'refused');
  }

  /** Ends the heartbeats. */
  async stop(): Promise<void> {
    this.#abort.abort();
    await this.#loop;
  }

  async #beat(): Promise<void> {
    while (!this.#abort.signal.aborted && this.#loss === undefined) {
      await sleep(this.#heartbeatMs, this.#abort.signal);
      if (this.#abort.signal.aborted) return;
      const asked = performance.now();
      const answer = await this.#reports.heartbeat();
      if (answer.ok) {
        this.extend(asked);
        this.#leaseMs = answer.value.leaseMs;
      } else if (!answer.transient) this.refused(answer);
      else if (performance.now() > this.heldUntil) this.#lose('lapsed');
    }
  }

  #lose(loss: LeaseLoss): void {
    this.#loss ??= loss;
    this.#lost.abort();
  }
}
