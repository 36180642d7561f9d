/** Legal holds that are open as entries say, and what they cover, as the Control Plane has it in its database. */
import type { Entry } from './evidence-entry.ts';
import type { HoldScope } from './legal-hold.ts';

type Kind = Exclude<HoldScope['kind'], 'time'>;

/** Reads entries one by one, in order, from the first of the log. */
export class OpenHolds {
  readonly #scopes = new Map<string, HoldScope>();
  /** Ids of holds by what they name. */
  readonly #holds: { readonly [K in Kind]: Map<string, Set<string>> } = {
    action: new Map(),
    plugin: new Map(),
    person: new Map(),
  };
  /** Milliseconds since 1970 by the id of a hold. */
  readonly #times = new Map<string, { readonly fromMs: number; readonly untilMs: number }>();
  /** The plugin that an action was requested of, and everybody who had a hand in it. */
  readonly #plugins = new Map<string, string>();
  readonly #people = new Map<string, Set<string>>();
  /** Of the keys that this log tells of; those of the instance stand in another. */
  readonly #owners = new Map<string, string>();

  next(entry: Entry): void {
    const { type, data, subject, actor } = entry;
    if (type === 'hold.placed') this.#place(String(data.hold), data.scope as HoldScope);
    else if (type === 'hold.lifted') this.#lift(String(data.hold));
    else if (type === 'key.created' && subject.key !== undefined) {
      this.#owners.set(subject.key, String(data.owner));
    }
    const { action } = subject;
    if (action === undefined) return;
    const plugin = type === 'action.requested' ? pluginOf(entry) : undefined;
    if (plugin !== undefined) this.#plugins.set(action, plugin);
    if (actor.kind === 'sandbox' || actor.kind === 'system') return;
    const people = this.#people.get(action);
    if (people) people.add(actor.id);
    else this.#people.set(action, new Set([actor.id]));
  }

  /** Comparisons that {@link covering} makes at most. */
  stepsFor({ subject }: Entry): number {
    return this.#times.size + (this.#people.get(subject.action ?? '')?.size ?? 0);
  }

  /** @returns the id of a hold that covers what the entry names, at `timeMs` */
  covering(entry: Entry, timeMs: number): string | undefined {
    if (this.#scopes.size === 0) return undefined;
    const { action } = entry.subject;
    const plugins = [pluginOf(entry), this.#plugins.get(action ?? '')];
    return (
      this.#by('action', action) ??
      this.#by('plugin', plugins[0]) ??
      this.#by('plugin', plugins[1]) ??
      this.#byPerson(entry.actor.id) ??
      this.#byPeopleOf(action) ??
      this.#byTime(timeMs)
    );
  }

  #place(id: string, scope: HoldScope): void {
    this.#lift(id);
    this.#scopes.set(id, scope);
    if (scope.kind === 'time') {
      const untilMs =
        scope.until === undefined ? Number.POSITIVE_INFINITY : Date.parse(scope.until);
      this.#times.set(id, { fromMs: Date.parse(scope.from), untilMs });
      return;
    }
    const holds = this.#holds[scope.kind];
    const ids = holds.get(namedBy(scope)) ?? new Set();
    holds.set(namedBy(scope), ids.add(id));
  }

  #lift(id: string): void {
    const scope = this.#scopes.get(id);
    this.#scopes.delete(id);
    this.#times.delete(id);
    if (scope && scope.kind !== 'time') this.#holds[scope.kind].get(namedBy(scope))?.delete(id);
  }

  #by(kind: Kind, value: string | undefined): string | undefined {
    const [id] = this.#holds[kind].get(value ?? '') ?? [];
    return id;
  }

  #byPerson(id: string): string | undefined {
    return this.#by('person', id) ?? this.#by('person', this.#owners.get(id));
  }

  #byPeopleOf(action: string | undefined): string | undefined {
    if (this.#holds.person.size === 0) return undefined;
    for (const id of this.#people.get(action ?? '') ?? []) {
      const hold = this.#byPerson(id);
      if (hold !== undefined) return hold;
    }
    return undefined;
  }

  #byTime(timeMs: number): string | undefined {
    for (const [id, { fromMs, untilMs }] of this.#times) {
      if (timeMs >= fromMs && timeMs < untilMs) return id;
    }
    return undefined;
  }
}

function namedBy(scope: Exclude<HoldScope, { readonly kind: 'time' }>): string {
  if (scope.kind === 'action') return scope.action;
  return scope.kind === 'plugin' ? scope.plugin : scope.person;
}

/** The name of the plugin that an entry is about. */
function pluginOf({ type, data }: Entry): string | undefined {
  const name = type === 'action.requested' ? data.plugin : data.name;
  const told = type === 'action.requested' || type.startsWith('plugin.');
  return told && typeof name === 'string' ? name : undefined;
}
