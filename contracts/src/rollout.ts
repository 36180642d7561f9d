/**
 * Which version of a plugin an action gets that names none, while several have weights. The draw is a
 * function of the request: whoever asks again gets the same version, and anybody can compute it.
 */
import * as v from 'valibot';
import { canonicalText } from './canonical-json.ts';
import { sha256 } from './digest.ts';
import { PLATFORM_LIMITS } from './limits.ts';
import { VersionSchema } from './manifest.ts';
import { plainRecord } from './plain-record.ts';
import { compareVersions } from './semantic-version.ts';
import type { Weights } from './weights.ts';

const { rolloutVersions, rolloutWeight } = PLATFORM_LIMITS;

const WEIGHT = `expected a whole number from 1 to ${rolloutWeight}`;

/** Versions with their weights: `{"1.2.0": 90, "1.3.0": 10}`. Only their proportion counts. */
export const WeightsSchema = v.pipe(
  plainRecord(
    VersionSchema,
    v.pipe(
      v.number(WEIGHT),
      v.integer(WEIGHT),
      v.minValue(1, WEIGHT),
      v.maxValue(rolloutWeight, WEIGHT),
    ),
  ),
  v.check((weights) => {
    const { length } = Object.keys(weights);
    return length >= 1 && length <= rolloutVersions;
  }, `expected 1 to ${rolloutVersions} versions`),
);

/** Separates these hashes from every other use of SHA-256. */
export const ROLLOUT_CONTEXT = 'portarium/rollout/v1\n';

export interface Draw {
  readonly workspace: string;
  readonly plugin: string;
  /** The request's idempotency key; without one the action's id. */
  readonly key: string;
}

/**
 * The first four bytes of SHA-256({@link ROLLOUT_CONTEXT} ‖ JCS(draw)), big-endian, as a fraction of 2^32,
 * fall into one of the ranges that the versions have side by side, each as wide as its weight, in
 * ascending order. So a version that grows keeps what it had, as long as those before it only shrink.
 * @param weights at least one
 */
export async function drawVersion(weights: Weights, draw: Draw): Promise<string> {
  const { workspace, plugin, key } = draw;
  const text = `${ROLLOUT_CONTEXT}${canonicalText({ workspace, plugin, key })}`;
  const hash = await sha256(new TextEncoder().encode(text));
  const point = new DataView(hash.buffer, hash.byteOffset).getUint32(0);
  const ascending = Object.entries(weights).sort(([a], [b]) => compareVersions(a, b));
  const total = ascending.reduce((sum, [, weight]) => sum + weight, 0);
  const place = Math.floor((point * total) / 2 ** 32);
  let end = 0;
  for (const [version, weight] of ascending) {
    end += weight;
    if (place < end) return version;
  }
  throw new RangeError('a draw needs at least one version with a weight');
}
