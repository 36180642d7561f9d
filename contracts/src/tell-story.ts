/**
 * What entries tell of each action, for people: what was asked, who allowed it, what ran, what left the
 * building, how it ended. It proves nothing; `verify-story.ts` does.
 */
import type { Entry } from './evidence-entry.ts';

/** A write, as the log tells of it. */
export interface ToldWrite {
  readonly method: string;
  readonly host: string;
  readonly path: string;
  /** `sent`: intended, and no answer was seen. `withheld`: of a dry run, which sends none. */
  readonly state: 'answered' | 'not sent' | 'sent' | 'denied' | 'withheld';
  readonly status?: number;
  readonly credential?: string;
  /** Why it was denied. */
  readonly reason?: string;
}

export interface ToldStory {
  readonly action: string;
  /** First and last entry of it in the bundle. */
  readonly from: number;
  readonly to: number;
  readonly asked?: {
    readonly at: string;
    readonly by: string;
    readonly plugin: string;
    readonly operation: string;
    readonly effect: string;
    readonly dryRun?: true;
  };
  /** What policy said, such as `allow, human-approve`. */
  readonly policy?: string;
  /** Who agreed, in their order. */
  readonly approvedBy: readonly string[];
  readonly attempts: number;
  readonly writes: readonly ToldWrite[];
  /** Type of the entry that ended it; absent while it goes on. */
  readonly ended?: string;
}

/** Sums over all stories of a bundle. */
export interface ToldTotals {
  /** Actions by the type of the entry that ended them; `open` for those that none did. */
  readonly actions: Readonly<Record<string, number>>;
  /** People who agreed to something. */
  readonly people: number;
  readonly attempts: number;
  /** Writes by what became of them. */
  readonly writes: Readonly<Record<ToldWrite['state'], number>>;
}

type Data = Readonly<Record<string, unknown>>;
type Mutable<T> = { -readonly [K in keyof T]: T[K] };

const AGREES: ReadonlySet<string> = new Set(['approval.endorsed', 'approval.granted']);

/** @param ended type of the entry that ends the action, as verification found */
export function tellStory(
  entries: readonly { readonly entry: Entry }[],
  ended: string | undefined,
): ToldStory {
  const [first] = entries;
  const writes = new Map<unknown, Mutable<ToldWrite>>();
  const approvedBy: string[] = [];
  let attempts = 0;
  let asked: ToldStory['asked'];
  let policy: string | undefined;
  for (const { entry } of entries) {
    const { type, data } = entry;
    if (type === 'action.requested') {
      asked = {
        ...{ at: entry.time, by: `${entry.actor.kind} ${entry.actor.id}` },
        plugin: `${String(data.plugin)}@${String(data.version)}`,
        ...{ operation: String(data.operation), effect: String(data.effect) },
        ...(data.dryRun === true ? { dryRun: true } : {}),
      };
    } else if (type === 'policy.decided') {
      policy = [data.decision, data.tier].filter((part) => part !== undefined).join(', ');
    } else if (AGREES.has(type)) approvedBy.push(String(data.by));
    else if (type === 'attempt.started') attempts++;
    else if (type.startsWith('egress.')) tellWrite(writes, type, data);
  }
  return {
    action: String(first?.entry.subject.action),
    from: first?.entry.seq ?? 0,
    to: entries.at(-1)?.entry.seq ?? 0,
    ...(asked ? { asked } : {}),
    ...(policy === undefined ? {} : { policy }),
    ...{ approvedBy, attempts, writes: [...writes.values()] },
    ...(ended === undefined ? {} : { ended }),
  };
}

function tellWrite(writes: Map<unknown, Mutable<ToldWrite>>, type: string, data: Data): void {
  const before = writes.get(data.call);
  if (type === 'egress.answered') {
    if (!before) return;
    before.state = data.sent === false ? 'not sent' : 'answered';
    if (typeof data.status === 'number') before.status = data.status;
    return;
  }
  const state =
    type === 'egress.denied' ? 'denied' : type === 'egress.withheld' ? 'withheld' : 'sent';
  writes.set(data.call, {
    ...{ method: String(data.method), host: String(data.host), path: String(data.path), state },
    ...(typeof data.credential === 'string' ? { credential: data.credential } : {}),
    ...(typeof data.reason === 'string' ? { reason: data.reason } : {}),
  });
}

/** Adds up stories as they come. */
export class TotalsOfStories {
  readonly #actions: Record<string, number> = {};
  readonly #people = new Set<string>();
  readonly #writes = { answered: 0, 'not sent': 0, sent: 0, denied: 0, withheld: 0 };
  #attempts = 0;

  add({ ended = 'open', approvedBy, attempts, writes }: ToldStory): void {
    this.#actions[ended] = (this.#actions[ended] ?? 0) + 1;
    for (const person of approvedBy) this.#people.add(person);
    this.#attempts += attempts;
    for (const { state } of writes) this.#writes[state]++;
  }

  get totals(): ToldTotals {
    return {
      actions: { ...this.#actions },
      people: this.#people.size,
      attempts: this.#attempts,
      writes: { ...this.#writes },
    };
  }
}
