import { expect, test } from 'bun:test';
import type { WorkspaceId } from '@portarium/contracts/ids';
import { type ClockAlarm, createClockWatch } from './clock-watch.ts';

const ACME = 'acme' as WorkspaceId;
const START = Date.parse('2026-11-29T10:00:00.000Z');

/** Looks at a clock that shows `nowMs` and answers at `atMs`, asked `tookMs` before. */
function watch() {
  const alarms: ClockAlarm[] = [];
  let monotonicMs = 0;
  const clock = createClockWatch(
    (alarm) => alarms.push(alarm),
    () => monotonicMs,
  );
  return {
    alarms,
    look(atMs: number, nowMs: number, { tookMs = 1, headMs = START - 1 } = {}) {
      monotonicMs = atMs;
      clock.saw({ workspace: ACME, nowMs, headMs, sentMs: atMs - tookMs });
    },
  };
}

test('a clock that goes as time does raises nothing, however long nobody looks', () => {
  const { alarms, look } = watch();
  for (const atMs of [10, 20, 5_000, 3_600_000, 90_000_000]) look(atMs, START + atMs - 1);
  expect(alarms).toEqual([]);
});

test('a step of more than five seconds raises one alarm that says how far, either way', () => {
  for (const byMs of [5_100, 3_600_000, -5_100, -3_600_000]) {
    const { alarms, look } = watch();
    look(1_000, START + 1_000);
    look(2_000, START + 2_000 + byMs, { headMs: 0 });
    look(3_000, START + 3_000 + byMs, { headMs: 0 });
    expect(alarms).toEqual([{ workspace: ACME, kind: 'stepped', byMs: expect.closeTo(byMs, -1) }]);
  }
});

test('a small step is tolerated in silence', () => {
  const { alarms, look } = watch();
  look(1_000, START + 1_000);
  for (const byMs of [4_000, -900, 3_000]) look(2_000, START + 2_000 + byMs);
  expect(alarms).toEqual([]);
});

test('an answer that took long is no step', () => {
  const { alarms, look } = watch();
  look(1_000, START + 1_000);
  // Read at once and heard late, then read late and heard at once.
  look(31_000, START + 1_001, { tookMs: 30_000 });
  look(61_000, START + 61_000, { tookMs: 30_000 });
  look(62_000, START + 62_000);
  expect(alarms).toEqual([]);
});

test('many small drifts are followed and never add up to an alarm', () => {
  const { alarms, look } = watch();
  for (let i = 1; i <= 100; i++) look(i * 1_000, START + i * 1_200);
  expect(alarms).toEqual([]);
});

test('a log that is ahead of the clock raises one alarm, and another once it was caught up', () => {
  const { alarms, look } = watch();
  const headMs = START + 60_000;
  look(0, START, { headMs });
  look(1_000, START + 1_000, { headMs });
  look(59_000, START + 59_000, { headMs });
  look(60_000, START + 60_000, { headMs: START + 120_000 });
  expect(alarms.map(({ kind, byMs }) => [kind, byMs])).toEqual([
    ['behind', -60_000],
    ['behind', -60_000],
  ]);
});
