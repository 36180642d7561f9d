/** Mutants' material from an honest log, whose key was handed over at its beginning. For tests only. */

import { parse } from 'valibot';
import { ActionIdSchema } from '../ids.ts';
import {
  bundleOf,
  checkpointAt,
  honestLog,
  logKey,
  ORIGIN,
  type StoryName,
} from '../testing/honest-log.ts';
import { rotationsOf } from '../testing/rotated-keys.ts';
import { testKey } from '../testing/test-key.ts';
import { foreignKey, type Material, signerOf } from './material.ts';

/** @param names stories that come to an end; the first `backup` of them are in the older log */
export async function honestMaterial(
  names: readonly StoryName[],
  backup: number,
): Promise<Material> {
  const [first, key] = [await logKey(), await testKey(`${ORIGIN}-next`)];
  const honest = await honestLog(names);
  const older = await honestLog(names.slice(0, backup));
  // Earlier than all entries but two.
  const signing = { key, rotations: await rotationsOf([first, key], [1]) };
  const asked = honest.actions.map((action) => ({ action: parse(ActionIdSchema, action) }));
  return {
    whole: await bundleOf(honest, {}, signing),
    ranges: [await bundleOf(honest, { from: 1, to: 3 }, signing)],
    actions: await Promise.all(asked.map((one) => bundleOf(honest, one, signing))),
    older: await bundleOf(older, {}, signing),
    ...{ pin: first.verifierKey, origin: ORIGIN },
    since: await checkpointAt(honest.log, honest.log.entries.length, key),
    ...{ sign: signerOf(key, ORIGIN), signBefore: signerOf(first, ORIGIN) },
    foreign: await foreignKey(ORIGIN),
  };
}
