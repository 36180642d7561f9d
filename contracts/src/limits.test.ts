import { expect, test } from 'bun:test';
import * as v from 'valibot';
import { DEFAULT_LIMITS, effectiveLimits, LimitsRequestSchema, MAX_LIMITS } from './limits.ts';

test('no default is above its maximum, and both name the same limits', () => {
  expect(Object.keys(DEFAULT_LIMITS)).toEqual(Object.keys(MAX_LIMITS));
  for (const [name, value] of Object.entries(DEFAULT_LIMITS)) {
    expect(value, name).toBeLessThanOrEqual(MAX_LIMITS[name as 'wallMs']);
  }
});

test('a plugin may ask for any limit up to its maximum and nothing else', () => {
  for (const [name, max] of Object.entries(MAX_LIMITS)) {
    expect(v.safeParse(LimitsRequestSchema, { [name]: max }).success, name).toBe(true);
    for (const bad of [max + 1, 0, -1, 1.5, '1', null]) {
      expect(v.safeParse(LimitsRequestSchema, { [name]: bad }).success, name).toBe(false);
    }
  }
  expect(v.safeParse(LimitsRequestSchema, { wallS: 1 }).success).toBe(false);
});

test('what was asked for takes the place of the default', () => {
  expect(effectiveLimits({ wallMs: 5 })).toEqual({ ...DEFAULT_LIMITS, wallMs: 5 });
  expect(effectiveLimits(undefined)).toEqual(DEFAULT_LIMITS);
});

test('the lower of plugin, workspace and platform wins, for each limit', () => {
  for (const name of Object.keys(MAX_LIMITS) as (keyof typeof MAX_LIMITS)[]) {
    const [usual, most] = [DEFAULT_LIMITS[name], MAX_LIMITS[name]];
    expect([name, effectiveLimits({ [name]: most }, { [name]: 2 })[name]]).toEqual([name, 2]);
    expect(effectiveLimits({ [name]: 2 }, { [name]: most })[name], name).toBe(2);
    expect(effectiveLimits({}, { [name]: most })[name], name).toBe(usual);
    expect(effectiveLimits({}, { [name]: 1 })[name], name).toBe(1);
    expect(effectiveLimits({ [name]: most + 1 }, { [name]: most + 2 })[name], name).toBe(most);
  }
});
