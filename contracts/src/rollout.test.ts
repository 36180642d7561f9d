import { expect, test } from 'bun:test';
import * as v from 'valibot';
import { drawVersion, WeightsSchema } from './rollout.ts';
import { heaviest, runnable, shareOf } from './weights.ts';

const WEIGHTS = { '1.10.0': 10, '1.9.0': 90 };
const drawn = (weights: Record<string, number>, key: string) =>
  drawVersion(weights, { workspace: 'acme', plugin: 'refunds', key });

async function counts(weights: Record<string, number>): Promise<Record<string, number>> {
  const found: Record<string, number> = {};
  for (let i = 0; i < 2_000; i++) {
    const version = await drawn(weights, `act_${i}`);
    found[version] = (found[version] ?? 0) + 1;
  }
  return found;
}

test('versions get actions by their weights, whatever order they stand in, and a request always the same', async () => {
  const found = await counts(WEIGHTS);
  expect(found['1.10.0']).toBeGreaterThan(140);
  expect(found['1.10.0']).toBeLessThan(260);
  for (const key of ['a', 'order-4711', 'ü']) {
    const turned = { '1.9.0': 90, '1.10.0': 10 };
    expect(await drawn(turned, key)).toBe(await drawn(WEIGHTS, key));
    expect(await drawn(WEIGHTS, key)).toBe(await drawn(WEIGHTS, key));
  }
});

test('versions with the same precedence are drawn alike from weights as the database and as evidence order them', async () => {
  for (let i = 0; i < 50; i++) {
    const stored = await drawn({ '1.0.0-1': 1, '1.0.0-01': 1 }, `k${i}`);
    expect(await drawn({ '1.0.0-01': 1, '1.0.0-1': 1 }, `k${i}`)).toBe(stored);
  }
});

test('who has the newer version keeps it while its weight grows', async () => {
  for (let i = 0; i < 500; i++) {
    if ((await drawn(WEIGHTS, `k${i}`)) !== '1.10.0') continue;
    expect(await drawn({ '1.9.0': 500, '1.10.0': 500 }, `k${i}`)).toBe('1.10.0');
  }
});

test('another plugin or workspace draws anew from the same key', async () => {
  const half = { '1.0.0': 1, '2.0.0': 1 };
  const draws = await Promise.all(
    Array.from({ length: 64 }, (_, i) =>
      Promise.all([
        drawVersion(half, { workspace: 'a', plugin: 'p', key: `${i}` }),
        drawVersion(half, { workspace: 'b', plugin: 'p', key: `${i}` }),
        drawVersion(half, { workspace: 'a', plugin: 'q', key: `${i}` }),
      ]),
    ),
  );
  expect(draws.some(([one, other]) => one !== other)).toBe(true);
  expect(draws.some(([one, , other]) => one !== other)).toBe(true);
});

test('what may not run leaves its weight to the others, and nothing is drawn from nothing', async () => {
  const left = runnable({ '1.0.0': 10, '1.1.0': 30, '2.0.0': 60 }, new Set(['1.0.0', '1.1.0']));
  expect([shareOf(left, '1.0.0'), shareOf(left, '2.0.0'), heaviest(left)]).toEqual([
    0.25,
    0,
    '1.1.0',
  ]);
  const found = await counts(left);
  expect(Object.keys(found).sort()).toEqual(['1.0.0', '1.1.0']);
  expect(heaviest({ '1.9.0': 5, '1.10.0': 5 })).toBe('1.10.0');
  expect(heaviest({})).toBeUndefined();
  await expect(drawn({}, 'x')).rejects.toThrow('at least one version');
});

test('weights are whole numbers of versions, and not too many', () => {
  const many = Object.fromEntries(Array.from({ length: 11 }, (_, i) => [`1.0.${i}`, 1]));
  const wrong = [{}, many, { '1.0.0': 0 }, { '1.0.0': 0.5 }, { '1.0.0': 1_001 }, { '1.0': 1 }];
  for (const weights of wrong) expect(v.is(WeightsSchema, weights)).toBe(false);
  expect(v.is(WeightsSchema, JSON.parse('{"__proto__": 1}'))).toBe(false);
  expect(v.is(WeightsSchema, WEIGHTS)).toBe(true);
});
