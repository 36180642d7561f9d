/**
 * Answers a guest's requests from the journal, in the broker's place: the same decisions, the same
 * redirects, and nothing ever leaves. Stops where the record and the guest part.
 */
import { digestOf } from '@portarium/contracts/digest';
import type { AttemptErrorCode } from '@portarium/contracts/errors';
import type { JournalArtifactRecord } from '@portarium/contracts/journal-artifact';
import { PLATFORM_LIMITS } from '@portarium/contracts/limits';
import type { GuestRequest, OutboundRequest } from '@portarium/contracts/outbound-request';
import type { FailedRequest, GuestResponse } from '../cell/engine.ts';
import { hasBody, recordedAnswer } from '../egress/egress-answer.ts';
import { type CallDraft, judgeRequest } from '../egress/judge-request.ts';
import { redirectOf } from '../egress/redirect.ts';
import type { RecordedAttempt } from './recorded-attempt.ts';
import { callFinding, type ReplayFinding } from './replay-finding.ts';

type Recorded = Pick<RecordedAttempt, 'order' | 'records' | 'bodies'>;

/** Why the guest gets no further answer. */
export type Stop =
  /** The broker ended the attempt here, and the journal says so. */
  | { readonly kind: 'refused'; readonly code: AttemptErrorCode }
  /** The call is another than the recorded one, or none is recorded. */
  | { readonly kind: 'diverged'; readonly finding: ReplayFinding }
  /** The call has no answer on record. */
  | { readonly kind: 'open'; readonly finding: ReplayFinding }
  /** Every recorded call has been compared, and no more was asked for. */
  | { readonly kind: 'last' }
  | { readonly kind: 'unknown-body'; readonly reason: string };

const EMPTY = new Uint8Array();

export class JournalPlayer {
  readonly #attempt: Recorded;
  readonly #order: Parameters<typeof judgeRequest>[0];
  readonly #stopAtLast: boolean;
  #consumed = 0;
  #stop: Stop | undefined;

  /** @param stopAtLast gives the last recorded call no answer: what followed is not compared */
  constructor(attempt: Recorded, stopAtLast: boolean) {
    const { contract, operation } = attempt.order;
    this.#attempt = attempt;
    this.#order = { contract, effect: operation.effect };
    this.#stopAtLast = stopAtLast;
  }

  /** Recorded calls that the guest has made. */
  get consumed(): number {
    return this.#consumed;
  }

  get stop(): Stop | undefined {
    return this.#stop;
  }

  /** The recorded answer with the time that it took, or undefined when the guest is to be stopped. */
  async play(guest: GuestRequest): Promise<GuestResponse | FailedRequest | undefined> {
    let current = guest;
    let before: OutboundRequest | undefined;
    let ms = 0;
    for (let hop = 0; hop <= PLATFORM_LIMITS.redirectHops; hop++) {
      const judged = await judgeRequest(this.#order, current, before);
      const record = this.#take(judged.draft);
      if (!record) return undefined;
      ms += record.ms;
      const request = judged.allowed ? judged.request : undefined;
      const next = request && redirectOf(recordedAnswer(record), request, current);
      if (!next) return this.#answer(record, ms);
      before = request;
      current = next;
    }
    return { failed: `more than ${PLATFORM_LIMITS.redirectHops} redirects`, ms };
  }

  /** The record of a call, if that is what the guest asks for and the guest is to go on. */
  #take(draft: CallDraft): JournalArtifactRecord | undefined {
    const { records } = this.#attempt;
    const call = this.#consumed;
    const record = records[call];
    if (record?.requestDigest !== draft.requestDigest) {
      return this.#end({ kind: 'diverged', finding: callFinding(call, record, draft) });
    }
    this.#consumed++;
    if (this.#stopAtLast && this.#consumed === records.length) return this.#end({ kind: 'last' });
    if (record.verdict === 'open') {
      return this.#end({ kind: 'open', finding: callFinding(call, record, draft) });
    }
    return record;
  }

  async #answer(
    record: JournalArtifactRecord,
    ms: number,
  ): Promise<GuestResponse | FailedRequest | undefined> {
    const body = await this.#body(record);
    if (typeof body === 'string') return this.#end({ kind: 'unknown-body', reason: body });
    const answer = recordedAnswer(record, body);
    switch (answer.kind) {
      case 'response':
        return { status: answer.status, headers: answer.headers, body, ms };
      case 'failed':
        return { failed: answer.reason, ms };
      case 'refused':
        return this.#end({ kind: 'refused', code: answer.code });
    }
  }

  /** The response's bytes, or why there are none. */
  async #body(record: JournalArtifactRecord): Promise<Uint8Array | string> {
    const { call, responseDigest } = record;
    if (!hasBody(record)) return EMPTY;
    if (responseDigest === undefined) return `the response of call ${call} is not on record`;
    const body = this.#attempt.bodies.get(responseDigest);
    if (!body) return `the response of call ${call} (${responseDigest}) is not in the bundle`;
    if ((await digestOf(body)) === responseDigest) return body;
    return `the response of call ${call} has other bytes than its digest ${responseDigest} says`;
  }

  #end(stop: Stop): undefined {
    this.#stop = stop;
  }
}
