/** Weights of the versions of a plugin, and what each of them gets. Small: the console loads it first. */
import { compareVersions } from './semantic-version.ts';

/** By version; only their proportion counts. */
export type Weights = Readonly<Record<string, number>>;

/** The weights of those that may run: what another had is theirs, in proportion. */
export function runnable(weights: Weights, mayRun: ReadonlySet<string>): Weights {
  return Object.fromEntries(Object.entries(weights).filter(([version]) => mayRun.has(version)));
}

/** The version with the greatest weight; of several the one that comes last. */
export function heaviest(weights: Weights): string | undefined {
  const [first] = Object.entries(weights).sort(
    ([a, left], [b, right]) => right - left || compareVersions(b, a),
  );
  return first?.[0];
}

/** What part of the actions a version gets, from 0 to 1. */
export function shareOf(weights: Weights, version: string): number {
  const total = Object.values(weights).reduce((sum, weight) => sum + weight, 0);
  return total === 0 ? 0 : (weights[version] ?? 0) / total;
}
