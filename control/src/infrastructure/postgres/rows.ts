/** Between rows of PostgreSQL and records of the ports. */
import type { Digest } from '@portarium/contracts/digest';
import { idFromUuid, type WorkspaceId } from '@portarium/contracts/ids';
import type { KeyRecord, WorkspaceRecord } from '../../application/ports/directory.ts';
import type {
  ActionRecord,
  AttemptRecord,
  CurrentVersion,
  EgressGrantRecord,
  LogEntryRecord,
  PluginRecord,
  PolicyRecord,
} from '../../application/ports/records.ts';
import type { TransactionSql } from './connect.ts';

export type Row = Record<string, unknown>;

/** Makes a JSON parameter; the driver types those more narrowly than our readonly records. */
export type JsonParameter = (value: unknown) => ReturnType<TransactionSql['json']>;

// Rows are our own writes, checked on their way in; the casts below are this file's whole purpose.
const text = (row: Row, name: string) => row[name] as string;
const maybe = (row: Row, name: string) => (row[name] ?? null) as string | null;
const time = (row: Row, name: string) => (row[name] as Date).toISOString();
const maybeTime = (row: Row, name: string) => (row[name] as Date | null)?.toISOString() ?? null;

export function currentOf(row: Row): CurrentVersion {
  return {
    version: text(row, 'version'),
    weights: (row.weights ?? null) as CurrentVersion['weights'],
    chosenAt: time(row, 'changed_at'),
    revision: Number(row.revision),
  };
}

export function pluginOf(row: Row): PluginRecord {
  return {
    id: idFromUuid('plugin', text(row, 'id')),
    name: text(row, 'name'),
    version: text(row, 'version'),
    digest: text(row, 'digest') as Digest,
    moduleDigest: text(row, 'module_digest') as Digest,
    rewriter: text(row, 'rewriter'),
    manifest: row.manifest as PluginRecord['manifest'],
    manifestDigest: text(row, 'manifest_digest') as Digest,
    admission: row.admission as PluginRecord['admission'],
    state: text(row, 'state') as PluginRecord['state'],
    quarantine: (row.quarantine ?? null) as PluginRecord['quarantine'],
    liftedAt: maybeTime(row, 'lifted_at'),
    signature: (row.signature ?? null) as PluginRecord['signature'],
    uploadedBy: text(row, 'uploaded_by'),
    createdAt: time(row, 'created_at'),
  };
}

export function grantOf(row: Row): EgressGrantRecord {
  return {
    plugin: text(row, 'plugin'),
    rules: row.rules as EgressGrantRecord['rules'],
    networks: row.networks as EgressGrantRecord['networks'],
    revision: Number(row.revision),
    changedBy: text(row, 'changed_by'),
    changedAt: time(row, 'changed_at'),
    authors: row.authors as EgressGrantRecord['authors'],
  };
}

export function policyOf(row: Row): PolicyRecord {
  return {
    id: idFromUuid('policy', text(row, 'id')),
    version: Number(row.version),
    text: text(row, 'text'),
  };
}

export function actionOf(row: Row): ActionRecord {
  return {
    id: idFromUuid('action', text(row, 'id')),
    state: text(row, 'state') as ActionRecord['state'],
    tier: maybe(row, 'tier') as ActionRecord['tier'],
    plugin: text(row, 'plugin'),
    version: text(row, 'version'),
    pluginDigest: text(row, 'plugin_digest') as Digest,
    operation: text(row, 'operation'),
    effect: text(row, 'effect') as ActionRecord['effect'],
    inputDigest: text(row, 'input_digest') as Digest,
    contractDigest: text(row, 'contract_digest') as Digest,
    contract: row.contract as ActionRecord['contract'],
    limits: row.limits as ActionRecord['limits'],
    seed: text(row, 'seed'),
    labels: row.labels as ActionRecord['labels'],
    requestedBy: idFromUuid('key', text(row, 'requested_by')),
    policyVersion: Number(row.policy_version),
    orderDigest: maybe(row, 'order_digest') as Digest | null,
    replaces: row.replaces == null ? null : idFromUuid('action', text(row, 'replaces')),
    dryRun: row.dry_run as boolean,
    dryRunOf: row.dry_run_of == null ? null : idFromUuid('action', text(row, 'dry_run_of')),
    credentials: row.credentials as ActionRecord['credentials'],
    retention: text(row, 'retention') as ActionRecord['retention'],
    fence: Number(row.fence),
    outputDigest: maybe(row, 'output_digest') as Digest | null,
    error: (row.error ?? null) as ActionRecord['error'],
    trace: maybe(row, 'trace'),
    createdAt: time(row, 'created_at'),
    finishedAt: maybeTime(row, 'finished_at'),
  };
}

export function attemptOf(row: Row): AttemptRecord {
  return {
    id: idFromUuid('attempt', text(row, 'id')),
    action: idFromUuid('action', text(row, 'action_id')),
    fence: Number(row.fence),
    host: text(row, 'host'),
    isolation: text(row, 'isolation'),
    engine: text(row, 'engine'),
    leaseUntil: time(row, 'lease_until'),
    startedAt: time(row, 'started_at'),
    finishedAt: maybeTime(row, 'finished_at'),
    verdict: maybe(row, 'verdict') as AttemptRecord['verdict'],
    error: (row.error ?? null) as AttemptRecord['error'],
    usage: (row.usage ?? null) as AttemptRecord['usage'],
  };
}

export function logEntryOf(row: Row): LogEntryRecord {
  return {
    seq: Number(row.seq),
    hash: text(row, 'hash') as Digest,
    bytes: new Uint8Array(row.bytes as Uint8Array),
  };
}

export function workspaceOf(row: Row): WorkspaceRecord {
  return {
    id: text(row, 'id') as WorkspaceId,
    name: text(row, 'name'),
    tenancyTier: text(row, 'tenancy_tier') as WorkspaceRecord['tenancyTier'],
    createdAt: time(row, 'created_at'),
  };
}

export function keyOf(row: Row): KeyRecord {
  return {
    id: idFromUuid('key', text(row, 'id')),
    workspace: maybe(row, 'workspace_id') as WorkspaceId | null,
    name: text(row, 'name'),
    owner: text(row, 'owner'),
    createdBy: maybe(row, 'created_by'),
    role: text(row, 'role') as KeyRecord['role'],
    createdAt: time(row, 'created_at'),
    expiresAt: maybeTime(row, 'expires_at'),
    revokedAt: maybeTime(row, 'revoked_at'),
    lastUsedAt: maybeTime(row, 'last_used_at'),
  };
}
