/**
 * How many calls there were in the last minute, counted by whole seconds. A call leaves the count when
 * its second is surely a minute ago, so no minute ever holds more calls than its rate. Pure.
 */

/** Calls by the second since 1970 in which they got leave, the oldest first. */
export type CallsBySecond = readonly (readonly [second: number, calls: number])[];

export type RateVerdict =
  | { readonly allowed: true; readonly calls: CallsBySecond }
  /** How long until a call may be allowed, in milliseconds. */
  | { readonly allowed: false; readonly retryAfterMs: number };

/** From a second's begin until its last moment is a minute ago. */
const COUNTED_SECONDS = 61;

/** Counts one call more at `nowMs`, unless `perMinute` of the last minute are on record. */
export function countCall(before: CallsBySecond, nowMs: number, perMinute: number): RateVerdict {
  // A clock that was set back must not make calls young again.
  const newest = before.at(-1)?.[0] ?? 0;
  const second = Math.max(Math.floor(nowMs / 1000), newest);
  const counted = before.filter(([at]) => at + COUNTED_SECONDS > second);
  let tooMany = counted.reduce((sum, [, calls]) => sum + calls, 1) - perMinute;
  for (const [at, calls] of counted) {
    if (tooMany <= 0) break;
    tooMany -= calls;
    if (tooMany <= 0) return { allowed: false, retryAfterMs: waitMs(at, nowMs) };
  }
  if (newest !== second || counted.length === 0) {
    return { allowed: true, calls: [...counted, [second, 1]] };
  }
  const last = counted.at(-1)?.[1] ?? 0;
  return { allowed: true, calls: [...counted.slice(0, -1), [second, last + 1]] };
}

function waitMs(second: number, nowMs: number): number {
  return Math.max(1, Math.ceil((second + COUNTED_SECONDS) * 1000 - nowMs));
}
