/**
 * The approval statement: exactly what an approver agrees to. If anything in it changes, its digest
 * does, and the approval is void.
 */
import * as v from 'valibot';
import { canonicalText } from './canonical-json.ts';
import { type Digest, DigestSchema, digestOf } from './digest.ts';
import { ActionIdSchema, CredentialIdSchema, WorkspaceIdSchema } from './ids.ts';
import { EFFECTS, TIERS } from './life-cycle.ts';
import { LimitsRequestSchema } from './limits.ts';

const positive = v.pipe(v.number(), v.integer(), v.minValue(1));

export const ApprovalStatementSchema = v.strictObject({
  v: v.literal(1),
  workspace: WorkspaceIdSchema,
  action: ActionIdSchema,
  plugin: DigestSchema,
  operation: v.string(),
  inputDigest: DigestSchema,
  contractDigest: DigestSchema,
  effect: v.picklist(EFFECTS),
  credentials: v.array(
    v.strictObject({ slot: v.string(), id: CredentialIdSchema, version: positive }),
  ),
  limits: LimitsRequestSchema,
  tier: v.picklist(TIERS),
  policyVersion: positive,
  /** RFC 3339 UTC with milliseconds; a claim after it is refused. */
  executeBefore: v.pipe(
    v.string(),
    v.regex(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/, 'expected RFC 3339 UTC, milliseconds'),
  ),
});

export type ApprovalStatement = v.InferOutput<typeof ApprovalStatementSchema>;

/** Media type of the artifact that `approval.requested` names: the statement as canonical JSON. */
export const STATEMENT_MEDIA_TYPE = 'application/vnd.portarium.approval-statement+json';

/** Separates these digests from every other use of SHA-256. */
export const APPROVAL_CONTEXT = 'portarium/approval/v1\n';

/** SHA-256 of {@link APPROVAL_CONTEXT} ‖ JCS(statement). */
export async function approvalDigest(statement: ApprovalStatement): Promise<Digest> {
  return contextDigest(new TextEncoder().encode(canonicalText(statement)));
}

/** The approval digest of exact bytes. */
export function contextDigest(statement: Uint8Array): Promise<Digest> {
  const context = new TextEncoder().encode(APPROVAL_CONTEXT);
  const bytes = new Uint8Array(context.length + statement.length);
  bytes.set(context);
  bytes.set(statement, context.length);
  return digestOf(bytes);
}
