import { expect, test } from 'bun:test';
import fc from 'fast-check';
import { type CallsBySecond, countCall } from './minute-rate.ts';

/** Asks at each time; @returns the times that were allowed */
function allowedAt(times: readonly number[], perMinute: number): number[] {
  let calls: CallsBySecond = [];
  return times.filter((nowMs) => {
    const verdict = countCall(calls, nowMs, perMinute);
    if (verdict.allowed) calls = verdict.calls;
    return verdict.allowed;
  });
}

test('no minute holds more calls than the rate, however they come', () => {
  const steps = fc.array(fc.integer({ min: 0, max: 20_000 }), { maxLength: 120 });
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 12 }), steps, (perMinute, waits) => {
      let now = 1_700_000_000_123;
      const times = waits.map((wait) => {
        now += wait;
        return now;
      });
      const allowed = allowedAt(times, perMinute);
      for (const [i, at] of allowed.entries()) {
        const after = allowed[i + perMinute];
        if (after !== undefined) expect(after - at).toBeGreaterThanOrEqual(60_000);
      }
    }),
  );
});

test('whoever comes back when told to gets leave, at most a second later than a minute after', () => {
  fc.assert(
    fc.property(fc.nat(999), fc.integer({ min: 1, max: 5 }), (offset, perMinute) => {
      const start = 1_700_000_000_000 + offset;
      let calls: CallsBySecond = [];
      for (let i = 0; i < perMinute; i++) {
        const verdict = countCall(calls, start, perMinute);
        if (!verdict.allowed) throw new Error('the rate was not used up');
        calls = verdict.calls;
      }
      const refused = countCall(calls, start + 10, perMinute);
      if (refused.allowed) throw new Error('more than the rate');
      const wait = 10 + refused.retryAfterMs;
      expect(wait).toBeGreaterThanOrEqual(60_000);
      expect(wait).toBeLessThanOrEqual(61_000);
      expect(countCall(calls, start + wait, perMinute).allowed).toBe(true);
    }),
  );
});

test('a clock that goes back, and a rate that was lowered, let nothing more through', () => {
  const calls: CallsBySecond = [[1_700_000_000, 3]];
  expect(countCall(calls, 1_699_999_000_000, 3).allowed).toBe(false);
  const lowered = countCall(
    [
      [1_700_000_000, 2],
      [1_700_000_030, 2],
    ],
    1_700_000_040_000,
    2,
  );
  expect(lowered).toEqual({ allowed: false, retryAfterMs: 51_000 });
});
