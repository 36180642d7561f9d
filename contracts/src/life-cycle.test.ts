import { expect, test } from 'bun:test';
import {
  ACTION_STATES,
  ACTION_TRANSITIONS,
  assertTransition,
  isFinal,
  isSettled,
  PLATFORM_FLOOR,
  strictestTier,
} from './life-cycle.ts';

test('every state can be reached from requested', () => {
  const reached = new Set(['requested']);
  for (const from of reached) {
    for (const to of ACTION_TRANSITIONS[from as 'requested']) reached.add(to);
  }
  expect([...reached].sort()).toEqual([...ACTION_STATES].sort());
});

test('final states are those that product.md leaves without a row', () => {
  expect(ACTION_STATES.filter(isFinal)).toEqual([
    'denied',
    'succeeded',
    'failed',
    'cancelled',
    'changes-requested',
    'expired',
  ]);
  expect(ACTION_STATES.filter((state) => isSettled(state) && !isFinal(state))).toEqual([
    'outcome-unknown',
  ]);
});

test('no state leads to itself, and only requested has no way in', () => {
  const targets = new Set(Object.values(ACTION_TRANSITIONS).flat());
  for (const state of ACTION_STATES) {
    expect(ACTION_TRANSITIONS[state]).not.toContain(state);
    expect(targets.has(state)).toBe(state !== 'requested');
  }
});

test('a transition that is not in the table is a bug', () => {
  expect(() => assertTransition('running', 'succeeded')).not.toThrow();
  for (const from of ACTION_STATES) {
    for (const to of ACTION_STATES) {
      if (ACTION_TRANSITIONS[from].includes(to)) continue;
      expect(() => assertTransition(from, to)).toThrow(`from ${from} to ${to}`);
    }
  }
});

test('the strictest tier wins, and no tier means none', () => {
  expect(strictestTier(['auto', 'manual-only', 'assisted'])).toBe('manual-only');
  expect(strictestTier(['assisted', 'auto'])).toBe('assisted');
  expect(strictestTier([])).toBeUndefined();
  expect(PLATFORM_FLOOR).toEqual({ read: 'auto', write: 'assisted', destructive: 'human-approve' });
});
