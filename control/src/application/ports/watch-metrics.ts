/** What verification and the reconciler measure; where it goes is the composition root's business. */
import type { WorkspaceId } from '@portarium/contracts/ids';
import type { WatchSource } from './watch-store.ts';

export interface WatchMetrics {
  /** Entries that were checked and agreed. */
  verified(workspace: WorkspaceId, entries: number): void;
  /** A verification of the log's end is through, whatever it found. */
  verifiedNow(workspace: WorkspaceId): void;
  /** Findings that are open now. */
  findings(source: WatchSource, workspace: WorkspaceId, count: number): void;
  repaired(check: string): void;
}
