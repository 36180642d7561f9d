/**
 * Whether what the log disposes of might go: past its retention, and under no legal hold, when it was ordered. A whole
 * log shows all of it. A part shows which of its own entries name an artifact, and so how long it is kept at least.
 */
import type { Digest } from './digest.ts';
import type { Entry } from './evidence-entry.ts';
import type { RetentionDays } from './legal-hold.ts';
import { RETENTION_DAYS, type RetentionClass } from './retention-class.ts';
import { OpenHolds } from './verify-holds.ts';
import type { Findings, ReadEntry } from './verify-report.ts';

const DAY_MS = 24 * 60 * 60 * 1_000;
/** Whoever disposes goes by a clock that is not the log’s, and may know a longer retention a moment later. */
const TOLERANCE_MS = 5 * 60 * 1_000;
/** Entries between two pauses. */
const ENTRIES_A_PAUSE = 256;
/** Comparisons between two pauses. */
const STEPS_A_PAUSE = 100_000;
/** Comparisons of names with holds: a hostile log may have many of both. */
const MAX_STEPS = 50_000_000;

export interface DisposingBundle {
  /** Whether the bundle is the whole log. */
  readonly whole: boolean;
  /** Artifacts that entries name and the bundle has not. */
  readonly omitted: ReadonlySet<string>;
  /** For tests: instead of the days that classes have and the log lengthens. */
  readonly retentionDays: RetentionDays | undefined;
  readonly pause: (() => Promise<void>) | undefined;
}

/** @param entries signed ones, in order */
export async function checkLawful(
  entries: readonly ReadEntry[],
  bundle: DisposingBundle,
  findings: Findings,
): Promise<void> {
  const ordered = new Set<string>();
  for (const { entry } of entries) for (const digest of orderedBy(entry)) ordered.add(digest);
  if (ordered.size === 0) return;
  const law = new LawOfDisposal(ordered, bundle, findings);
  for (const [i, { entry }] of entries.entries()) {
    if (i % ENTRIES_A_PAUSE === 0) await bundle.pause?.();
    await law.next(entry);
  }
  law.end();
}

function orderedBy({ type, data }: Entry): readonly Digest[] {
  return type === 'disposal.ordered' ? (data.digests as readonly Digest[]) : [];
}

/** An entry that names an artifact. */
interface Name {
  readonly entry: Entry;
  readonly timeMs: number;
  readonly retention: RetentionClass;
}

/** Of one artifact, in order; those before `first` count no more, because it went since. */
interface Names {
  readonly list: Name[];
  first: number;
  /** The newest order. */
  order: number | undefined;
}

class LawOfDisposal {
  readonly #names: ReadonlyMap<string, Names>;
  readonly #bundle: DisposingBundle;
  readonly #findings: Findings;
  readonly #holds: OpenHolds | undefined;
  #days: RetentionDays;
  readonly #longer: { readonly fromMs: number; readonly days: RetentionDays }[] = [];
  /** How many of these hold by now. */
  #lengthened = 0;
  /** By the `seq` of an order that has no end yet: which of its artifacts may not go, and why. */
  readonly #unlawful = new Map<number, ReadonlyMap<string, string>>();
  #steps = 0;
  #paused = 0;

  constructor(ordered: ReadonlySet<string>, bundle: DisposingBundle, findings: Findings) {
    const names = (digest: string): [string, Names] => [
      digest,
      { list: [], first: 0, order: undefined },
    ];
    this.#names = new Map([...ordered].map(names));
    this.#bundle = bundle;
    this.#findings = findings;
    // A part does not show which holds were placed before it, nor which were lifted.
    this.#holds = bundle.whole ? new OpenHolds() : undefined;
    this.#days = bundle.retentionDays ?? RETENTION_DAYS;
  }

  async next(entry: Entry): Promise<void> {
    for (const { digest, retention } of entry.artifacts) {
      const name = { entry, timeMs: Date.parse(entry.time), retention };
      this.#names.get(digest)?.list.push(name);
    }
    this.#holds?.next(entry);
    if (entry.type === 'retention.lengthened') {
      const days = entry.data.days as RetentionDays;
      this.#longer.push({ fromMs: Date.parse(entry.time) + TOLERANCE_MS, days });
    } else if (entry.type === 'disposal.ordered') await this.#order(entry);
    else if (entry.type === 'disposal.finished') this.#finish(entry);
  }

  /** What an order without an end names may be there still, or be kept in the end. */
  end(): void {
    const { whole, omitted } = this.#bundle;
    for (const [seq, unlawful] of whole ? this.#unlawful : []) {
      this.#tell(
        seq,
        unlawful,
        [...unlawful.keys()].filter((digest) => omitted.has(digest)),
      );
    }
    if (this.#steps < MAX_STEPS) return;
    const message = 'too many names and holds to tell of each disposal whether it was lawful';
    this.#findings.addMissing('disposal.unchecked', message);
  }

  async #order(entry: Entry): Promise<void> {
    const atMs = Date.parse(entry.time);
    this.#lengthen(atMs);
    const unlawful = new Map<string, string>();
    for (const digest of orderedBy(entry)) {
      const names = this.#names.get(digest);
      if (!names) continue;
      names.order = entry.seq;
      const why = await this.#reasonToKeep(names, atMs);
      if (why !== undefined) unlawful.set(digest, why);
    }
    if (unlawful.size > 0) this.#unlawful.set(entry.seq, unlawful);
  }

  #finish({ data }: Entry): void {
    const { order, removed } = data as { readonly order: number; readonly removed: Digest[] };
    const unlawful = this.#unlawful.get(order);
    this.#unlawful.delete(order);
    if (unlawful) this.#tell(order, unlawful, removed);
    for (const digest of removed) {
      const names = this.#names.get(digest);
      if (names?.order !== order) continue;
      while ((names.list[names.first]?.entry.seq ?? order) < order) names.first++;
    }
  }

  /** One finding an order. */
  #tell(order: number, unlawful: ReadonlyMap<string, string>, removed: readonly string[]): void {
    const digest = removed.find((one) => unlawful.has(one));
    if (digest === undefined) return;
    const message = `disposes of ${digest}, ${unlawful.get(digest)}`;
    this.#findings.add('disposal.unlawful', message, order);
  }

  #lengthen(atMs: number): void {
    for (;;) {
      const next = this.#longer[this.#lengthened];
      if (!next || next.fromMs > atMs) return;
      this.#lengthened++;
      if (this.#bundle.retentionDays) continue;
      const { operational, compliance, forensic } = this.#days;
      this.#days = {
        operational: Math.max(operational, next.days.operational),
        compliance: Math.max(compliance, next.days.compliance),
        forensic: Math.max(forensic, next.days.forensic),
      };
    }
  }

  async #reasonToKeep({ list, first }: Names, atMs: number): Promise<string | undefined> {
    for (let i = first; i < list.length && this.#steps < MAX_STEPS; i++) {
      const name = list[i];
      if (!name) break;
      const { entry, timeMs, retention } = name;
      const days = this.#days[retention];
      if (timeMs + days * DAY_MS > atMs + TOLERANCE_MS) {
        return `which entry ${entry.seq} names at ${entry.time} and which is kept for ${days} days`;
      }
      this.#steps += 1 + (this.#holds?.stepsFor(entry) ?? 0);
      const hold = this.#holds?.covering(entry, timeMs);
      if (hold !== undefined) {
        return `which entry ${entry.seq} names and which is on hold by ${hold}`;
      }
      if (this.#steps - this.#paused < STEPS_A_PAUSE) continue;
      this.#paused = this.#steps;
      await this.#bundle.pause?.();
    }
    return undefined;
  }
}
