/**
 * What `data` of an entry holds, by entry type. Never secrets, never personal data beyond ids; large
 * values stand there as digests. Further fields may be added; those named here keep their meaning.
 */
import * as v from 'valibot';
import { DigestSchema } from './digest.ts';
import type { EntryType } from './evidence-entry.ts';
import { AttemptIdSchema } from './ids.ts';
import { EFFECTS, TIERS } from './life-cycle.ts';
import { plainRecord } from './plain-record.ts';

const count = v.pipe(v.number(), v.integer(), v.minValue(0));
const text = v.string();
const error = v.looseObject({ code: text, message: text });

const requested = v.looseObject({
  operation: text,
  effect: v.picklist(EFFECTS),
  plugin: text,
  version: text,
  inputDigest: DigestSchema,
  contractDigest: DigestSchema,
  idempotencyKey: v.optional(text),
  replaces: v.optional(text),
});

const decided = v.looseObject({
  decision: v.picklist(['allow', 'deny']),
  /** There whenever the decision is `allow`. */
  tier: v.optional(v.picklist(TIERS)),
  policyVersion: count,
  policies: v.array(text),
  reasons: v.array(text),
});

const approval = v.looseObject({
  approvalDigest: DigestSchema,
  quorum: count,
  by: v.optional(text),
  rationale: v.optional(text),
});

const started = v.looseObject({
  attempt: AttemptIdSchema,
  host: text,
  isolation: text,
  engine: text,
  fence: v.pipe(count, v.minValue(1)),
});

const egress = v.looseObject({
  attempt: AttemptIdSchema,
  call: count,
  rule: v.optional(text),
  method: text,
  host: text,
  port: count,
  path: text,
  address: v.optional(text),
  status: v.optional(count),
  requestDigest: DigestSchema,
  responseDigest: v.optional(DigestSchema),
  bytesOut: count,
  bytesIn: count,
  credential: v.optional(text),
  reason: v.optional(text),
  ms: v.pipe(v.number(), v.minValue(0)),
});

const finished = v.variant('verdict', [
  v.looseObject({
    attempt: AttemptIdSchema,
    verdict: v.picklist(['succeeded', 'failed']),
    usage: plainRecord(text, v.number()),
    journalDigest: DigestSchema,
    outputDigest: v.optional(DigestSchema),
    error: v.optional(error),
  }),
  /** Nobody was left to report what a lost attempt used. */
  v.looseObject({
    attempt: AttemptIdSchema,
    verdict: v.literal('lost'),
    usage: v.optional(plainRecord(text, v.number())),
    journalDigest: v.optional(DigestSchema),
    error: v.optional(error),
  }),
]);

const outcome = {
  outputDigest: v.optional(DigestSchema),
  error: v.optional(error),
  by: v.optional(text),
  rationale: v.optional(text),
};
const unfinished = v.looseObject(outcome);
/** `entries` counts the action's entries, this one included. */
const ended = v.looseObject({ ...outcome, entries: v.pipe(count, v.minValue(1)) });

/** Types that stand here have the `data` that is documented; of others it is an object. */
export const ENTRY_DATA_SCHEMAS = {
  'action.requested': requested,
  'policy.decided': decided,
  'approval.requested': approval,
  'approval.granted': approval,
  'approval.denied': approval,
  'approval.expired': approval,
  'approval.voided': approval,
  'approval.changes-requested': approval,
  'attempt.started': started,
  'egress.intended': egress,
  'egress.answered': egress,
  'egress.denied': egress,
  'attempt.finished': finished,
  'action.succeeded': ended,
  'action.failed': ended,
  'action.cancelled': ended,
  'action.outcome-unknown': unfinished,
  'action.resolved': ended,
} as const satisfies { readonly [T in EntryType]?: v.GenericSchema };

/** What is wrong with `data` of an entry of `type`, or undefined. */
export function entryDataProblem(
  type: EntryType,
  data: Readonly<Record<string, unknown>>,
): string | undefined {
  const schema: v.GenericSchema | undefined = (
    ENTRY_DATA_SCHEMAS as { readonly [T in EntryType]?: v.GenericSchema }
  )[type];
  if (!schema) return undefined;
  const parsed = v.safeParse(schema, data);
  if (parsed.success) return undefined;
  const issue = parsed.issues[0];
  return `data.${v.getDotPath(issue) ?? ''}: ${issue.message}`;
}
