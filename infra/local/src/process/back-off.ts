/** How long a supervised part waits before it starts again. Pure. */

export const FIRST_DELAY_MS = 250;
export const LONGEST_DELAY_MS = 5_000;
/** A part that was ready for this long begins with the first delay again. */
export const HEALTHY_AFTER_MS = 30_000;

/**
 * The delay before the next start.
 * @param previousMs the delay before the start that just ended; 0 for the first
 * @param readyMs how long the part had been ready when it died
 */
export function nextDelayMs(previousMs: number, readyMs: number): number {
  if (previousMs === 0 || readyMs >= HEALTHY_AFTER_MS) return FIRST_DELAY_MS;
  return Math.min(previousMs * 2, LONGEST_DELAY_MS);
}
