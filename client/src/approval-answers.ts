/** Shapes of the API's answers about approvals. Loose, but for the statement: its digest covers all. */
import { ApprovalStatementSchema } from '@portarium/contracts/approval-statement';
import { DigestSchema } from '@portarium/contracts/digest';
import { EgressRulesSchema, OperatorRulesSchema } from '@portarium/contracts/egress-rule';
import { EFFECTS } from '@portarium/contracts/life-cycle';
import * as v from 'valibot';

const count = v.pipe(v.number(), v.integer(), v.minValue(0));
const text = v.string();

export const APPROVAL_STATES = [
  'open',
  'granted',
  'denied',
  'changes-requested',
  'expired',
  'voided',
] as const;
export type ApprovalState = (typeof APPROVAL_STATES)[number];

/** Where a credential of that kind is set, beside its kind. */
export const place = {
  /** Of `basic`. */
  username: v.optional(text),
  /** Of `header`, in lower case. */
  header: v.optional(text),
  /** Of `query`. */
  parameter: v.optional(text),
};

const state = v.picklist(APPROVAL_STATES);

/** A write of a dry run: what a plugin would have sent. Its own words, not safe to show as they are. */
export const WithheldWriteSchema = v.looseObject({
  call: count,
  rule: v.optional(text),
  method: text,
  url: text,
  headers: v.array(v.tuple([text, text])),
  credential: v.optional(text),
  /** The plugin’s name for it. */
  slot: v.optional(text),
  body: v.optional(
    v.looseObject({
      digest: DigestSchema,
      bytes: count,
      text: v.optional(text),
      base64: v.optional(text),
      cut: v.optional(v.literal(true)),
    }),
  ),
  status: v.optional(count),
});
export type WithheldWrite = v.InferOutput<typeof WithheldWriteSchema>;

/** The newest approval of an action, as the action shows it. */
export const ApprovalOfActionSchema = v.looseObject({
  id: text,
  state,
  digest: DigestSchema,
  quorum: count,
  /** People who have agreed so far. */
  given: count,
  decideBefore: text,
  executeBefore: text,
});

/** The action's contract; `contractDigest` of the statement covers it, so it is parsed strictly. */
const ContractSchema = v.strictObject({
  plugin: EgressRulesSchema,
  operator: OperatorRulesSchema,
  networks: v.array(text),
  approval: EgressRulesSchema,
});

/** What would be carried out, in full. */
const ApprovalRequestSchema = v.looseObject({
  plugin: v.looseObject({
    name: text,
    version: text,
    digest: DigestSchema,
    description: v.nullish(text),
  }),
  operation: text,
  effect: v.picklist(EFFECTS),
  requestedBy: v.looseObject({ key: text, owner: text }),
  /** Decoded: JSON, text, or base64 of bytes, as the operation's encoding says. */
  input: v.unknown(),
  contract: ContractSchema,
  /** What the contract lets through; a careful reader computes it (`allowedCalls`). */
  calls: v.array(v.looseObject({ rule: text })),
  credentials: v.array(
    v.looseObject({
      ...{ slot: text, id: text, name: text, host: text, kind: text, ...place, version: count },
      /** The kind that the plugin asks for in this slot. */
      slotKind: v.optional(text),
    }),
  ),
  networks: v.array(text),
  limits: v.looseObject({}),
  /** The last action of the same operation that was approved and run. */
  /** The action that this one takes the place of. */
  replaces: v.nullish(v.looseObject({ action: text, state: text, input: v.unknown() })),
  lastApproved: v.nullish(v.looseObject({ action: text, input: v.unknown() })),
});
export type ApprovalRequest = v.InferOutput<typeof ApprovalRequestSchema>;

export const DecisionMadeSchema = v.looseObject({
  person: text,
  decision: text,
  rationale: text,
  at: text,
  /** What it is about; it counts while that is the approval’s. */
  digest: v.optional(DigestSchema),
});
export const RefusalSchema = v.looseObject({ code: text, detail: text });

export const ApprovalSchema = v.looseObject({
  id: text,
  action: text,
  state,
  digest: DigestSchema,
  statement: ApprovalStatementSchema,
  quorum: count,
  /** Roles whose keys may decide. */
  roles: v.array(text),
  /** People who may not. */
  excluded: v.array(text),
  decisions: v.array(DecisionMadeSchema),
  createdAt: text,
  decideBefore: text,
  decidedAt: v.nullish(text),
  consumedAt: v.nullish(text),
  /** Whether something changed, so that no decision would hold. Not in lists. */
  stale: v.nullish(v.boolean()),
  /** The newest dry run of what the approval is about. Not in lists. */
  dryRun: v.nullish(
    v.looseObject({
      action: text,
      state: text,
      createdAt: text,
      finishedAt: v.nullish(text),
      error: v.nullish(v.looseObject({ code: text, message: text })),
      writes: v.array(WithheldWriteSchema),
    }),
  ),
  /** Why the key that asks may not decide. Not in lists. */
  refusal: v.nullish(RefusalSchema),
  /** The plugin, as `name@version`. In lists only. */
  plugin: v.nullish(text),
  /** Not in lists. */
  request: v.optional(ApprovalRequestSchema),
});
export type Approval = v.InferOutput<typeof ApprovalSchema>;

/** How many people have agreed to what the approval is about now. */
export function agreedCount({
  decisions,
  digest,
}: Pick<Approval, 'decisions'> & { readonly digest?: string | undefined }): number {
  return decisions.filter((one) => one.decision === 'approve' && (one.digest ?? digest) === digest)
    .length;
}

export const ApprovalPageSchema = v.looseObject({
  items: v.array(ApprovalSchema),
  /** The cursor of the next page; absent on the last. */
  next: v.optional(text),
});
export type ApprovalPage = v.InferOutput<typeof ApprovalPageSchema>;

export const ApprovalRulesSchema = v.looseObject({
  quorum: count,
  roles: v.array(text),
  decideWithinMs: count,
  executeWithinMs: count,
  revision: count,
});
export type ApprovalRules = v.InferOutput<typeof ApprovalRulesSchema>;
