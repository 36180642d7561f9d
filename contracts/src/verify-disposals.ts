/**
 * Artifacts that are gone because the log says so: a `disposal.ordered` that comes after the last entry naming the
 * artifact, and whose `disposal.finished` does not say that it was kept. A missing artifact that nobody
 * disposed of stays a finding.
 */
import type { Digest } from './digest.ts';
import type { ReadEntry } from './verify-report.ts';

export const DISPOSAL_TYPES: ReadonlySet<string> = new Set([
  'disposal.ordered',
  'disposal.finished',
]);

/** @param entries signed ones, in order; what is not signed disposes of nothing */
export function disposedDigests(entries: readonly Pick<ReadEntry, 'entry'>[]): ReadonlySet<string> {
  const disposed = new Set<string>();
  /** Digests by the `seq` of their order. */
  const orders = new Map<number, readonly Digest[]>();
  for (const { entry } of entries) {
    for (const { digest } of entry.artifacts) disposed.delete(digest);
    if (entry.type === 'disposal.ordered') {
      const digests = entry.data.digests as readonly Digest[];
      orders.set(entry.seq, digests);
      for (const digest of digests) disposed.add(digest);
    } else if (entry.type === 'disposal.finished') {
      const { order, kept } = entry.data as {
        readonly order: number;
        readonly kept: readonly { readonly digest: Digest }[];
      };
      const ordered = new Set<string>(orders.get(order));
      for (const { digest } of kept) if (ordered.has(digest)) disposed.delete(digest);
    }
  }
  return disposed;
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
