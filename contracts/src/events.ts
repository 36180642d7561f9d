/** Events that leave the platform: CloudEvents 1.0, one type for each entry type that has one. */
import type { EntryType } from './evidence-entry.ts';

export const STREAMS = {
  PORTARIUM_RUNS: { categories: ['action', 'approval', 'review'], days: 30 },
  PORTARIUM_EVIDENCE: { categories: ['evidence'], days: 90 },
  PORTARIUM_AGENTS: { categories: ['plugin', 'agent', 'credential'], days: 7 },
  PORTARIUM_TELEMETRY: { categories: ['usage'], days: 1 },
} as const;

export type StreamName = keyof typeof STREAMS;

/** JetStream drops a repeated `Nats-Msg-Id` within this window; consumers drop it beyond. */
export const DEDUPLICATION_WINDOW_MS = 10 * 60_000;

/** Which entry types are also published; others stay in the log. */
export const PUBLISHED: ReadonlySet<EntryType> = new Set<EntryType>([
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
  'egress.denied',
  'attempt.finished',
  'action.succeeded',
  'action.failed',
  'action.cancelled',
  'action.outcome-unknown',
  'action.resolved',
  'plugin.admitted',
  'plugin.rejected',
  'plugin.current-set',
  'plugin.approval-requested',
  'plugin.endorsed',
  'plugin.approved',
  'plugin.denied',
  'plugin.quarantined',
  'plugin.quarantine-lifted',
  'publisher.trusted',
  'publisher.revoked',
  'egress.granted',
  'credential.created',
  'credential.rotated',
  'credential.revoked',
  'clock.stepped',
  'evidence.frozen',
  'evidence.recovered',
  'evidence.verification-failed',
  'reconciliation.repaired',
  'reconciliation.left-over',
  'log-key.rotated',
]);

const CATEGORY_OF: { readonly [prefix: string]: string } = {
  action: 'action',
  policy: 'action',
  attempt: 'action',
  egress: 'action',
  approval: 'approval',
  plugin: 'plugin',
  publisher: 'plugin',
  credential: 'credential',
};

/** `action.succeeded` → `io.portarium.action.succeeded.v1`. */
export function eventType(type: EntryType): string {
  return `io.portarium.${type}.v1`;
}

/** `portarium.events.{workspace}.{category}.{type}`. */
export function eventSubject(workspace: string, type: EntryType): string {
  const category = CATEGORY_OF[type.split('.')[0] ?? ''] ?? 'evidence';
  return `portarium.events.${workspace}.${category}.${type}`;
}
