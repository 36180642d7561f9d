/**
 * Bounds the requests that one key (or workspace), and all together, have in flight, so that one caller can
 * not take the connections of all others. Rates over time are another matter (`rate-limiter.ts`).
 */

export class InFlight {
  readonly #byKey = new Map<string, number>();
  readonly #perKey: number;
  readonly #most: number;
  #total = 0;

  constructor(perKey: number, total: number) {
    this.#perKey = perKey;
    this.#most = total;
  }

  /** @returns false when the key, or the instance, has as many as it may have */
  enter(key: string): boolean {
    const own = this.#byKey.get(key) ?? 0;
    if (own >= this.#perKey || this.#total >= this.#most) return false;
    this.#byKey.set(key, own + 1);
    this.#total += 1;
    return true;
  }

  /** Gives back what {@link enter} took. */
  leave(key: string): void {
    const own = this.#byKey.get(key) ?? 0;
    if (own <= 1) this.#byKey.delete(key);
    else this.#byKey.set(key, own - 1);
    if (own > 0) this.#total -= 1;
  }
}
