/** Uploaded modules while a sandbox host tries them; gone as soon as their upload is answered. */
import type { Digest } from '@portarium/contracts/digest';
import type { PluginId } from '@portarium/contracts/ids';
import type { CandidateClaim, SmokeFinding } from '@portarium/contracts/internal-api';

/** Who tries it: the id of the host's key, and what it says about itself. */
export interface CandidateHost extends Pick<CandidateClaim, 'isolation' | 'engine'> {
  readonly host: string;
}

export interface CandidateRecord {
  readonly plugin: PluginId;
  readonly moduleDigest: Digest;
  readonly takenBy: CandidateHost | null;
  /** Null until it was tried. */
  readonly verdict: { readonly finding: SmokeFinding | null } | null;
}

export interface CandidateReads {
  /** @returns undefined when there is none, or its time is over */
  findCandidate(plugin: PluginId): Promise<CandidateRecord | undefined>;
  candidateModule(plugin: PluginId): Promise<Uint8Array | undefined>;
}

export interface CandidateWrites {
  /**
   * Keeps a module for the time of an upload.
   * @returns false when the workspace has `most` already
   */
  insertCandidate(
    candidate: Pick<CandidateRecord, 'plugin' | 'moduleDigest'> & { readonly module: Uint8Array },
    most: number,
    forMs: number,
  ): Promise<boolean>;
  /** Under a lock until the commit. */
  lockCandidate(plugin: PluginId): Promise<CandidateRecord | undefined>;
  takeCandidate(plugin: PluginId, host: CandidateHost): Promise<void>;
  /** Wakes whoever waits for it. */
  putVerdict(plugin: PluginId, verdict: NonNullable<CandidateRecord['verdict']>): Promise<void>;
  deleteCandidate(plugin: PluginId): Promise<void>;
  /** Deletes those whose time is over, and tells which: their uploads were cut off. */
  forgetCandidates(): Promise<readonly CandidateRecord[]>;
}
