/** What background verification and the reconciler keep of a workspace, and the lists that they go through. */
import type { Digest } from '@portarium/contracts/digest';
import type { ActionId, AttemptId } from '@portarium/contracts/ids';

export const WATCH_SOURCES = ['verification', 'reconciliation'] as const;
export type WatchSource = (typeof WATCH_SOURCES)[number];

/** Something that does not agree. Rule and subject together name it. */
export interface WatchFinding {
  /** Dotted, as the offline verifier has it where it has one: `log.chain`. */
  readonly rule: string;
  /** Number of the entry, digest or id that it is about; empty when it is about the log. */
  readonly subject: string;
  readonly message: string;
  /** The entry, where there is one. */
  readonly seq?: number;
}

export interface KeptFinding extends WatchFinding {
  /** RFC 3339. */
  readonly foundAt: string;
  /** Whether the log of the instance says so. */
  readonly told: boolean;
}

export interface NamedArtifact {
  readonly digest: Digest;
  /** Of the last entry that names it. */
  readonly seq: number;
}

export interface WatchReads {
  /** As {@link WatchWrites.putWatchState} left it; undefined before the first. */
  watchState(source: WatchSource): Promise<unknown>;
  /** The oldest first. */
  watchFindings(source: WatchSource): Promise<readonly KeptFinding[]>;
  /** Artifacts that entries name, by ascending digest behind `after`, as far as the catalogue has caught up. */
  namedArtifacts(after: string, limit: number): Promise<readonly NamedArtifact[]>;
  /** Those of `digests` that entries name, each with the last that does, as far as the catalogue has caught up. */
  namedAmong(digests: readonly Digest[]): Promise<ReadonlyMap<Digest, number>>;
  /** Actions that ought to have a workflow and were asked for before `createdBefore`, by id behind `after`. */
  openActions(after: ActionId | null, createdBefore: string, limit: number): Promise<ActionId[]>;
  /** Of `ids` those that ended before `finishedBefore`. */
  endedAmong(ids: readonly ActionId[], finishedBefore: string): Promise<readonly ActionId[]>;
  /** Actions by id behind `after`. */
  actionsAfter(after: ActionId | null, limit: number): Promise<readonly ActionId[]>;
  /** Attempts without an outcome whose lease lapsed before `lapsedBefore`. */
  lapsedAttempts(
    lapsedBefore: string,
    limit: number,
  ): Promise<
    readonly { readonly id: AttemptId; readonly action: ActionId; readonly leaseUntil: string }[]
  >;
  /** The first event that is not published although it is older than `before`, and how many wait. */
  oldestUnpublished(
    before: string,
  ): Promise<{ readonly seq: number; readonly count: number } | undefined>;
}

export interface WatchWrites {
  putWatchState(source: WatchSource, state: unknown): Promise<void>;
  /** A finding that is there keeps its time and whether it was told. */
  putFindings(source: WatchSource, findings: readonly WatchFinding[], at: string): Promise<void>;
  dropFindings(source: WatchSource, findings: readonly WatchFinding[]): Promise<void>;
  markTold(source: WatchSource, findings: readonly WatchFinding[]): Promise<void>;
}
