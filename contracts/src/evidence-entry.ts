/**
 * An entry of the evidence log: one canonical JSON object, stored and verified as exact bytes.
 * `hash = SHA-256(0x00 ‖ bytes)`, the leaf hash of RFC 6962, so one value chains and is the leaf.
 */
import * as v from 'valibot';
import { type Digest, DigestSchema, sha256, sha256Each, toHex } from './digest.ts';
import { plainRecord } from './plain-record.ts';
import { RETENTION_CLASSES } from './retention-class.ts';

export const ENTRY_TYPES = [
  'instance.bootstrapped',
  'workspace.created',
  'key.created',
  'key.revoked',
  'policy.activated',
  'plugin.admitted',
  'plugin.rejected',
  'plugin.current-set',
  'plugin.approval-requested',
  'plugin.endorsed',
  'plugin.approved',
  'plugin.denied',
  'plugin.quarantined',
  'plugin.quarantine-lifted',
  'plugin-rules.changed',
  'publisher.trusted',
  'publisher.revoked',
  'egress.granted',
  'credential.created',
  'credential.rotated',
  'credential.revoked',
  'vault.rewrapped',
  'approval-rules.changed',
  'workspace-limits.changed',
  'workspace-regulation.changed',
  'store.probed',
  'retention.lengthened',
  'hold.placed',
  'hold.lifted',
  'disposal.ordered',
  'disposal.finished',
  'migration.applied',
  'clock.stepped',
  'evidence.frozen',
  'evidence.recovered',
  'evidence.verification-failed',
  'reconciliation.repaired',
  'reconciliation.left-over',
  'log-key.rotated',
  'action.requested',
  'policy.decided',
  'approval.requested',
  'approval.endorsed',
  'approval.granted',
  'approval.denied',
  'approval.expired',
  'approval.voided',
  'approval.changes-requested',
  'attempt.started',
  'egress.intended',
  'egress.answered',
  'egress.denied',
  'egress.withheld',
  'attempt.finished',
  'action.succeeded',
  'action.failed',
  'action.cancelled',
  'action.outcome-unknown',
  'action.resolved',
] as const;
export type EntryType = (typeof ENTRY_TYPES)[number];

const FINAL_ENTRY_TYPES: ReadonlySet<string> = new Set([
  'action.succeeded',
  'action.failed',
  'action.cancelled',
  'action.resolved',
  'approval.denied',
  'approval.expired',
  'approval.changes-requested',
]);

/**
 * Whether the entry ends its action; such an entry states `data.entries`, the action's count. A person
 * may resolve an unknown outcome to `dispatched`: then the action goes on.
 */
export function endsAction(type: string, data: Readonly<Record<string, unknown>>): boolean {
  if (type === 'action.resolved' && data.outcome === 'dispatched') return false;
  if (type === 'policy.decided') return data.decision === 'deny';
  return FINAL_ENTRY_TYPES.has(type);
}

export const ActorSchema = v.strictObject({
  kind: v.picklist(['user', 'agent', 'service', 'system', 'sandbox']),
  id: v.string(),
});
export type Actor = v.InferOutput<typeof ActorSchema>;

export const ArtifactSchema = v.strictObject({
  digest: DigestSchema,
  bytes: v.pipe(v.number(), v.integer(), v.minValue(0)),
  mediaType: v.string(),
  retention: v.picklist(RETENTION_CLASSES),
});
export type Artifact = v.InferOutput<typeof ArtifactSchema>;

const sequence = v.pipe(v.number(), v.integer(), v.minValue(0));

export const EntrySchema = v.strictObject({
  v: v.literal(1),
  workspace: v.string(),
  /** 0, 1, 2 … without gaps. */
  seq: sequence,
  time: v.pipe(v.string(), v.regex(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/)),
  type: v.picklist(ENTRY_TYPES),
  actor: ActorSchema,
  subject: v.strictObject({
    action: v.optional(v.string()),
    attempt: v.optional(v.string()),
    plugin: v.optional(v.string()),
    approval: v.optional(v.string()),
    policy: v.optional(v.string()),
    run: v.optional(v.string()),
    key: v.optional(v.string()),
  }),
  data: plainRecord(v.string(), v.unknown()),
  artifacts: v.array(ArtifactSchema),
  /** W3C trace id, 32 hexadecimal digits. */
  trace: v.nullable(v.string()),
  /** Hash of the entry before; null at 0. */
  prev: v.nullable(DigestSchema),
  /** Position within the action's own chain, when `subject.action` is there. */
  actionSeq: v.optional(sequence),
  actionPrev: v.optional(v.nullable(DigestSchema)),
});
export type Entry = v.InferOutput<typeof EntrySchema>;

/** RFC 6962, section 2.1: the hash of a leaf. */
export async function leafHash(bytes: Uint8Array): Promise<Uint8Array> {
  const prefixed = new Uint8Array(bytes.length + 1);
  prefixed.set(bytes, 1);
  return sha256(prefixed);
}

/** {@link leafHash} of each, without a promise for each where the runtime can. */
export function leafHashes(entries: readonly Uint8Array[]): Promise<Uint8Array[]> {
  const longest = entries.reduce((most, { length }) => Math.max(most, length), 0);
  const prefixed = new Uint8Array(longest + 1);
  return sha256Each(entries.length, (index) => {
    const bytes = entries[index] ?? new Uint8Array();
    prefixed.set(bytes, 1);
    return prefixed.subarray(0, bytes.length + 1);
  });
}

/** {@link leafHash} in the form that stands in `prev`. */
export async function entryHash(bytes: Uint8Array): Promise<Digest> {
  return `sha256:${toHex(await leafHash(bytes))}`;
}
