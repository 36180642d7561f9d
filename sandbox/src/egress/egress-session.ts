/**
 * The broker for one attempt: replays what the action's journal holds, then decides, bounds, sends and
 * records every outbound call of a guest. Denies by default; what the journal answers never leaves.
 */
import { digestOf } from '@portarium/contracts/digest';
import {
  type EgressContract,
  type MatchedRules,
  SAFE_METHODS,
} from '@portarium/contracts/egress-rule';
import type { EgressCall } from '@portarium/contracts/internal-api';
import type { Effect } from '@portarium/contracts/life-cycle';
import type { AttemptLimits } from '@portarium/contracts/limits';
import type { GuestRequest, OutboundRequest } from '@portarium/contracts/outbound-request';
import type { ActionJournal } from './action-journal.ts';
import { Budget, bytesOutOf } from './budget.ts';
import { type CallOrigin, CallSpan } from './call-span.ts';
import {
  type EgressAnswer,
  hasBody,
  type Refused,
  recordedAnswer,
  refused,
  whereOf,
} from './egress-answer.ts';
import type { EgressControl } from './egress-control.ts';
import { type AllowedRequest, type DeniedRequest, judgeRequest } from './judge-request.ts';
import { type BrokerOptions, type CallTask, LiveCall } from './live-call.ts';
import { followRedirects, type Hop } from './redirect.ts';
import { type DryRun, withholdWrite } from './withhold-write.ts';

export type { BrokerOptions } from './live-call.ts';

export interface EgressOrder {
  readonly workspace: string;
  readonly contract: EgressContract;
  readonly effect: Effect;
  readonly limits: Pick<AttemptLimits, 'egressCalls' | 'egressBytesOut' | 'egressBytesIn'>;
  /** What spans of its calls name. */
  readonly origin?: CallOrigin;
  /** No write leaves. */
  readonly dryRun?: DryRun | undefined;
}

export class EgressSession {
  readonly #order: EgressOrder;
  readonly #options: BrokerOptions;
  readonly #journal: ActionJournal;
  readonly #control: EgressControl;
  readonly #budget: Budget;
  readonly #abort = new AbortController();
  readonly #withheld = { calls: 0, bytes: 0 };
  #refusal: Refused | undefined;
  /** A read that the end of the attempt cut off: the guest never had its answer. */
  #cut: EgressCall | undefined;
  #inFlight: Promise<unknown> = Promise.resolve();

  constructor(
    order: EgressOrder,
    options: BrokerOptions,
    journal: ActionJournal,
    control: EgressControl,
  ) {
    this.#order = order;
    this.#options = options;
    this.#journal = journal;
    this.#control = control;
    this.#budget = new Budget(order.limits);
  }

  /** Calls that this attempt finished, in order; without those that it replayed. */
  get calls(): readonly EgressCall[] {
    return this.#journal.records;
  }

  /** Calls that the guest has made, replayed ones included, without the writes of a dry run. */
  get count(): number {
    return this.#journal.taken - this.#withheld.calls;
  }

  /** Calls of earlier attempts that the guest has not made. */
  get unreplayed(): number {
    return this.#journal.unreplayed;
  }

  /** Why the attempt is over, when a call was what ended it. */
  get refusal(): Refused | undefined {
    return this.#refusal;
  }

  /** Without what a dry run did not send. */
  get bytesOut(): number {
    return this.#budget.bytesOut - this.#withheld.bytes;
  }

  get bytesIn(): number {
    return this.#budget.bytesIn;
  }

  /** Ends a call in flight and lets no other begin; resolves when the records are complete. */
  async close(): Promise<void> {
    this.#abort.abort();
    await this.#inFlight;
  }

  /**
   * Records a read that the end of the attempt cut off, when no attempt follows: one that follows asks
   * again, instead of being told that the read failed.
   */
  recordCut(): void {
    if (this.#cut) this.#journal.add(this.#cut);
    this.#cut = undefined;
  }

  /**
   * One request of the guest, with the redirects that a read follows. Never rejects for one.
   * @param endsBy on `performance.now()`: when the guest's time is over
   */
  request(guest: GuestRequest, endsBy = Number.POSITIVE_INFINITY): Promise<EgressAnswer> {
    const answer = this.#follow(guest, endsBy);
    this.#inFlight = answer.catch(() => undefined);
    return answer;
  }

  async #follow(guest: GuestRequest, endsBy: number): Promise<EgressAnswer> {
    const answer = await followRedirects(guest, (hop, before) => this.#call(hop, before, endsBy));
    // The attempt is over: whatever the guest still asks for gets the same answer.
    if (answer.kind === 'refused') this.#refusal ??= answer;
    return answer;
  }

  /** One hop: judge, count, then replay what the journal holds or send. */
  async #call(
    guest: GuestRequest,
    before: OutboundRequest | undefined,
    endsBy: number,
  ): Promise<Hop> {
    if (this.#refusal) return { answer: this.#refusal };
    if (this.#abort.signal.aborted) {
      return { answer: refused('host.lost', 'the attempt ended first') };
    }
    const place = this.#journal.take();
    const judged = await judgeRequest(this.#order, guest, before);
    const { call, earlier } = place;
    const replayed = earlier !== undefined && earlier.verdict !== 'open';
    const span = new CallSpan(this.#order, call, judged, replayed);
    try {
      const hop = await this.#decide(place, judged, endsBy);
      span.tell(replayed ? earlier : this.#recorded(call), hop.answer);
      return hop;
    } finally {
      span.end();
    }
  }

  /** What this attempt has on record of a call; a read that was cut off may come to be. */
  #recorded(call: number): EgressCall | undefined {
    const last = this.#journal.records.at(-1);
    return [last, this.#cut].find((record) => record?.call === call);
  }

  async #decide(
    { call, earlier }: ReturnType<ActionJournal['take']>,
    judged: AllowedRequest | DeniedRequest,
    endsBy: number,
  ): Promise<Hop> {
    const diverged = (what: string) =>
      refused('journal.diverged', whereOf(judged.draft, `call ${call} ${what}`));
    if (earlier && earlier.requestDigest !== judged.draft.requestDigest) {
      return { answer: diverged('is another request than the journal holds') };
    }
    if (!judged.allowed) {
      return {
        answer: earlier ? await this.#replay(earlier, undefined) : this.#deny(call, judged),
      };
    }
    const { request, rules } = judged;
    const over =
      this.#budget.begin(rules, bytesOutOf(request)) ??
      (earlier || this.#journal.hasRoom ? undefined : 'the journal has no room for more');
    const write = !SAFE_METHODS.has(request.target.method);
    if (this.#order.dryRun && write && !over) {
      this.#withheld.calls++;
      this.#withheld.bytes += bytesOutOf(request);
    }
    if (earlier && earlier.verdict !== 'open') {
      return { answer: await this.#replay(earlier, rules), request };
    }
    const reopened = earlier !== undefined;
    if (over) {
      return {
        answer: reopened ? diverged(`has ${over}`) : this.#deny(call, overBudget(judged, over)),
      };
    }
    return { answer: await this.#live({ call, reopened }, judged, endsBy), request };
  }

  /** Nothing leaves: the guest gets what an earlier attempt recorded. */
  async #replay(earlier: EgressCall, rules: MatchedRules | undefined): Promise<EgressAnswer> {
    this.#budget.received(rules, earlier.bytesIn);
    if (!hasBody(earlier)) return recordedAnswer(earlier);
    const digest = earlier.responseDigest;
    const missing = (reason: string) =>
      refused('host.resource', `the body of call ${earlier.call} ${reason}`);
    if (digest === undefined) return missing('has no digest in the journal');
    const found = await this.#control.body(digest, this.#abort.signal);
    if (found.kind === 'stopped') return refused(found.code, found.message);
    if ((await digestOf(found.bytes)) !== digest) return missing(`is not what ${digest} says`);
    return recordedAnswer(earlier, found.bytes);
  }

  async #live(
    place: Pick<CallTask, 'call' | 'reopened'>,
    allowed: AllowedRequest,
    endsBy: number,
  ): Promise<EgressAnswer> {
    const { rules } = allowed;
    const maxResponseBytes = this.#budget.bytesInLeft(rules);
    const task: CallTask = { ...place, allowed, maxResponseBytes };
    const { workspace, contract, dryRun } = this.#order;
    const around = {
      workspace,
      contract,
      options: this.#options,
      control: this.#control,
      signal: this.#abort.signal,
      endsBy,
    };
    const write = !SAFE_METHODS.has(allowed.request.target.method);
    const end =
      dryRun && write
        ? await withholdWrite(task, around, dryRun)
        : await new LiveCall(task, around).perform();
    this.#budget.received(rules, end.bytesIn);
    if (!end.record)
      return end.refusal ?? refused('host.resource', 'a call ended without a record');
    const cut = this.#abort.signal.aborted && end.record.verdict === 'failed';
    if (cut && SAFE_METHODS.has(allowed.request.target.method)) {
      this.#cut = end.record;
      return end.refusal ?? refused('host.lost', 'the attempt ended first');
    }
    const record = this.#journal.add(end.record, end.body, end.requestBody);
    return end.refusal ?? recordedAnswer(record, end.body);
  }

  #deny(call: number, { draft, layer, reason, rule }: DeniedRequest): EgressAnswer {
    const denied = { verdict: 'denied', layer, reason, bytesOut: 0, bytesIn: 0, ms: 0 } as const;
    const named = rule === undefined ? {} : { rule };
    return recordedAnswer(this.#journal.add({ call, ...draft, ...named, ...denied }));
  }
}

function overBudget({ draft, rule }: AllowedRequest, reason: string): DeniedRequest {
  return { allowed: false, draft, rule, layer: 'budget', reason };
}
