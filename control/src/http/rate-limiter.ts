/**
 * Rate limits of callers who are known. Each replica leases small blocks of tokens from the database,
 * so that all replicas together keep to one limit and few requests pay for a statement.
 */
import type { RateLimit, RateTokens } from '../application/ports/rate-tokens.ts';

/** A block that is not used up by then is lost: tokens that lie about could be spent in a burst. */
const BLOCK_MS = 1_000;
/** Scopes that are remembered at most. */
const MAX_SCOPES = 10_000;

export interface RateVerdict {
  readonly allowed: boolean;
  readonly limit: RateLimit;
  /** Tokens that all replicas had left, as far as this one knows. */
  readonly remaining: number;
  /** Seconds until a token is there again; 0 when it was allowed. */
  readonly retryAfterSeconds: number;
}

interface Block {
  tokens: number;
  left: number;
  readonly untilMs: number;
}

export class RateLimiter {
  readonly #tokens: RateTokens;
  readonly #nowMs: () => number;
  readonly #blocks = new Map<string, Block>();
  readonly #leasing = new Map<string, Promise<Block>>();

  constructor(tokens: RateTokens, nowMs: () => number) {
    this.#tokens = tokens;
    this.#nowMs = nowMs;
  }

  /** Takes one token of `scope`. Rejects with `InfraError` when the database is away. */
  async take(scope: string, limit: RateLimit): Promise<RateVerdict> {
    let block = this.#blocks.get(scope);
    for (;;) {
      if (block === undefined || this.#nowMs() >= block.untilMs) {
        block = await this.#lease(scope, limit);
      } else if (block.tokens >= 1) {
        block.tokens -= 1;
        return {
          allowed: true,
          limit,
          remaining: Math.floor(block.left + block.tokens),
          retryAfterSeconds: 0,
        };
      } else if (block.left >= 1) {
        block = await this.#lease(scope, limit);
      } else {
        const seconds = Math.max(1, Math.ceil((1 - block.left) / limit.perSecond));
        return { allowed: false, limit, remaining: 0, retryAfterSeconds: seconds };
      }
    }
  }

  /** One lease at a time a scope: requests that wait for it share what it brings. */
  #lease(scope: string, limit: RateLimit): Promise<Block> {
    const running = this.#leasing.get(scope);
    if (running) return running;
    const wanted = Math.max(1, Math.floor(limit.perSecond / 10));
    const lease = this.#tokens
      .lease(scope, limit, wanted)
      .then(({ granted, left }) => {
        // Empty: asked again as soon as there is a token.
        const waitMs = granted === 0 ? ((1 - left) / limit.perSecond) * 1_000 : BLOCK_MS;
        const block = { tokens: granted, left, untilMs: this.#nowMs() + waitMs };
        if (this.#blocks.size >= MAX_SCOPES) this.#prune();
        this.#blocks.set(scope, block);
        return block;
      })
      .finally(() => this.#leasing.delete(scope));
    this.#leasing.set(scope, lease);
    return lease;
  }

  #prune(): void {
    const now = this.#nowMs();
    for (const [scope, { untilMs }] of this.#blocks) {
      if (untilMs <= now) this.#blocks.delete(scope);
    }
    if (this.#blocks.size >= MAX_SCOPES) this.#blocks.clear();
  }
}

/** `RateLimit-Policy` and `RateLimit` (draft-ietf-httpapi-ratelimit-headers) of what was asked. */
export function rateHeaders(
  verdicts: Readonly<Record<string, RateVerdict>>,
): Readonly<Record<string, string>> {
  const each = Object.entries(verdicts);
  const windowOf = ({ perSecond, burst }: RateLimit) => Math.ceil(burst / perSecond);
  return {
    'ratelimit-policy': each
      .map(([name, { limit }]) => `"${name}";q=${limit.burst};w=${windowOf(limit)}`)
      .join(', '),
    ratelimit: each
      .map(([name, { remaining, limit, retryAfterSeconds }]) => {
        const full = Math.ceil((limit.burst - remaining) / limit.perSecond);
        return `"${name}";r=${remaining};t=${retryAfterSeconds || full}`;
      })
      .join(', '),
  };
}
