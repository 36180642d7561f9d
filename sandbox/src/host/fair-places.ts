/**
 * A bounded number of places, shared fairly by workspaces: a free place goes to the workspace that
 * holds the fewest, and among equals to the one that has waited longest for its turn. So no flood keeps
 * another workspace from its first place, and none waits for ever. Knows nothing of cells.
 */

export type Entered = 'in' | 'late' | 'closed';

export interface EnterOptions {
  /** Longest wait in milliseconds. */
  readonly waitMs?: number;
  /** Ends the wait as `closed`. */
  readonly signal?: AbortSignal;
}

interface Waiter {
  readonly arrived: number;
  settle(how: Entered): void;
}

interface Share {
  held: number;
  /** When it last gave a place back, by our own count. */
  left: number;
  readonly waiting: Waiter[];
}

export class FairPlaces {
  readonly #size: number;
  readonly #shares = new Map<string, Share>();
  #taken = 0;
  #turn = 0;
  #closed = false;

  constructor(size: number) {
    this.#size = size;
  }

  get taken(): number {
    return this.#taken;
  }

  get waiting(): number {
    return [...this.#shares.values()].reduce((sum, { waiting }) => sum + waiting.length, 0);
  }

  /** Every `in` has to be followed by one {@link leave}. */
  async enter(workspace: string, { waitMs, signal }: EnterOptions = {}): Promise<Entered> {
    if (this.#closed || signal?.aborted) return 'closed';
    const share = this.#share(workspace);
    if (this.#taken < this.#size) {
      this.#give(share);
      return 'in';
    }
    const { promise, resolve } = Promise.withResolvers<Entered>();
    const settle = (how: Entered) => {
      const place = share.waiting.indexOf(waiter);
      if (place === -1) return;
      share.waiting.splice(place, 1);
      clearTimeout(late);
      signal?.removeEventListener('abort', stop);
      if (how === 'in') this.#give(share);
      else this.#forget(workspace);
      resolve(how);
    };
    const stop = () => settle('closed');
    const waiter = { arrived: ++this.#turn, settle };
    share.waiting.push(waiter);
    const late = waitMs === undefined ? undefined : setTimeout(() => settle('late'), waitMs);
    signal?.addEventListener('abort', stop, { once: true });
    return promise;
  }

  leave(workspace: string): void {
    const share = this.#share(workspace);
    share.held--;
    share.left = ++this.#turn;
    this.#taken--;
    this.#next()?.settle('in');
    this.#forget(workspace);
  }

  /** Nobody gets a place any more; those who have one keep it. */
  close(): void {
    this.#closed = true;
    for (const { waiting } of [...this.#shares.values()]) {
      for (const waiter of [...waiting]) waiter.settle('closed');
    }
  }

  #next(): Waiter | undefined {
    let best:
      | { readonly waiter: Waiter; readonly held: number; readonly since: number }
      | undefined;
    for (const { waiting, held, left } of this.#shares.values()) {
      const [waiter] = waiting;
      if (!waiter) continue;
      const since = Math.max(waiter.arrived, left);
      if (best && (held > best.held || (held === best.held && since > best.since))) continue;
      best = { waiter, held, since };
    }
    return best?.waiter;
  }

  #give(share: Share): void {
    share.held++;
    this.#taken++;
  }

  #share(workspace: string): Share {
    const known = this.#shares.get(workspace);
    if (known) return known;
    const share: Share = { held: 0, left: 0, waiting: [] };
    this.#shares.set(workspace, share);
    return share;
  }

  #forget(workspace: string): void {
    const share = this.#shares.get(workspace);
    if (share?.held === 0 && share.waiting.length === 0) this.#shares.delete(workspace);
  }
}
