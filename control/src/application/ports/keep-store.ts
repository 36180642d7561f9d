/** How long a workspace keeps artifacts, and its legal holds. */
import type { HoldId, KeyId } from '@portarium/contracts/ids';
import type { HoldScope, RetentionDays } from '@portarium/contracts/legal-hold';

export interface WorkspaceRetention {
  readonly days: RetentionDays;
  /** Grows with each change; 0 when nobody lengthened anything. */
  readonly revision: number;
}

export interface HoldRecord {
  readonly id: HoldId;
  readonly scope: HoldScope;
  readonly reason: string;
  readonly placedBy: KeyId;
  readonly placedAt: string;
  readonly lifted: {
    readonly by: KeyId;
    readonly at: string;
    readonly reason: string;
  } | null;
}

export interface KeepReads {
  workspaceRetention(): Promise<WorkspaceRetention>;
  /** The newest first; the lifted ones too. */
  listHolds(): Promise<readonly HoldRecord[]>;
  findHold(id: HoldId): Promise<HoldRecord | undefined>;
}

export interface KeepWrites {
  /** The retention; nobody else changes it until the commit. */
  lockWorkspaceRetention(): Promise<WorkspaceRetention>;
  putWorkspaceRetention(days: RetentionDays, by: KeyId, at: string): Promise<WorkspaceRetention>;
  insertHold(hold: Omit<HoldRecord, 'lifted'>): Promise<void>;
  /** @returns false when it is lifted already, or not there */
  liftHold(id: HoldId, lifted: NonNullable<HoldRecord['lifted']>): Promise<boolean>;
}
