/** Tokens of rate limits, shared by all replicas. */

/** Tokens come back at `perSecond`; at most `burst` wait for use. */
export interface RateLimit {
  readonly perSecond: number;
  readonly burst: number;
}

export interface Lease {
  /** Whole tokens; 0 when fewer than one were left. */
  readonly granted: number;
  /** What is left for others after it; may have a fraction. */
  readonly left: number;
}

export interface RateTokens {
  /**
   * Takes up to `wanted` tokens out of the bucket `scope`, atomically over all replicas. A scope that
   * was never used has a full bucket. Rejects with `InfraError` when the database is away.
   */
  lease(scope: string, limit: RateLimit, wanted: number): Promise<Lease>;
  /** Forgets buckets that nobody has used for `ms`, long after they were full again. */
  forget(ms: number): Promise<void>;
}
