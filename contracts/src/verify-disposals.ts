/**
 * Artifacts that are gone because the log says so: a `disposal.ordered` that comes after the last entry naming the
 * artifact, and whose `disposal.finished` says that it was removed. Where the whole log is shown, that may be still to
 * come. A missing artifact that nobody disposed of stays a finding.
 */
import type { Digest } from './digest.ts';
import type { ReadEntry } from './verify-report.ts';

export const DISPOSAL_TYPES: ReadonlySet<string> = new Set([
  'disposal.ordered',
  'disposal.finished',
]);

interface End {
  readonly order: number;
  readonly removed: readonly Digest[];
  readonly kept: readonly { readonly digest: Digest }[];
}

/** What is gone as entries say, which are shown to it one by one, in order. Each costs what it holds. */
class Disposals {
  readonly gone = new Set<string>();
  /** By digest the newest order since it was named. */
  readonly #orders = new Map<string, number>();
  /** Digests of the orders that have no end yet, by their `seq`. */
  readonly #open = new Map<number, readonly Digest[]>();

  next({ seq, type, data, artifacts }: ReadEntry['entry']): void {
    for (const { digest } of artifacts) {
      this.gone.delete(digest);
      this.#orders.delete(digest);
    }
    if (type === 'disposal.ordered') this.#ordered(seq, data.digests as readonly Digest[]);
    else if (type === 'disposal.finished') this.#finished(data as unknown as End);
  }

  /** What orders without an end name stays: whoever cut the end off would have us believe that it went. */
  withoutOpen(): void {
    for (const [order, digests] of this.#open) this.#stay(digests, order);
  }

  #ordered(seq: number, digests: readonly Digest[]): void {
    this.#open.set(seq, digests);
    for (const digest of digests) {
      this.gone.add(digest);
      this.#orders.set(digest, seq);
    }
  }

  #finished({ order, removed, kept }: End): void {
    const open = this.#open.get(order) ?? [];
    this.#open.delete(order);
    const went = open.length > 0 ? new Set<string>(removed) : undefined;
    this.#stay(
      open.filter((digest) => !went?.has(digest)),
      order,
    );
    this.#stay(
      kept.map(({ digest }) => digest),
      order,
    );
  }

  #stay(digests: readonly string[], order: number): void {
    for (const digest of digests) {
      if (this.#orders.get(digest) === order) this.gone.delete(digest);
    }
  }
}

/** Entries between two pauses. */
const ENTRIES_A_PAUSE = 256;

/** {@link disposedDigests} of the signed entries of a bundle, with pauses. */
export async function disposedInBundle(
  entries: readonly Pick<ReadEntry, 'entry'>[],
  whole: boolean,
  pause: (() => Promise<void>) | undefined,
): Promise<ReadonlySet<string>> {
  const disposals = new Disposals();
  for (const [i, { entry }] of entries.entries()) {
    if (i % ENTRIES_A_PAUSE === 0) await pause?.();
    disposals.next(entry);
  }
  // Of a part of a log, an order without its end disposes of nothing.
  if (!whole) disposals.withoutOpen();
  return disposals.gone;
}

/** @param entries of a whole log, or all its disposals, in order; what is not signed disposes of nothing */
export function disposedDigests(entries: readonly Pick<ReadEntry, 'entry'>[]): ReadonlySet<string> {
  const disposals = new Disposals();
  for (const { entry } of entries) disposals.next(entry);
  return disposals.gone;
}

/** @returns the `seq` of the entries among `all` that order, or finish, a disposal of one of `digests` */
export function disposalsOf(
  digests: readonly string[],
  all: readonly { readonly entry: Readonly<Record<string, unknown>> }[],
): ReadonlySet<number> {
  const wanted = new Set(digests);
  const found = new Set<number>();
  for (const { entry } of all) {
    const data = entry.data as { readonly digests?: readonly string[]; readonly order?: number };
    const ordered =
      entry.type === 'disposal.ordered' && data.digests?.some((digest) => wanted.has(digest));
    const finished = entry.type === 'disposal.finished' && found.has(Number(data.order));
    if (ordered || finished) found.add(Number(entry.seq));
  }
  return found;
}
