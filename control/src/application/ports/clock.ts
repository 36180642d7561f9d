/** Time and identity as effects, so that tests can fix them. */
import type { Id, IdKind } from '@portarium/contracts/ids';

export interface Clock {
  /** Milliseconds since the Unix epoch. */
  nowMs(): number;
}

export interface Ids {
  /** A new UUIDv7 id, sortable by the clock. */
  next<K extends IdKind>(kind: K): Id<K>;
  /** `bytes` random bytes as lowercase hexadecimal digits. */
  randomHex(bytes: number): string;
}

/** RFC 3339 UTC with milliseconds. */
export function timeText(ms: number): string {
  return new Date(ms).toISOString();
}
