/**
 * What `data` of an entry holds, by entry type. Never secrets, never personal data beyond ids; large
 * values stand there as digests. Further fields may be added; those named here keep their meaning.
 */
import * as v from 'valibot';
import { DigestSchema } from './digest.ts';
import type { EntryType } from './evidence-entry.ts';
import { AttemptIdSchema, HoldIdSchema } from './ids.ts';
import { HoldScopeSchema, KEPT_REASONS } from './legal-hold.ts';
import { EFFECTS, TIERS } from './life-cycle.ts';
import { plainRecord } from './plain-record.ts';
import { PublisherNameSchema } from './plugin-signature.ts';
import { quickCheck } from './quick-check.ts';
import { RETENTION_DAYS } from './retention-class.ts';
import { WeightsSchema } from './rollout.ts';

const count = v.pipe(v.number(), v.integer(), v.minValue(0));
const text = v.string();
const error = v.looseObject({ code: text, message: text });
/** Counts the action's entries, this one included. */
const counted = v.pipe(count, v.minValue(1));
const entries = v.optional(counted);

/** Stands in what tells how a dry run begins and ends: nothing of it changed anything outside. */
const dry = { dryRun: v.optional(v.literal(true)) };

const requested = v.looseObject({
  operation: text,
  effect: v.picklist(EFFECTS),
  plugin: text,
  version: text,
  inputDigest: DigestSchema,
  contractDigest: DigestSchema,
  /** Of the action's order: everything that an attempt is a function of. */
  orderDigest: v.optional(DigestSchema),
  idempotencyKey: v.optional(text),
  replaces: v.optional(text),
  ...dry,
  /** The action that waits for people, and that this one is a dry run of. */
  dryRunOf: v.optional(text),
  /** What the version was drawn from, when the request named none: the weights of those that could run. */
  rollout: v.optional(v.looseObject({ weights: WeightsSchema, revision: count })),
});

const decided = v.looseObject({
  decision: v.picklist(['allow', 'deny']),
  /** There whenever the decision is `allow`. */
  tier: v.optional(v.picklist(TIERS)),
  policyVersion: count,
  policies: v.array(text),
  reasons: v.array(text),
  /** Of a denial, which ends the action; older logs do without. */
  entries,
});

const approval = {
  approvalDigest: DigestSchema,
  quorum: count,
  /** The person who decided. */
  by: v.optional(text),
  rationale: v.optional(text),
};
const approvalRequested = v.looseObject({
  ...approval,
  /** Roles that may decide. */
  roles: v.optional(v.array(text)),
  /** A decision after it is refused. */
  decideBefore: v.optional(text),
});
/**
 * Whoever agrees may narrow what the action may reach: then `approvalDigest` is that of the narrowed
 * statement, which is an artifact of the entry as the narrowed order is, and nobody else has agreed to it.
 */
const approvalDecided = v.looseObject({
  ...approval,
  /** The approval digest before. */
  narrows: v.optional(DigestSchema),
  contractDigest: v.optional(DigestSchema),
  orderDigest: v.optional(DigestSchema),
  /** Ids of the rules of the contract’s approval layer. */
  egress: v.optional(v.array(text)),
});
const approvalVoided = v.looseObject({ ...approval, reason: text });
/** These end the action; older logs do not count its entries there. */
const approvalEnded = v.looseObject({ ...approval, entries });

const started = v.looseObject({
  attempt: AttemptIdSchema,
  host: text,
  isolation: text,
  engine: text,
  fence: v.pipe(count, v.minValue(1)),
});

/** `call` counts over all attempts of the action; in older logs within the attempt. */
const egress = {
  attempt: AttemptIdSchema,
  call: count,
  rule: v.optional(text),
  method: text,
  host: text,
  port: count,
  path: text,
  address: v.optional(text),
  /** Of the server's public key, where TLS was spoken. */
  tlsPeerKeyHash: v.optional(DigestSchema),
  status: v.optional(count),
  requestDigest: DigestSchema,
  requestBodyDigest: v.optional(DigestSchema),
  responseDigest: v.optional(DigestSchema),
  bytesOut: count,
  bytesIn: count,
  credential: v.optional(text),
  reason: v.optional(text),
  ms: v.pipe(v.number(), v.minValue(0)),
};
const intended = v.looseObject({
  ...egress,
  /** Whether the platform sends an idempotency key, so that another send does no harm. */
  idempotencyKeyed: v.optional(v.boolean()),
  /** The call was intended before, and no answer was seen. */
  resend: v.optional(v.literal(true)),
  /** Nothing has happened yet. */
  ms: v.literal(0),
});
const answered = v.looseObject({
  ...egress,
  /** Of a call that failed: whether a byte of the request may have left. */
  sent: v.optional(v.boolean()),
});
const refused = v.looseObject(egress);
/** A write of a dry run, which did not leave; the request itself stands in the journal. */
const withheld = v.looseObject({
  ...egress,
  dryRun: v.literal(true),
  /** Of the body that would have been sent, which is an artifact; absent without one. */
  bodyDigest: v.optional(DigestSchema),
});

/** `journalDigest` is that of the action's journal so far, `calls` the number of its records. */
const finished = v.variant('verdict', [
  v.looseObject({
    attempt: AttemptIdSchema,
    verdict: v.picklist(['succeeded', 'failed']),
    ...dry,
    usage: plainRecord(text, v.number()),
    journalDigest: DigestSchema,
    calls: v.optional(count),
    outputDigest: v.optional(DigestSchema),
    error: v.optional(error),
  }),
  /** Nobody was left to report what a lost attempt used. */
  v.looseObject({
    attempt: AttemptIdSchema,
    verdict: v.literal('lost'),
    ...dry,
    usage: v.optional(plainRecord(text, v.number())),
    journalDigest: v.optional(DigestSchema),
    calls: v.optional(count),
    error: v.optional(error),
  }),
]);

const outcome = {
  ...dry,
  outputDigest: v.optional(DigestSchema),
  error: v.optional(error),
  by: v.optional(text),
  rationale: v.optional(text),
};
const unfinished = v.looseObject(outcome);
const ended = v.looseObject({ ...outcome, entries: counted });
const person = { by: text, rationale: text };
/** What a person says became of an action; `dispatched`: it did not happen and is sent again. */
const resolved = v.variant('outcome', [
  v.looseObject({
    ...outcome,
    ...person,
    outcome: v.picklist(['succeeded', 'failed']),
    entries: counted,
  }),
  v.looseObject({ ...outcome, ...person, outcome: v.literal('dispatched') }),
]);

const growth = {
  name: text,
  version: text,
  /** Of the statement of what grew: a function of both manifests, which are artifacts. */
  growthDigest: DigestSchema,
  /** The version that it was compared with. */
  from: v.looseObject({ version: text, digest: DigestSchema, manifestDigest: DigestSchema }),
  quorum: count,
};
const growthAsked = v.looseObject({
  ...growth,
  /** What grew: kind and name each. */
  growth: v.pipe(v.array(text), v.minLength(1)),
  /** Roles that may decide. */
  roles: v.array(text),
});
const growthDecided = v.looseObject({ ...growth, by: text, rationale: text });

const named = { name: text, version: text };
/** A publisher's, over what `plugin-signature.ts` says; `note` is the whole of it. */
const signature = v.looseObject({
  publisher: PublisherNameSchema,
  /** SHA-256 of the public key. */
  fingerprint: DigestSchema,
  verifierKey: text,
  note: text,
});
/** Older logs say less of an admission. */
const admitted = v.looseObject({
  name: v.optional(text),
  version: v.optional(text),
  manifestDigest: v.optional(DigestSchema),
  signature: v.optional(signature),
});
const currentSet = v.looseObject({
  /** `version` is the one with the greatest weight. */
  ...named,
  before: text,
  weights: v.optional(WeightsSchema),
  revision: count,
  ...person,
});
const quarantined = v.variant('cause', [
  v.looseObject({ ...named, cause: v.literal('hand'), ...person }),
  v.looseObject({ ...named, cause: v.literal('publisher-revoked'), ...person }),
  v.looseObject({
    ...named,
    cause: v.literal('crashes'),
    crashes: v.looseObject({
      count: counted,
      windowMs: counted,
      /** Whose actions crashed. */
      people: counted,
      /** How often each code. */
      codes: plainRecord(text, counted),
      /** The last of them, the newest first. */
      attempts: v.array(AttemptIdSchema),
    }),
  }),
]);
const publisher = { publisher: PublisherNameSchema, fingerprint: DigestSchema, by: text };

const migration = v.looseObject({
  /** The last is a schema of its own, in the log of its workspace. */
  target: v.pipe(v.string(), v.regex(/^(global|tenant|workspace\/[a-z][a-z0-9-]{1,38})$/)),
  version: counted,
  name: text,
  phase: text,
  /** Of the file. */
  digest: DigestSchema,
  appliedAt: text,
  toolVersion: text,
});
/** The database's clock, by which entries have their time, was moved, or is behind a log. */
const clock = v.looseObject({
  kind: v.picklist(['stepped', 'behind']),
  /** Negative when it went back. */
  byMs: v.pipe(v.number(), v.integer()),
  /** Whose entry it was noticed at. */
  workspace: text,
});
const watched = v.looseObject({
  workspace: text,
  /** The first of those that are new; `more` counts the rest. */
  findings: v.array(
    v.looseObject({ rule: text, subject: text, message: text, seq: v.optional(count) }),
  ),
  more: count,
});
const days = v.looseObject({
  operational: v.pipe(count, v.minValue(RETENTION_DAYS.operational)),
  compliance: v.pipe(count, v.minValue(RETENTION_DAYS.compliance)),
  forensic: v.pipe(count, v.minValue(RETENTION_DAYS.forensic)),
});
const hold = { hold: HoldIdSchema, scope: HoldScopeSchema, reason: text, by: text };

/** Types that stand here have the `data` that is documented; of others it is an object. */
export const ENTRY_DATA_SCHEMAS = {
  'migration.applied': migration,
  'clock.stepped': clock,
  'plugin.admitted': admitted,
  'plugin.current-set': currentSet,
  /** Nothing runs it until somebody lifts that. */
  'plugin.quarantined': quarantined,
  'plugin.quarantine-lifted': v.looseObject({ ...named, ...person }),
  'publisher.trusted': v.looseObject({ ...publisher, verifierKey: text }),
  /** `versions`: what became of those that it had signed. */
  'publisher.revoked': v.looseObject({
    ...publisher,
    versions: v.picklist(['keep', 'quarantine']),
    rationale: text,
  }),
  /** A version could do more than the one that runs; it waits. */
  'plugin.approval-requested': growthAsked,
  /** One of the people whose agreement a quorum needs, and not the last. */
  'plugin.endorsed': growthDecided,
  'plugin.approved': growthDecided,
  'plugin.denied': growthDecided,
  /** Days of each class, for what is written from then on. */
  'retention.lengthened': v.looseObject({ days, before: days, revision: count }),
  'hold.placed': v.looseObject(hold),
  'hold.lifted': v.looseObject(hold),
  /** Stands in the log before the first of the artifacts goes. */
  'disposal.ordered': v.looseObject({
    digests: v.pipe(v.array(DigestSchema), v.minLength(1)),
    reason: text,
    by: text,
  }),
  /** `order` is the `seq` of what ordered it. */
  'disposal.finished': v.looseObject({
    order: count,
    removed: v.array(DigestSchema),
    kept: v.array(v.looseObject({ digest: DigestSchema, why: v.picklist(KEPT_REASONS) })),
  }),
  /** Told in the log of the instance: a workspace's log takes no entry. */
  'evidence.frozen': v.looseObject({
    workspace: text,
    reason: text,
    detail: text,
    size: count,
    storedSize: count,
  }),
  /** `entries` were put back from the evidence store, from `from` on; rows of state were not. */
  'evidence.recovered': v.looseObject({
    state: v.picklist(['none', 'behind']),
    from: count,
    entries: count,
    storedSize: count,
    storedRoot: DigestSchema,
    stateRestored: v.literal(false),
    ...person,
  }),
  /** Background verification found something in the log of `workspace`; told once, here and there. */
  'evidence.verification-failed': watched,
  /** The reconciler did `repair` about `subject`, an action. */
  'reconciliation.repaired': v.looseObject({ check: text, subject: text, repair: text }),
  /** What the reconciler found in `workspace` and may not repair. */
  'reconciliation.left-over': watched,
  /** `statement` is a note of both keys about each other (`key-rotation.ts`). */
  'log-key.rotated': v.looseObject({ from: text, to: text, statement: text, ...person }),
  'action.requested': requested,
  'policy.decided': decided,
  'approval.requested': approvalRequested,
  /** One of the people whose agreement a quorum needs, and not the last. */
  'approval.endorsed': approvalDecided,
  'approval.granted': approvalDecided,
  'approval.denied': approvalEnded,
  'approval.expired': approvalEnded,
  /** What would run is no longer what was asked about; the action ends after it. */
  'approval.voided': approvalVoided,
  'approval.changes-requested': approvalEnded,
  'attempt.started': started,
  'egress.intended': intended,
  'egress.answered': answered,
  'egress.denied': refused,
  'egress.withheld': withheld,
  'attempt.finished': finished,
  'action.succeeded': ended,
  'action.failed': ended,
  'action.cancelled': ended,
  'action.outcome-unknown': unfinished,
  'action.resolved': resolved,
} as const satisfies { readonly [T in EntryType]?: v.GenericSchema };

const QUICK: ReadonlyMap<string, (data: unknown) => boolean> = new Map(
  Object.entries(ENTRY_DATA_SCHEMAS).map(([type, schema]) => [type, quickCheck(schema)]),
);

/** What is wrong with `data` of an entry of `type`, or undefined. */
export function entryDataProblem(
  type: EntryType,
  data: Readonly<Record<string, unknown>>,
): string | undefined {
  if (QUICK.get(type)?.(data)) return undefined;
  const schema: v.GenericSchema | undefined = (
    ENTRY_DATA_SCHEMAS as { readonly [T in EntryType]?: v.GenericSchema }
  )[type];
  if (!schema) return undefined;
  const parsed = v.safeParse(schema, data);
  if (parsed.success) return undefined;
  const issue = parsed.issues[0];
  return `data.${v.getDotPath(issue) ?? ''}: ${issue.message}`;
}
