/**
 * Which entries of a workspace's log name which artifacts, and so which of them may go. A function of the log:
 * it is read up to the log's end before it is asked. Works as the database role that disposes, and no other.
 */
import type { Digest } from '@portarium/contracts/digest';
import type { HoldId, WorkspaceId } from '@portarium/contracts/ids';
import type { KeptReason } from '@portarium/contracts/legal-hold';
import type { RetentionClass } from '@portarium/contracts/retention-class';

export interface DueArtifact {
  readonly digest: Digest;
  readonly bytes: number;
  readonly mediaType: string;
  /** The longest of those that entries state. */
  readonly retention: RetentionClass;
  /** Of the last entry that names it. */
  readonly lastSeq: number;
  readonly lastTime: string;
  /** Whether a legal hold covers it. */
  readonly held: boolean;
}

export interface DueQuery {
  readonly now: string;
  /** Milliseconds that each class is kept after the last entry that names an artifact. */
  readonly periodsMs: { readonly [C in RetentionClass]: number };
  /** Only digests above it. */
  readonly after: Digest | undefined;
  readonly limit: number;
}

/** A `disposal.ordered` that no `disposal.finished` follows yet. */
export interface DisposalOrder {
  readonly seq: number;
  readonly digests: readonly Digest[];
}

export interface Catalogue {
  /** Reads what the log has gained. */
  catchUp(workspace: WorkspaceId): Promise<void>;
  /**
   * Artifacts whose retention is over by what entries say, by ascending digest: no module or manifest of a
   * version that is there, and nothing of an action that has not ended.
   */
  due(workspace: WorkspaceId, query: DueQuery): Promise<readonly DueArtifact[]>;
  /** Why an artifact that was ordered to go has to stay after all; undefined when nothing keeps it. */
  reasonToKeep(
    workspace: WorkspaceId,
    digest: Digest,
    order: number,
  ): Promise<Exclude<KeptReason, 'retention'> | undefined>;
  openOrders(workspace: WorkspaceId): Promise<readonly DisposalOrder[]>;
  /** How many artifacts a hold covers. */
  coveredBy(workspace: WorkspaceId, hold: HoldId): Promise<number>;
  /** Artifacts that are to get the store's own hold, noted as such, and those that are to lose it. */
  flagsToChange(
    workspace: WorkspaceId,
    limit: number,
  ): Promise<{ readonly set: readonly Digest[]; readonly release: readonly Digest[] }>;
  /** These have it now. */
  flagged(workspace: WorkspaceId, digests: readonly Digest[]): Promise<void>;
  /** These have it no more. */
  released(workspace: WorkspaceId, digests: readonly Digest[]): Promise<void>;
}
