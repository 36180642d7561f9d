/**
 * Names for what the Cedar engine keeps parsed. It keeps what it was given under a name and forgets
 * nothing by itself, so names are few and the least recently used one is given away again.
 */
export class Slots<T> {
  readonly #entries = new Map<string, { readonly name: string; readonly value: T }>();
  readonly #prefix: string;
  readonly #capacity: number;

  constructor(prefix: string, capacity: number) {
    this.#prefix = prefix;
    this.#capacity = capacity;
  }

  /** What is kept for `key`; made by `make` under a name of its own when there is nothing yet. */
  get(key: string, make: (name: string) => T): T {
    const known = this.#entries.get(key);
    if (known !== undefined) {
      this.#entries.delete(key);
      this.#entries.set(key, known);
      return known.value;
    }
    const name = this.#freeName();
    const value = make(name);
    this.#entries.set(key, { name, value });
    return value;
  }

  #freeName(): string {
    if (this.#entries.size < this.#capacity) return `${this.#prefix}${this.#entries.size}`;
    const [oldest] = this.#entries;
    if (oldest === undefined) return `${this.#prefix}0`;
    this.#entries.delete(oldest[0]);
    return oldest[1].name;
  }
}
