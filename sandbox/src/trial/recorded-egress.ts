/**
 * Egress of an author's test: every request is judged and counted as the broker would, with what the
 * manifest asks for granted as it stands; what is allowed gets a recorded answer. Nothing leaves.
 */
import type { EgressContract } from '@portarium/contracts/egress-rule';
import type { Effect } from '@portarium/contracts/life-cycle';
import { type AttemptLimits, PLATFORM_LIMITS } from '@portarium/contracts/limits';
import type { GuestRequest, OutboundRequest } from '@portarium/contracts/outbound-request';
import type { Recording } from '@portarium/contracts/plugin-cases';
import { Budget, bytesOutOf } from '../egress/budget.ts';
import { type EgressAnswer, type Refused, refused, whereOf } from '../egress/egress-answer.ts';
import { judgeRequest } from '../egress/judge-request.ts';
import { redirectOf } from '../egress/redirect.ts';
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
    let current = guest;
    let before: OutboundRequest | undefined;
    let ms = 0;
    for (let hop = 0; hop <= PLATFORM_LIMITS.redirectHops; hop++) {
      const { answer, request } = await this.#call(current, before);
      if (answer.kind === 'refused') {
        this.#refusal ??= answer;
        return answer;
      }
      ms += answer.ms;
      const next = request && redirectOf(answer, request, current);
      if (!next) return { ...answer, ms };
      before = request;
      current = next;
    }
    return { kind: 'failed', reason: `more than ${PLATFORM_LIMITS.redirectHops} redirects`, ms };
  }

  async #call(
    guest: GuestRequest,
    before: OutboundRequest | undefined,
  ): Promise<{ readonly answer: EgressAnswer; readonly request?: OutboundRequest }> {
    if (this.#refusal) return { answer: this.#refusal };
    this.#calls++;
    const judged = await judgeRequest(this.#order, guest, before);
    if (!judged.allowed) {
      const code = judged.layer === 'budget' ? 'limit.egress' : 'egress.denied';
      return { answer: refused(code, whereOf(judged.draft, judged.reason)) };
    }
    const { request } = judged;
    const rules = [judged.rules.plugin, judged.rules.operator];
    const over = this.#budget.begin(rules, bytesOutOf(request));
    if (over) return { answer: refused('limit.egress', whereOf(judged.draft, over)) };
    const recording = this.#take(request);
    if (!recording) {
      this.#unrecorded = `it asked for ${request.target.method} ${request.url}, which the case has no recording of`;
      return { answer: refused('egress.denied', whereOf(judged.draft, 'no recording answers it')) };
    }
    const { status, headers, body: recorded } = recording.response;
    const body = bytesOf(recorded);
    const left = this.#budget.bytesInLeft(rules);
    if (body.length > left) {
      const reason = `the response has ${body.length} bytes, at most ${left} are left`;
      return { answer: refused('limit.egress', whereOf(judged.draft, reason)) };
    }
    this.#budget.received(rules, body.length);
    return { answer: { kind: 'response', status, headers, body, ms: CALL_MS }, request };
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

function bytesOf(body: unknown): Uint8Array {
  if (body === undefined) return new Uint8Array();
  return new TextEncoder().encode(typeof body === 'string' ? body : JSON.stringify(body));
}
