/** Writes an evidence log in memory, as the Control Plane does in its database. For tests only. */
import { canonicalBytes } from '../canonical-json.ts';
import type { Digest } from '../digest.ts';
import { type Entry, endsAction, entryHash, leafHash } from '../evidence-entry.ts';
import { makeId } from '../ids.ts';

export type Draft = Pick<Entry, 'type' | 'subject' | 'data'> &
  Partial<Pick<Entry, 'artifacts' | 'time'>>;

const START_MS = Date.UTC(2026, 0, 1);

export class LogBuilder {
  readonly workspace: string;
  readonly entries: Uint8Array[] = [];
  #prev: Digest | null = null;
  readonly #actions = new Map<string, { count: number; prev: Digest }>();
  #ids = 0;

  constructor(workspace: string) {
    this.workspace = workspace;
  }

  /** Ids that are the same in each run. */
  id<K extends 'action' | 'attempt' | 'approval' | 'credential'>(kind: K): string {
    const random = new Uint8Array(10);
    new DataView(random.buffer).setUint32(6, ++this.#ids);
    return makeId(kind, START_MS + this.#ids, random);
  }

  async append(draft: Draft): Promise<Digest> {
    const seq = this.entries.length;
    const { action } = draft.subject;
    const own = action === undefined ? undefined : this.#actions.get(action);
    const count = own?.count ?? 0;
    const ends = action !== undefined && endsAction(draft.type, draft.data);
    const data = ends ? { ...draft.data, entries: count + 1 } : draft.data;
    const entry: Entry = {
      v: 1,
      workspace: this.workspace,
      seq,
      time: new Date(START_MS + seq * 7).toISOString(),
      actor: { kind: 'system', id: 'control' },
      artifacts: [],
      trace: null,
      prev: this.#prev,
      ...draft,
      data,
      ...(action === undefined ? {} : { actionSeq: count, actionPrev: own?.prev ?? null }),
    };
    const bytes = canonicalBytes(entry);
    const hash = await entryHash(bytes);
    this.entries.push(bytes);
    this.#prev = hash;
    if (action !== undefined) this.#actions.set(action, { count: count + 1, prev: hash });
    return hash;
  }

  leaves(): Promise<Uint8Array[]> {
    return Promise.all(this.entries.map(leafHash));
  }
}
