/** What a legal hold covers, and how long a workspace keeps each class of artifacts. */
import * as v from 'valibot';
import { ActionIdSchema } from './ids.ts';
import { PluginNameSchema } from './plugin-name.ts';
import { RETENTION_CLASSES, RETENTION_DAYS, type RetentionClass } from './retention-class.ts';

const time = v.pipe(v.string(), v.isoTimestamp('expected a time such as 2026-11-28T09:00:00Z'));

/**
 * Which artifacts: of one action; of all that a plugin was asked for; of every action that a person (a key’s id, or
 * the owner of keys) had a hand in; or those that entries of a time name, from `from` until before `until`.
 */
export const HoldScopeSchema = v.variant('kind', [
  v.strictObject({ kind: v.literal('action'), action: ActionIdSchema }),
  v.strictObject({ kind: v.literal('plugin'), plugin: PluginNameSchema }),
  v.strictObject({
    kind: v.literal('person'),
    person: v.pipe(v.string(), v.trim(), v.minLength(1), v.maxLength(200)),
  }),
  v.pipe(
    v.strictObject({ kind: v.literal('time'), from: time, until: v.optional(time) }),
    v.check(
      ({ from, until }) => until === undefined || Date.parse(from) < Date.parse(until),
      'expected until to be after from',
    ),
  ),
]);
export type HoldScope = v.InferOutput<typeof HoldScopeSchema>;

/** Why an artifact that was ordered to go stayed. */
export const KEPT_REASONS = ['retention', 'hold', 'in-use', 'named-again'] as const;
export type KeptReason = (typeof KEPT_REASONS)[number];

/** Days of each class. */
export type RetentionDays = { readonly [C in RetentionClass]: number };

/** A hundred years: what S3 takes at most. */
const MOST_DAYS = 36_500;

const days = (name: RetentionClass) =>
  v.optional(
    v.pipe(v.number(), v.integer(), v.minValue(RETENTION_DAYS[name]), v.maxValue(MOST_DAYS)),
  );

/** What is named, a workspace keeps for longer; what is not named stays as it is. */
export const LengthenSchema = v.strictObject({
  operational: days('operational'),
  compliance: days('compliance'),
  forensic: days('forensic'),
});
export type Lengthen = v.InferOutput<typeof LengthenSchema>;

/** @returns the classes that `wanted` would keep for less time than `now` does */
export function shortened(now: RetentionDays, wanted: Lengthen): readonly RetentionClass[] {
  return RETENTION_CLASSES.filter((name) => (wanted[name] ?? now[name]) < now[name]);
}
