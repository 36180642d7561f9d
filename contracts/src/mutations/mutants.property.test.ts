import { expect, test } from 'bun:test';
import {
  actionBundle,
  checkpointAt,
  honestLog,
  logKey,
  ORIGIN,
  type StoryName,
  wholeBundle,
} from '../testing/honest-log.ts';
import { runCount } from '../testing/run-count.ts';
import { verifyBundle } from '../verify-bundle.ts';
import { MUTATIONS } from './kinds.ts';
import { foreignKey, type Material, signerOf } from './material.ts';
import { mutantsOf } from './mutants.ts';

const NAMES: readonly StoryName[] = [
  ...(['approvedWrite', 'quorumOfTwo', 'refused', 'dryRun', 'narrowed', 'sentAgain'] as const),
  ...(['denied', 'read', 'approvalDenied', 'takenOver'] as const),
];
const key = await logKey();
const honest = await honestLog(NAMES);
const size = honest.log.entries.length;
const backup = await honestLog(NAMES.slice(0, 6));
const material: Material = {
  whole: await wholeBundle(honest),
  ranges: [await wholeBundle(honest)],
  actions: await Promise.all(honest.actions.map((action) => actionBundle(honest, action))),
  older: await wholeBundle(backup),
  ...{ pin: key.verifierKey, origin: ORIGIN, since: await checkpointAt(honest.log, size, key) },
  sign: signerOf(key, ORIGIN),
  foreign: await foreignKey(ORIGIN),
};
const COUNT = runCount(Object.keys(MUTATIONS).length * 4, 1_000);

test(`every mutant is found, ${COUNT} of them`, async () => {
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
  const { whole, actions, older, pin, since } = material;
  for (const tar of [whole, ...actions, older]) {
    expect(await verifyBundle(tar, { pin })).toMatchObject({ verdict: 'verified', findings: [] });
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
