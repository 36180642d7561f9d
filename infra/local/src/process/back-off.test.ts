import { expect, test } from 'bun:test';
import { HEALTHY_AFTER_MS, nextDelayMs } from './back-off.ts';

test('delays double from 250 ms and stay at 5 s', () => {
  const delays: number[] = [];
  let delay = 0;
  for (let i = 0; i < 7; i++) {
    delay = nextDelayMs(delay, 0);
    delays.push(delay);
  }
  expect(delays).toEqual([250, 500, 1_000, 2_000, 4_000, 5_000, 5_000]);
});

test('thirty seconds of health start the delays anew', () => {
  expect(nextDelayMs(4_000, HEALTHY_AFTER_MS - 1)).toBe(5_000);
  expect(nextDelayMs(4_000, HEALTHY_AFTER_MS)).toBe(250);
});
