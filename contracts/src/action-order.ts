/**
 * The order of an action: everything beside the journal that an attempt is a function of, fixed when
 * the action is requested. Kept as an artifact, so that a stranger can re-execute the attempts.
 */
import * as v from 'valibot';
import { canonicalBytes, type JsonValue } from './canonical-json.ts';
import { DigestSchema } from './digest.ts';
import { EgressRulesSchema, OperatorRulesSchema } from './egress-rule.ts';
import { ActionIdSchema, WorkspaceIdSchema } from './ids.ts';
import { AttemptLimitsSchema } from './internal-api.ts';
import { EFFECTS } from './life-cycle.ts';
import { plainRecord } from './plain-record.ts';

/** Media type of the artifact that `action.requested` names by `orderDigest`. */
export const ORDER_MEDIA_TYPE = 'application/vnd.portarium.order+json';

export const ActionOrderSchema = v.strictObject({
  v: v.literal(1),
  workspace: WorkspaceIdSchema,
  action: ActionIdSchema,
  /** Name, version and digest of the uploaded bytes. */
  plugin: v.strictObject({ name: v.string(), version: v.string(), digest: DigestSchema }),
  /** Of the rewritten bytes that run; they stand in a bundle as a module of their own. */
  moduleDigest: DigestSchema,
  rewriter: v.string(),
  operation: v.strictObject({
    name: v.string(),
    export: v.string(),
    effect: v.picklist(EFFECTS),
    encoding: v.picklist(['json', 'text', 'bytes']),
  }),
  inputDigest: DigestSchema,
  config: plainRecord(v.string(), v.string()),
  contract: v.strictObject({
    plugin: EgressRulesSchema,
    operator: OperatorRulesSchema,
    networks: v.array(v.string()),
    approval: EgressRulesSchema,
  }),
  limits: AttemptLimitsSchema,
  /** 64 hexadecimal digits that the action's random stream starts from. */
  seed: v.pipe(v.string(), v.regex(/^[0-9a-f]{64}$/, 'expected 64 hexadecimal digits')),
  /** Its writes are recorded and answered from examples; none of them leaves. */
  dryRun: v.optional(v.literal(true)),
  /** When the action's clock starts: RFC 3339 UTC with milliseconds. */
  startTime: v.pipe(
    v.string(),
    v.regex(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/, 'expected RFC 3339 UTC, milliseconds'),
  ),
});
export type ActionOrder = v.InferOutput<typeof ActionOrderSchema>;

/** The artifact's bytes: canonical JSON. */
export function actionOrderBytes(order: ActionOrder): Uint8Array {
  return canonicalBytes(order as unknown as JsonValue);
}
