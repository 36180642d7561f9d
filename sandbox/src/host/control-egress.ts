/**
 * The broker's way to the Control Plane in one attempt: asks for leave together with every record
 * before, again and again while the lease lasts, and never longer. Holds no secret: it passes them on.
 */
import { toBase64 } from '@portarium/contracts/base64';
import type { Report, WorkOrder } from '@portarium/contracts/internal-api';
import { PLATFORM_LIMITS } from '@portarium/contracts/limits';
import type {
  BodyAnswer,
  CallIntent,
  EgressControl,
  IntentAnswer,
  IntentTimes,
  Stopped,
} from '../egress/egress-control.ts';
import { persist, sleep } from './back-off.ts';
import {
  type ControlAnswer,
  type ControlClient,
  type ControlFailure,
  isFinal,
} from './control-client.ts';
import type { LeaseKeeper } from './lease-keeper.ts';
import type { Reports } from './reports.ts';

export class ControlEgress implements EgressControl {
  readonly #control: Pick<ControlClient, 'intend' | 'body' | 'putBody'>;
  readonly #order: WorkOrder;
  readonly #reports: Reports;
  readonly #lease: Pick<LeaseKeeper, 'heldUntil' | 'extend' | 'refused'>;

  constructor(
    control: Pick<ControlClient, 'intend' | 'body' | 'putBody'>,
    order: WorkOrder,
    reports: Reports,
    lease: Pick<LeaseKeeper, 'heldUntil' | 'extend' | 'refused'>,
  ) {
    this.#control = control;
    this.#order = order;
    this.#reports = reports;
    this.#lease = lease;
  }

  async intend(intent: CallIntent, times: IntentTimes): Promise<IntentAnswer> {
    const { body, ...rest } = intent;
    const { bodyDigest: digest } = intent;
    const inline = body.length <= PLATFORM_LIMITS.inlineBodyBytes;
    if (digest !== null && !inline) {
      const put = () => this.#control.putBody(this.#order, digest, body, times.signal);
      const answer = await this.#persist(put, times.signal);
      if (!answer.ok) return this.#stopped(answer, times.signal);
    }
    const own = digest !== null && inline ? [{ digest, bytes: toBase64(body) }] : [];
    for (;;) {
      const answer = await this.#intendOnce(rest, own, times.signal);
      if (answer.kind !== 'refused' || answer.retryAfterMs === undefined) return answer;
      if (performance.now() + answer.retryAfterMs >= times.endsBy) return answer;
      await sleep(answer.retryAfterMs, times.signal);
      if (times.signal.aborted) return stopped('host.lost', 'the attempt ended first');
    }
  }

  async #intendOnce(
    intent: Omit<CallIntent, 'body'>,
    own: NonNullable<Report['bodies']>,
    signal: AbortSignal,
  ): Promise<IntentAnswer & { readonly retryAfterMs?: number | undefined }> {
    let askedAt = 0;
    // An answer that was lost is asked for again with the same content: one record, a new leave.
    const ask = async () => {
      const failure = await this.#reports.makeRoom(false, signal);
      if (failure) return failure;
      return this.#reports.bring((report) => {
        askedAt = performance.now();
        const bodies = [...(report.bodies ?? []), ...own];
        return this.#control.intend(this.#order, { ...intent, ...report, bodies }, signal);
      }, signal);
    };
    const answer = await this.#persist(ask, signal);
    if (!answer.ok) return this.#stopped(answer, signal);
    this.#lease.extend(askedAt);
    const { value } = answer;
    if (value.status === 'send') return { kind: 'send', askedAt, leave: value };
    const { code, message, layer, retryAfterMs } = value;
    return { kind: 'refused', code, message, layer, retryAfterMs };
  }

  async body(digest: string, signal: AbortSignal): Promise<BodyAnswer> {
    const answer = await this.#persist(
      () => this.#control.body(this.#order, digest, signal),
      signal,
    );
    if (answer.ok) return { kind: 'body', bytes: answer.value };
    // The attempt is known: what is not found is the body.
    const missing = answer.code === 'not-found';
    return missing ? stopped('host.resource', answer.message) : this.#stopped(answer, signal);
  }

  #persist<T>(
    ask: () => Promise<ControlAnswer<T>>,
    signal: AbortSignal,
  ): Promise<ControlAnswer<T>> {
    return persist(ask, { until: () => this.#lease.heldUntil, signal });
  }

  #stopped(failure: ControlFailure, signal: AbortSignal): Stopped {
    if (signal.aborted) return stopped('host.lost', 'the attempt ended first');
    if (failure.transient) {
      return stopped('host.lost', `the lease ended before leave was given: ${failure.message}`);
    }
    if (!isFinal(failure)) return stopped('host.resource', failure.message);
    this.#lease.refused(failure);
    return stopped('host.lost', failure.message);
  }
}

function stopped(code: Stopped['code'], message: string): Stopped {
  return { kind: 'stopped', code, message };
}
