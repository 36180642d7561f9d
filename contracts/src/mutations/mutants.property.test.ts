import { expect, test } from 'bun:test';
import type { StoryName } from '../testing/honest-log.ts';
import { runCount } from '../testing/run-count.ts';
import { verifyBundle } from '../verify-bundle.ts';
import { honestMaterial } from './honest-material.ts';
import { MUTATIONS } from './kinds.ts';
import { mutantsOf } from './mutants.ts';

const NAMES: readonly StoryName[] = [
  ...(['approvedWrite', 'quorumOfTwo', 'refused', 'dryRun', 'narrowed', 'sentAgain'] as const),
  ...(['denied', 'read', 'approvalDenied', 'takenOver'] as const),
];
const material = await honestMaterial(NAMES, 6);
const COUNT = runCount(Object.keys(MUTATIONS).length * 4, 1_000);

test('every mutant is found', async () => {
  const missed: string[] = [];
  for await (const { name, tar, since } of mutantsOf(material, {
    seed: 20_261_128,
    count: COUNT,
  })) {
    const options = { pin: material.pin, ...(since ? { since: material.since } : {}) };
    const { verdict, findings } = await verifyBundle(tar, options);
    const found = ['falsified', 'incomplete', 'unreadable'].includes(verdict);
    const thrown = findings.some(({ rule }) => rule === 'bundle.unreadable');
    if (!found || thrown) missed.push(`${name}: ${verdict}${thrown ? ', by an exception' : ''}`);
  }
  expect(missed).toEqual([]);
}, 600_000);

test('what was not changed is verified, also by who kept a checkpoint', async () => {
  const { whole, ranges, actions, older, pin, since } = material;
  for (const tar of [whole, ...ranges, ...actions, older]) {
    const honest = { verdict: 'verified', findings: [], keyHandovers: 1 };
    expect(await verifyBundle(tar, { pin })).toMatchObject(honest);
  }
  expect(await verifyBundle(whole, { pin, since })).toMatchObject({ verdict: 'verified' });
});

test('a mutant that only a kept checkpoint shows agrees with itself', async () => {
  for await (const { name, tar, since } of mutantsOf(material, { seed: 1, count: 60 })) {
    if (!since) continue;
    const { verdict } = await verifyBundle(tar, { pin: material.pin });
    expect(verdict, name).toBe('verified');
  }
});
