/** Clock and ids of the real world. */
import { randomBytes } from 'node:crypto';
import { makeId } from '@portarium/contracts/ids';
import type { Clock, Ids } from '../../application/ports/clock.ts';

export const systemClock: Clock = { nowMs: () => Date.now() };

export function systemIds(clock: Clock): Ids {
  return {
    next: (kind) => makeId(kind, clock.nowMs(), randomBytes(10)),
    randomHex: (bytes) => randomBytes(bytes).toString('hex'),
  };
}
