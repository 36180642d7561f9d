import { expect, test } from 'bun:test';
import { ActionClock } from './action-clock.ts';

const START = '2026-11-23T08:00:00.250Z';
const MICROS = 1_795_420_800_250_000n;

test('the clock starts where the order says and gives one microsecond more with each read', () => {
  const clock = new ActionClock(START);
  expect([clock.read(), clock.read(), clock.read()]).toEqual([MICROS, MICROS + 1n, MICROS + 2n]);
});

test('a call moves the clock by its whole milliseconds', () => {
  const clock = new ActionClock(START);
  clock.read();
  clock.advance(17);
  clock.advance(0);
  expect(clock.read()).toBe(MICROS + 17_001n);
});

test('two clocks of one start agree, and neither follows the machine', async () => {
  const clocks = [new ActionClock(START), new ActionClock(START)];
  const [first] = clocks;
  first?.read();
  await Bun.sleep(5);
  expect(first?.read()).toBe(MICROS + 1n);
  expect(clocks[1]?.read()).toBe(MICROS);
});

test('a start that is no time and a duration that is not whole are refused', () => {
  expect(() => new ActionClock('yesterday')).toThrow(RangeError);
  expect(() => new ActionClock(START).advance(1.5)).toThrow(RangeError);
});
