/**
 * Checks that each entry of an action is possible in the state that the entries before it gave: the
 * life cycle's table, read from the log alone.
 */
import type { Entry, EntryType } from './evidence-entry.ts';
import { ACTION_TRANSITIONS, type ActionState, PLATFORM_FLOOR, TIERS } from './life-cycle.ts';
import type { EgressCheck } from './verify-egress.ts';
import type { Say, Seen } from './verify-report.ts';

const AFTER_TIER = {
  auto: 'dispatched',
  /** A veto window leaves no entry. */
  assisted: 'dispatched',
  'human-approve': 'waiting-approval',
  'manual-only': 'waiting-manual',
} as const satisfies Readonly<Record<(typeof TIERS)[number], ActionState>>;

const RUNNING: readonly ActionState[] = ['running'];
const ASKED: readonly ActionState[] = ['waiting-approval'];
const CLAIMABLE: readonly ActionState[] = ['dispatched', 'running'];
const BY_A_PERSON: readonly ActionState[] = ['outcome-unknown', 'waiting-manual'];

/** The states in which an entry may stand, beyond what the table says of the state that it leads to. */
const STANDS_IN: { readonly [T in EntryType]?: readonly ActionState[] } = {
  'approval.requested': ASKED,
  'approval.endorsed': ASKED,
  'approval.granted': ASKED,
  'approval.denied': ASKED,
  'approval.changes-requested': ASKED,
  'approval.expired': ['waiting-approval', 'dispatched'],
  'approval.voided': ['waiting-approval', 'dispatched', 'running'],
  'attempt.started': CLAIMABLE,
  'attempt.finished': RUNNING,
  'egress.intended': RUNNING,
  'egress.answered': RUNNING,
  'egress.denied': RUNNING,
  'egress.withheld': RUNNING,
  'action.succeeded': ['running', 'waiting-manual'],
  'action.failed': ['dispatched', 'running', 'waiting-manual'],
  'action.resolved': BY_A_PERSON,
};

const LEADS_TO: { readonly [T in EntryType]?: ActionState } = {
  'approval.granted': 'dispatched',
  'approval.denied': 'denied',
  'approval.changes-requested': 'changes-requested',
  'approval.expired': 'expired',
  'attempt.started': 'running',
  'action.succeeded': 'succeeded',
  'action.failed': 'failed',
  'action.cancelled': 'cancelled',
  'action.outcome-unknown': 'outcome-unknown',
};

const ENDS: readonly EntryType[] = ['action.succeeded', 'action.failed', 'action.cancelled'];

export class LifeCycleCheck {
  readonly #egress: EgressCheck;
  readonly #dryRun: boolean;
  #state: ActionState = 'requested';
  #running = false;
  #last: unknown;

  /** @param dryRun runs without anybody’s agreement, since nothing of it leaves */
  constructor(egress: EgressCheck, dryRun: boolean) {
    this.#egress = egress;
    this.#dryRun = dryRun;
  }

  see({ entry, say }: Seen): void {
    const { type, data } = entry;
    const before = this.#state;
    const stands = STANDS_IN[type];
    const next = leadsTo(entry, this.#dryRun);
    if (stands && !stands.includes(before)) {
      say('action.state', `${type} while the action was ${before}`);
    } else if (next && next !== before && !ACTION_TRANSITIONS[before].includes(next)) {
      say('action.state', `no action that is ${before} becomes ${next}`);
    }
    this.#state = next ?? before;
    if (type === 'attempt.started') this.#start(before, say);
    else if (type === 'attempt.finished') {
      this.#running = false;
      this.#last = data.verdict;
    } else if (type === 'action.resolved') checkResolved(entry, say);
    else if (type === 'action.outcome-unknown') this.#unknown(say);
    else if (ENDS.includes(type)) this.#end(type, say);
  }

  /** Attempts follow one another, the next one only when the one before was lost. */
  #start(before: ActionState, say: Say): void {
    if (this.#running) say('action.attempts', 'an attempt while another was running');
    else if (before === 'running' && this.#last !== 'lost') {
      say('action.attempts', 'an attempt after one that was not lost');
    }
    this.#running = true;
  }

  #unknown(say: Say): void {
    if (this.#running) say('action.attempts', 'ends while an attempt has not finished');
    if (this.#egress.calls.size === 0) {
      say('action.open-write', 'an unknown outcome though no write was intended');
    }
  }

  /** While a write is open nobody knows what came of it, so no such end may be told. */
  #end(type: EntryType, say: Say): void {
    const open = type === 'action.succeeded' ? this.#egress.unanswered : this.#egress.unseen;
    const [call] = open;
    if (call === undefined) return;
    say('action.open-write', `${type} while the write of call ${call} has no answer`);
  }
}

/** The state that the entry gives its action, or undefined when it stays what it was. */
export function leadsTo({ type, data }: Entry, dryRun: boolean): ActionState | undefined {
  if (type === 'policy.decided') {
    if (data.decision === 'deny') return 'denied';
    if (dryRun) return 'dispatched';
    return AFTER_TIER[TIERS.find((tier) => tier === data.tier) ?? 'auto'];
  }
  if (type !== 'action.resolved') return LEADS_TO[type];
  const { outcome } = data;
  return outcome === 'succeeded' || outcome === 'dispatched' ? outcome : 'failed';
}

function checkResolved({ data }: Entry, say: Say): void {
  for (const field of ['by', 'rationale']) {
    if (data[field] === undefined || data[field] === '') {
      say('action.resolved', `a person resolves an action, and this one leaves out ${field}`);
    }
  }
}

/** The platform's own floor under every policy. */
export function checkFloor({ entry, say }: Seen, effect: unknown): void {
  const { decision, tier } = entry.data;
  if (decision !== 'allow' || (effect !== 'write' && effect !== 'destructive')) return;
  // −1 for what is no tier.
  const given = (TIERS as readonly unknown[]).indexOf(tier);
  if (given < TIERS.indexOf(PLATFORM_FLOOR[effect])) {
    say('action.floor', `a ${effect} operation needs at least ${PLATFORM_FLOOR[effect]}`);
  }
}
