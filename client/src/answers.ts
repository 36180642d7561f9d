/** Shapes of the API's answers. Loose: the API may add fields, and the client keeps them. */

import { fromBase64 } from '@portarium/contracts/base64';
import { GrowthStatementSchema } from '@portarium/contracts/contract-growth';
import { DigestSchema } from '@portarium/contracts/digest';
import { EgressRulesSchema, OperatorRuleSchema } from '@portarium/contracts/egress-rule';
import { EntrySchema } from '@portarium/contracts/evidence-entry';
import { EgressCallSchema } from '@portarium/contracts/internal-api';
import { HoldScopeSchema, KEPT_REASONS } from '@portarium/contracts/legal-hold';
import { ACTION_STATES, EFFECTS, TIERS } from '@portarium/contracts/life-cycle';
import { LimitsRequestSchema } from '@portarium/contracts/limits';
import { RETENTION_CLASSES } from '@portarium/contracts/retention-class';
import * as v from 'valibot';
import {
  ApprovalOfActionSchema,
  DecisionMadeSchema,
  place,
  RefusalSchema,
  WithheldWriteSchema,
} from './approval-answers.ts';

const count = v.pipe(v.number(), v.integer(), v.minValue(0));
const text = v.string();

/** `{items, next?}` */
export function listOf<S extends v.GenericSchema>(item: S) {
  return v.looseObject({ items: v.array(item) });
}

export const WorkspaceSchema = v.looseObject({ id: text, name: text, tenancyTier: text });
export type Workspace = v.InferOutput<typeof WorkspaceSchema>;

export const WorkspacePageSchema = v.looseObject({
  items: v.array(WorkspaceSchema),
  /** The cursor of the next page; absent on the last. */
  next: v.optional(text),
});
export type WorkspacePage = v.InferOutput<typeof WorkspacePageSchema>;

/** Whose key it is, and what it may do in the workspace. */
export const CallerSchema = v.looseObject({
  key: text,
  name: text,
  owner: text,
  role: text,
  workspace: text,
  permissions: v.array(text),
});
export type Caller = v.InferOutput<typeof CallerSchema>;

export const KeySchema = v.looseObject({
  id: text,
  name: text,
  owner: text,
  role: text,
  createdAt: text,
  expiresAt: v.nullish(text),
  revokedAt: v.nullish(text),
  lastUsedAt: v.nullish(text),
});
export type Key = v.InferOutput<typeof KeySchema>;

/** `key` is the secret; no other answer holds it. */
export const CreatedKeySchema = v.looseObject({ ...KeySchema.entries, key: text });
export type CreatedKey = v.InferOutput<typeof CreatedKeySchema>;

/** Everything about a credential but its value, which no answer holds. */
export const CredentialSchema = v.looseObject({
  id: text,
  name: text,
  host: text,
  kind: text,
  ...place,
  version: count,
  createdAt: text,
  rotatedAt: v.nullish(text),
  revokedAt: v.nullish(text),
});
export type Credential = v.InferOutput<typeof CredentialSchema>;

const usage = {
  ...{ actions: count, succeeded: count, failed: count, denied: count, attempts: count },
  dryRuns: v.optional(count, 0),
  ...{ cpuMs: count, wallMs: count, egressCalls: count, bytesOut: count, bytesIn: count },
};

/** Sums of the days from `from` to `to`, both included, in UTC. */
export const UsageSchema = v.looseObject({
  from: text,
  to: text,
  days: v.array(v.looseObject({ day: text, ...usage })),
  operations: v.array(v.looseObject({ plugin: text, operation: text, ...usage })),
});
export type Usage = v.InferOutput<typeof UsageSchema>;

const QuarantineSchema = v.looseObject({
  at: text,
  cause: text,
  /** The person, and why; of a quarantine by hand or by the revocation of a publisher's key. */
  by: v.optional(text),
  rationale: v.optional(text),
  /** What led to it otherwise. */
  crashes: v.optional(
    v.looseObject({
      count,
      windowMs: count,
      people: count,
      codes: v.record(text, count),
      attempts: v.array(text),
    }),
  ),
});

const plugin = {
  name: text,
  version: text,
  digest: DigestSchema,
  state: text,
  /** Text of the author; safe to show as it is. */
  description: v.optional(text),
  operations: v.optional(v.array(v.looseObject({ name: text, effect: text }))),
  admission: v.optional(v.looseObject({})),
  /** Why nothing runs it, while it is quarantined. */
  quarantine: v.optional(QuarantineSchema),
  /** A trusted publisher's, checked when it was uploaded. */
  signature: v.optional(
    v.looseObject({ publisher: text, fingerprint: DigestSchema, verifierKey: text, note: text }),
  ),
  createdAt: v.optional(text),
};
export const PluginSchema = v.looseObject(plugin);
export type Plugin = v.InferOutput<typeof PluginSchema>;

/** `current` is the version that runs when an action names none, or the one with the greatest weight. */
export const PluginVersionsSchema = v.looseObject({
  current: text,
  /** There while several versions share the plugin's actions; quarantined ones get nothing. */
  weights: v.optional(v.record(text, count)),
  items: v.array(PluginSchema),
});
export type PluginVersions = v.InferOutput<typeof PluginVersionsSchema>;

/** What a workspace asks of plugins. */
export const PluginRulesSchema = v.looseObject({
  /** Whether an upload needs a trusted publisher's signature. */
  signature: v.picklist(['optional', 'required']),
  /** Crashes within the window that quarantine a version; 0 never does. */
  quarantineAfter: count,
  crashWindowMs: count,
  /** Grows with each change; 0 while the workspace has the platform's rules. */
  revision: count,
});
export type PluginRules = v.InferOutput<typeof PluginRulesSchema>;

export const PublisherSchema = v.looseObject({
  /** SHA-256 of the public key. */
  fingerprint: DigestSchema,
  name: text,
  verifierKey: text,
  trustedBy: text,
  trustedAt: text,
  revokedBy: v.optional(text),
  revokedAt: v.optional(text),
});
export type Publisher = v.InferOutput<typeof PublisherSchema>;

/** What people are asked about a version, or were: its digest binds all of the statement. */
const PluginApprovalSchema = v.looseObject({
  statement: GrowthStatementSchema,
  digest: DigestSchema,
  quorum: count,
  /** Roles whose keys may decide. */
  roles: v.array(text),
  /** People who may not. */
  excluded: v.array(text),
  /** About this statement. */
  decisions: v.array(DecisionMadeSchema),
  /** Why the key that asks may not decide. */
  refusal: v.nullish(RefusalSchema),
});

export const PluginVersionSchema = v.looseObject({
  ...plugin,
  /** What it may want and do; `manifestDigest` of the statement covers all of it. */
  manifest: v.looseObject({
    operations: v.array(
      v.looseObject({
        ...{ name: text, effect: v.picklist(EFFECTS), encoding: text },
        input: v.looseObject({}),
      }),
    ),
    egress: EgressRulesSchema,
    credentials: v.array(v.looseObject({ slot: text, kind: text, host: text })),
    limits: LimitsRequestSchema,
  }),
  /** There when it could do more than the version that ran. */
  approval: v.optional(PluginApprovalSchema),
});
export type PluginVersion = v.InferOutput<typeof PluginVersionSchema>;

const rules = v.array(v.looseObject({ ...OperatorRuleSchema.entries }));
export const EgressSchema = v.looseObject({
  plugin: v.looseObject({
    name: text,
    rules,
    /** The slots that rules name: what a credential of that name has to be. */
    credentials: v.optional(
      v.array(v.looseObject({ slot: text, kind: text, host: text, description: text })),
      [],
    ),
  }),
  operator: v.looseObject({ rules, networks: v.array(text), revision: v.optional(count, 0) }),
  /** Ids of operator rules; only in the answer to a change. */
  changed: v.optional(
    v.looseObject({ added: v.array(text), removed: v.array(text), altered: v.array(text) }),
  ),
});
export type Egress = v.InferOutput<typeof EgressSchema>;

const summary = {
  id: text,
  state: v.picklist(ACTION_STATES),
  tier: v.nullish(v.picklist(TIERS)),
  plugin: v.looseObject({ name: text, version: text, digest: DigestSchema }),
  operation: text,
  inputDigest: DigestSchema,
  outputDigest: v.optional(DigestSchema),
  error: v.optional(v.looseObject({ code: text, message: text })),
  attempts: count,
  /** The action whose place this one takes. */
  replaces: v.optional(text),
  /** Nothing of it left that changes anything. */
  dryRun: v.optional(v.literal(true)),
  /** The action that it is a dry run of. */
  dryRunOf: v.optional(text),
  /** The newest; there when somebody has to agree, or had to. */
  approval: v.optional(ApprovalOfActionSchema),
  createdAt: text,
  finishedAt: v.optional(text),
};
export const ActionSummarySchema = v.looseObject(summary);
export type ActionSummary = v.InferOutput<typeof ActionSummarySchema>;

export const ActionSchema = v.looseObject({
  ...summary,
  /** What each of its attempts may use. */
  limits: v.optional(v.record(text, count)),
  output: v.optional(v.unknown()),
  /** What a dry run would have sent. */
  writes: v.optional(v.array(WithheldWriteSchema)),
  /** The person whose word ended it, or let it go on. */
  decision: v.optional(v.looseObject({ by: text, outcome: text, rationale: v.optional(text) })),
  evidence: v.looseObject({ from: count, to: count }),
});
export type Action = v.InferOutput<typeof ActionSchema>;

/** What is named, a workspace allows each attempt at most; the rest is the platform's. */
export const WorkspaceLimitsSchema = v.looseObject({
  ...LimitsRequestSchema.entries,
  revision: count,
});
export type WorkspaceLimits = v.InferOutput<typeof WorkspaceLimitsSchema>;

export const RegulationSchema = v.looseObject({
  /** Artifacts are taken only while the evidence store passes every check of its locks. */
  regulated: v.boolean(),
  revision: count,
});
export type Regulation = v.InferOutput<typeof RegulationSchema>;

export const StoreProbeSchema = v.looseObject({
  adapter: text,
  /** Absent for a store that is a folder. */
  endpoint: v.optional(text),
  checks: v.array(
    v.looseObject({
      name: text,
      held: v.boolean(),
      /** What happened instead. */
      detail: v.optional(text),
      /** What can happen to evidence then. */
      meaning: v.optional(text),
    }),
  ),
  /** Digest of the report that the log of the instance names. */
  report: DigestSchema,
  at: text,
});
export type StoreProbe = v.InferOutput<typeof StoreProbeSchema>;
/** Days that artifacts of each class are kept. */
export const RetentionSchema = v.looseObject({
  operational: count,
  compliance: count,
  forensic: count,
  revision: count,
});
export type Retention = v.InferOutput<typeof RetentionSchema>;

const hold = {
  id: text,
  scope: HoldScopeSchema,
  reason: text,
  /** Ids of keys. */
  placedBy: text,
  placedAt: text,
  lifted: v.optional(v.looseObject({ by: text, at: text, reason: text })),
};
export const HoldSchema = v.looseObject(hold);
export type Hold = v.InferOutput<typeof HoldSchema>;

export const PlacedHoldSchema = v.looseObject({
  ...hold,
  /** That it covers by now. */
  artifacts: count,
  /** Whether the store's own holds are as they should be. */
  inStore: v.boolean(),
});
export type PlacedHold = v.InferOutput<typeof PlacedHoldSchema>;

export const DisposalSchema = v.looseObject({
  dryRun: v.boolean(),
  items: v.array(
    v.looseObject({
      digest: DigestSchema,
      bytes: count,
      mediaType: text,
      retention: v.picklist(RETENTION_CLASSES),
      /** Of the last entry that names it. */
      lastSeq: count,
      lastTime: text,
      /** `removed`, or `due` of a dry run; else what keeps it, or `missing`. */
      outcome: v.picklist(['due', 'removed', 'missing', ...KEPT_REASONS]),
    }),
  ),
  /** Artifacts of an earlier run that had not come to its end. */
  resumed: count,
  /** What to give as `after` for the next page; absent on the last. */
  next: v.optional(text),
});
export type Disposal = v.InferOutput<typeof DisposalSchema>;

export const ActionPageSchema = v.looseObject({
  items: v.array(ActionSummarySchema),
  /** The cursor of the next page; absent on the last. */
  next: v.optional(text),
});
export type ActionPage = v.InferOutput<typeof ActionPageSchema>;

export const JournalSchema = listOf(v.looseObject({ ...EgressCallSchema.entries, attempt: text }));
export type JournalCall = v.InferOutput<typeof JournalSchema>['items'][number];

export const AttemptsSchema = listOf(
  v.looseObject({
    id: text,
    fence: count,
    host: text,
    isolation: text,
    engine: v.nullish(text),
    startedAt: text,
    finishedAt: v.nullish(text),
    verdict: v.nullish(text),
    error: v.nullish(v.looseObject({ code: text, message: text })),
    usage: v.nullish(v.looseObject({})),
    /** What the plugin logged; its own words. */
    logs: v.nullish(v.array(v.looseObject({ level: text, message: text }))),
  }),
);
export type Attempt = v.InferOutput<typeof AttemptsSchema>['items'][number];

const exactBytes = v.pipe(
  text,
  v.rawTransform(({ dataset, addIssue, NEVER }) => {
    const bytes = fromBase64(dataset.value);
    if (bytes) return bytes;
    addIssue({ message: 'expected base64' });
    return NEVER;
  }),
);

/** Looser than the log's own schema: a newer Control Plane may write types this client does not know. */
const entry = v.looseObject({
  ...EntrySchema.entries,
  type: text,
  subject: v.looseObject(EntrySchema.entries.subject.entries),
});
export type EvidenceEntry = v.InferOutput<typeof entry>;

export const EvidencePageSchema = v.looseObject({
  items: v.array(v.looseObject({ seq: count, hash: DigestSchema, bytes: exactBytes, entry })),
  /** What to give as `after` for the next page; absent on the last. */
  next: v.optional(count),
});
export type EvidencePage = v.InferOutput<typeof EvidencePageSchema>;

export const EntryProofSchema = v.looseObject({
  seq: count,
  size: count,
  leafHash: DigestSchema,
  rootHash: DigestSchema,
  hashes: v.array(DigestSchema),
  /** The signed note over that size, when it is the newest. */
  checkpoint: v.optional(text),
});
export type EntryProof = v.InferOutput<typeof EntryProofSchema>;

export const ConsistencyProofSchema = v.looseObject({
  from: count,
  to: count,
  fromRootHash: DigestSchema,
  toRootHash: DigestSchema,
  hashes: v.array(DigestSchema),
  /** The signed note over `to`, when it is the newest. */
  checkpoint: v.optional(text),
});
export type ConsistencyProof = v.InferOutput<typeof ConsistencyProofSchema>;

export const LogKeySchema = v.looseObject({
  id: text,
  verifierKey: text,
  /** `retiring` signs beside the current one until every log has a checkpoint of both. */
  state: v.picklist(['current', 'retiring', 'retired']),
  validFrom: v.optional(text),
  validUntil: v.optional(text),
});
export type LogKey = v.InferOutput<typeof LogKeySchema>;

export const RecoverySchema = v.looseObject({
  state: v.picklist(['none', 'behind', 'forked']),
  dryRun: v.boolean(),
  /** Entries in the database, and those that the newest checkpoint in the evidence store signs. */
  size: count,
  storedSize: count,
  /** First entry that is not the one that was signed. */
  at: v.optional(count),
  /** Entries that were put back, or with `dryRun` would be. */
  entries: count,
  /** Why the log took no entry. */
  frozen: v.optional(v.looseObject({ reason: text, detail: text, at: text })),
});
export type Recovery = v.InferOutput<typeof RecoverySchema>;

/** Something that does not agree, until it does. */
export const WatchFindingSchema = v.looseObject({
  /** As the offline verifier has it, where it has one. */
  rule: text,
  message: text,
  /** Number of the entry that it is about, where there is one. */
  seq: v.optional(count),
  /** Number of an entry, digest or id; absent when it is about the whole log. */
  subject: v.optional(text),
  foundAt: text,
});
export type WatchFinding = v.InferOutput<typeof WatchFindingSchema>;

export const VerificationSchema = v.looseObject({
  /** `pending` before the first look. */
  state: v.picklist(['pending', 'verified', 'failed']),
  size: count,
  /** Entries, from the first, that were held against a checkpoint in the evidence store. */
  verified: count,
  checkedAt: v.optional(text),
  /** Over the whole log; `at` is there while one is under way. */
  round: v.looseObject({
    at: v.optional(count),
    startedAt: v.optional(text),
    finishedAt: v.optional(text),
  }),
  artifacts: v.looseObject({ sampled: count, sampledAt: v.optional(text) }),
  /** Why the log takes no entry. */
  frozen: v.optional(v.looseObject({ reason: text, detail: text, at: text })),
  /** The oldest first. */
  findings: v.array(WatchFindingSchema),
});
export type Verification = v.InferOutput<typeof VerificationSchema>;

export const ReconciliationSchema = v.looseObject({
  /** Absent before the first. */
  ranAt: v.optional(text),
  dryRun: v.boolean(),
  checks: v.array(
    v.looseObject({
      check: text,
      /** Rows, workflows, artifacts or objects. */
      looked: count,
      /** With `dryRun`: what would be done. */
      repaired: v.array(v.looseObject({ subject: text, repair: text })),
      /** Why the check could not be made. */
      failed: v.optional(text),
    }),
  ),
  /** What is left over. */
  findings: v.array(WatchFindingSchema),
});
export type Reconciliation = v.InferOutput<typeof ReconciliationSchema>;

export const ReadinessSchema = v.looseObject({ ready: v.boolean(), reasons: v.array(text) });
export type Readiness = v.InferOutput<typeof ReadinessSchema>;

export const HealthSchema = v.looseObject({
  version: text,
  /** What keeps credentials: `sealed` or `key-value`. */
  vault: v.optional(text),
  /** What keeps artifacts: `directory` or `minio`. */
  evidenceStore: v.optional(text),
  parts: v.record(text, text),
});
export type Health = v.InferOutput<typeof HealthSchema>;
