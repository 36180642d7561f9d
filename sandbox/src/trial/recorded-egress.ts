/**
 * Egress of an author's test: every request is judged and counted as the broker would, with what the
 * manifest asks for granted as it stands; what is allowed gets a recorded answer, of which the guest reads
 * what it would read of a server's. Nothing leaves.
 */
import type { EgressContract } from '@portarium/contracts/egress-rule';
import { writtenBody } from '@portarium/contracts/example-answer';
import type { Effect } from '@portarium/contracts/life-cycle';
import type { AttemptLimits } from '@portarium/contracts/limits';
import type { GuestRequest, OutboundRequest } from '@portarium/contracts/outbound-request';
import type { Recording } from '@portarium/contracts/plugin-cases';
import { checkAddress } from '../egress/address.ts';
import { Budget, bytesOutOf } from '../egress/budget.ts';
import { unpackedHeaders } from '../egress/decode-body.ts';
import { type EgressAnswer, type Refused, recordedAnswer } from '../egress/egress-answer.ts';
import { guestResponse } from '../egress/guest-response.ts';
import { judgeRequest, type Layer } from '../egress/judge-request.ts';
import { followRedirects, type Hop } from '../egress/redirect.ts';
import { literalAddress } from '../egress/resolve.ts';
import type { GuestEgress } from '../host/run-guest.ts';

/** What the action's clock advances by at each call: always the same, so that outputs are. */
const CALL_MS = 10;

export class RecordedEgress implements GuestEgress {
  readonly #order: { readonly contract: EgressContract; readonly effect: Effect };
  readonly #left: Recording[];
  readonly #budget: Budget;
  #calls = 0;
  #refusal: Refused | undefined;
  /** An allowed call that no recording answers. */
  #unrecorded: string | undefined;

  constructor(
    order: { readonly contract: EgressContract; readonly effect: Effect },
    limits: AttemptLimits,
    recordings: readonly Recording[],
  ) {
    this.#order = order;
    this.#left = [...recordings];
    this.#budget = new Budget(limits);
  }

  readonly unreplayed = 0;

  get count(): number {
    return this.#calls;
  }

  get bytesOut(): number {
    return this.#budget.bytesOut;
  }

  get bytesIn(): number {
    return this.#budget.bytesIn;
  }

  get refusal(): Refused | undefined {
    return this.#refusal;
  }

  /** Says which call had no recording, and which recordings nobody asked for. */
  problems(): readonly string[] {
    const unused = this.#left.map(
      ({ request }) => `nothing asked for the recorded ${request.method} ${request.url}`,
    );
    return this.#unrecorded === undefined ? unused : [this.#unrecorded, ...unused];
  }

  async close(): Promise<void> {}

  async request(guest: GuestRequest): Promise<EgressAnswer> {
    const answer = await followRedirects(guest, (hop, before) => this.#call(hop, before));
    if (answer.kind === 'refused') this.#refusal ??= answer;
    return answer;
  }

  async #call(guest: GuestRequest, before: OutboundRequest | undefined): Promise<Hop> {
    if (this.#refusal) return { answer: this.#refusal };
    const call = this.#calls++;
    const judged = await judgeRequest(this.#order, guest, before);
    const denied = (layer: Layer, reason: string) => ({
      answer: recordedAnswer({
        ...{ call, ...judged.draft, verdict: 'denied', layer, reason },
        ...{ bytesOut: 0, bytesIn: 0, ms: 0 },
      }),
    });
    if (!judged.allowed) return denied(judged.layer, judged.reason);
    const { request, rule, rules } = judged;
    const bytesOut = bytesOutOf(request);
    const over = this.#budget.begin(rules, bytesOut);
    if (over) return denied('budget', over);
    const closed = closedAddress(request.target.host, this.#order.contract.networks);
    if (closed) return denied('address', closed);
    const recording = this.#take(request);
    if (!recording) {
      this.#unrecorded = `it asked for ${request.target.method} ${request.url}, which the case has no recording of`;
      return denied('request', 'no recording answers it');
    }
    const left = this.#budget.bytesInLeft(rules);
    const { status, body: recorded } = recording.response;
    // A recorded body is what a guest reads: never packed, whatever the headers say.
    const headers = unpackedHeaders(recording.response.headers);
    const response = guestResponse(
      { status, headers, body: writtenBody(recorded) },
      undefined,
      left,
    );
    const size = response.ok ? response.body.length : 0;
    const record = { call, ...judged.draft, rule, bytesOut, bytesIn: size, ms: CALL_MS };
    if (!response.ok || size > left) {
      const reason = response.ok ? `the response is larger than ${left} bytes` : response.reason;
      const layer = response.ok ? { layer: 'budget' } : {};
      return { answer: recordedAnswer({ ...record, verdict: 'failed', ...layer, reason }) };
    }
    this.#budget.received(rules, size);
    const responseHeaders = { ...response.headers };
    const answer = recordedAnswer(
      { ...record, verdict: 'allowed', status, responseHeaders },
      response.body,
    );
    return { answer, request };
  }

  /** The first recording of this request that was not used yet. */
  #take(request: OutboundRequest): Recording | undefined {
    const at = this.#left.findIndex(
      ({ request: { method, url, body } }) =>
        method === request.target.method &&
        new URL(url).href === new URL(request.url).href &&
        (body === undefined || body === new TextDecoder().decode(request.body)),
    );
    return at === -1 ? undefined : this.#left.splice(at, 1)[0];
  }
}

/** Why an address that stands in the request itself is refused. Names are not looked up: there is no network. */
function closedAddress(host: string, networks: readonly string[]): string | undefined {
  const address = literalAddress(host);
  const decision = address === undefined ? undefined : checkAddress(address, networks);
  return decision?.ok === false ? decision.reason : undefined;
}
