/**
 * Checks what the log says of an action's writes: that each was intended with a permit before it left,
 * that an unkeyed one was sent once, and that an answer belongs to what was sent.
 */
import { idempotencyOf, SAFE_METHODS } from './egress-rule.ts';
import type { Entry } from './evidence-entry.ts';
import { credentialProblem, LOG_DELAY_MS, type StoryFacts } from './verify-facts.ts';
import type { Say, Seen } from './verify-report.ts';

type Data = Entry['data'];

/** What entries say of one call. */
export interface ToldCall {
  /** The first intention. */
  readonly intended: Data;
  answered?: Data;
  /** The attempt that intended it last. */
  attempt: unknown;
  /** How often it was intended since nobody knew, which a person's word ends, and since when. */
  sends: number;
  since: string;
  /** Which of a person's words came before those sends. */
  word: number;
}

/** The parts of a call that never change, whoever speaks of it. */
export const SAME_PARTS = ['requestDigest', 'method', 'host', 'port', 'path'] as const;

const HOUR_MS = 3_600_000;

export class EgressCheck {
  readonly #facts: StoryFacts;
  /** Intended calls by their numbers. */
  readonly calls = new Map<number, ToldCall>();
  readonly denied = new Map<number, Data>();
  /** Writes of a dry run. */
  readonly withheld = new Map<number, Data>();
  /** Calls that were intended and never answered. */
  readonly unanswered = new Set<number>();
  /** Those of them of which no person has said since that they did not happen. */
  readonly unseen = new Set<number>();
  /** Calls that an entry told of since a journal was last compared. */
  readonly fresh = new Set<number>();
  #words = 0;

  constructor(facts: StoryFacts) {
    this.#facts = facts;
  }

  see(seen: Seen): void {
    const { type, data } = seen.entry;
    if (type === 'action.resolved') {
      this.#words++;
      this.unseen.clear();
    }
    if (!type.startsWith('egress.')) return;
    const { call } = data;
    // Then a finding says that this is no data of such an entry.
    if (typeof call !== 'number') return;
    this.fresh.add(call);
    if (type === 'egress.intended') this.#intend(seen, call);
    else if (type === 'egress.answered') this.#answer(seen, call);
    else if (type === 'egress.denied') this.#deny(seen, call);
    else if (type === 'egress.withheld') this.#withhold(seen, call);
  }

  #intend({ entry, say }: Seen, call: number): void {
    const { data, time } = entry;
    this.#checkPermit(entry, say);
    this.#checkKeyed(entry, say);
    if (this.#facts.requested.data.dryRun === true) say('egress.permit', 'a write of a dry run');
    const known = this.calls.get(call);
    if (known) this.#again(known, entry, say);
    else if (data.resend !== undefined) {
      say('egress.resend', 'says that it is sent again, and it was never intended');
    }
    if (this.denied.has(call)) say('egress.twice', `call ${call} was denied before`);
    const told = known ?? { intended: data, attempt: '', sends: 0, since: time, word: -1 };
    if (told.word !== this.#words) Object.assign(told, { sends: 0, since: time });
    told.word = this.#words;
    told.sends++;
    told.attempt = data.attempt;
    this.calls.set(call, told);
    if (!told.answered) {
      this.unanswered.add(call);
      this.unseen.add(call);
    }
  }

  /** Nothing leaves that policy, contract and approval did not permit. */
  #checkPermit({ data }: Entry, say: Say): void {
    const { requested, decided, contract } = this.#facts;
    if (requested.data.effect === 'read') {
      say('egress.permit', 'a write of an operation that only reads');
    }
    if (decided?.data.decision !== 'allow') {
      say('egress.permit', 'a write though policy did not allow the action');
    }
    if (typeof data.method === 'string' && SAFE_METHODS.has(data.method)) {
      say('egress.permit', `a ${data.method} stands among the writes`);
    }
    const problem = contract?.problem(data);
    if (problem) say('egress.contract', `was sent outside the contract: ${problem}`);
    const wrong = credentialProblem(this.#facts, data.rule, data.credential);
    if (wrong) say('egress.credential', wrong);
  }

  #checkKeyed({ data }: Entry, say: Say): void {
    const rules = this.#facts.contract?.rules(data.rule);
    if (rules && data.idempotencyKeyed !== (idempotencyOf(rules) !== undefined)) {
      say('egress.contract', 'idempotencyKeyed is not what the rules of its contract give');
    }
  }

  /** The same call is intended another time. */
  #again(known: ToldCall, { data, time }: Entry, say: Say): void {
    if (known.answered) say('egress.twice', 'is sent again after it was answered');
    if (data.resend !== true) say('egress.resend', 'does not say that it is sent again');
    const changed = SAME_PARTS.find((part) => data[part] !== known.intended[part]);
    if (changed) say('egress.changed', `is sent again with another ${changed}`);
    if (known.word !== this.#words) return;
    if (data.idempotencyKeyed !== true || known.intended.idempotencyKeyed !== true) {
      say('egress.twice', 'has no idempotency key, and nobody said that it was not sent before');
      return;
    }
    const rules = this.#facts.contract?.rules(known.intended.rule);
    const hours = rules && idempotencyOf(rules)?.retentionHours;
    if (hours === undefined) return;
    if (Date.parse(time) > Date.parse(known.since) + hours * HOUR_MS + LOG_DELAY_MS) {
      say('egress.twice', 'is sent again when its key is not remembered any more');
    }
  }

  #answer({ entry, say }: Seen, call: number): void {
    const { data } = entry;
    const known = this.calls.get(call);
    if (!known) {
      say('egress.answer', 'an answer to a call that nobody intended');
      return;
    }
    if (known.answered) say('egress.answer', `call ${call} was answered before`);
    if (known.attempt !== data.attempt) {
      say('egress.answer', 'an answer to another attempt than the one that sent it last');
    }
    const changed = SAME_PARTS.find((part) => data[part] !== known.intended[part]);
    if (changed) say('egress.answer', `its ${changed} is not that of the call it answers`);
    const answer = data.responseDigest !== undefined && data.sent === undefined;
    if (!answer && data.sent !== false) {
      say('egress.unseen', 'a failure of what may have left is no answer: the write stays open');
    } else if (data.sent === false && known.sends > 1) {
      say('egress.unseen', 'counts as not sent, and an earlier send of it was never answered');
    }
    known.answered = data;
    this.unanswered.delete(call);
    this.unseen.delete(call);
  }

  /** A dry run records what a real one would have been permitted to send. */
  #withhold({ entry, say }: Seen, call: number): void {
    if (this.#facts.requested.data.dryRun !== true) {
      say('egress.permit', 'a write was withheld, and the action is no dry run');
    }
    this.#checkPermit(entry, say);
    const { bodyDigest } = entry.data;
    if (bodyDigest !== undefined && !entry.artifacts.some(({ digest }) => digest === bodyDigest)) {
      say('egress.withheld', 'the body that would have been sent is not among its artifacts');
    }
    if (this.withheld.has(call) || this.denied.has(call)) {
      say('egress.twice', `call ${call} was told of before`);
    }
    this.withheld.set(call, entry.data);
  }

  #deny({ entry, say }: Seen, call: number): void {
    if (this.calls.has(call)) say('egress.answer', 'a call that was intended can not be denied');
    if (this.denied.has(call)) say('egress.answer', `call ${call} was denied before`);
    this.denied.set(call, entry.data);
  }
}
