/** What a workspace allows each attempt at most. */
import type { KeyId } from '@portarium/contracts/ids';
import type { LimitsRequest } from '@portarium/contracts/limits';

export interface WorkspaceLimits {
  /** What is not named is the platform's. */
  readonly limits: LimitsRequest;
  /** Grows with each change; 0 when nobody set any. */
  readonly revision: number;
}

export interface LimitReads {
  workspaceLimits(): Promise<WorkspaceLimits>;
}

export interface LimitWrites {
  /** The limits; nobody else changes them until the commit. */
  lockWorkspaceLimits(): Promise<WorkspaceLimits>;
  putWorkspaceLimits(limits: LimitsRequest, by: KeyId, at: string): Promise<WorkspaceLimits>;
}
