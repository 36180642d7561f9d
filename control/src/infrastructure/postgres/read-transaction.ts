/** The reads of a transaction that is bound to one workspace. */

import type { Digest } from '@portarium/contracts/digest';
import { idFromUuid, uuidOf, type WorkspaceId } from '@portarium/contracts/ids';
import type { LogLine, ReadTransaction } from '../../application/ports/workspace-store.ts';
import type { KeyRole } from '../../domain/permissions.ts';
import { readApprovals } from './approval-tables.ts';
import { readCandidates } from './candidate-tables.ts';
import type { Sql, TransactionSql } from './connect.ts';
import { readCredentials } from './credential-tables.ts';
import { readJournal } from './journal-tables.ts';
import { readKeep } from './keep-tables.ts';
import { readLimits } from './limit-tables.ts';
import { readTree } from './log-tables.ts';
import { readMigrations } from './migration-tables.ts';
import { readPluginApprovals } from './plugin-approval-tables.ts';
import { readRegulation } from './regulation-tables.ts';
import { actionOf, attemptOf, currentOf, grantOf, logEntryOf, pluginOf, policyOf } from './rows.ts';
import { readUsage } from './usage-tables.ts';
import { readVersions } from './version-tables.ts';
import { readWatch } from './watch-tables.ts';

export const PLUGIN_COLUMNS = [
  'id',
  'name',
  'version',
  'digest',
  'module_digest',
  'rewriter',
  'manifest',
  'manifest_digest',
  'admission',
  'state',
  'quarantine',
  'lifted_at',
  'signature',
  'uploaded_by',
  'created_at',
];
export const ACTION_COLUMNS = [
  'id',
  'state',
  'tier',
  'plugin',
  'version',
  'plugin_digest',
  'operation',
  'effect',
  'input_digest',
  'contract_digest',
  'contract',
  'limits',
  'seed',
  'labels',
  'requested_by',
  'policy_version',
  'order_digest',
  'replaces',
  'dry_run',
  'dry_run_of',
  'credentials',
  'retention',
  'fence',
  'output_digest',
  'error',
  'trace',
  'created_at',
  'finished_at',
];
const ATTEMPT_COLUMNS = [
  'id',
  'action_id',
  'fence',
  'host',
  'isolation',
  'engine',
  'lease_until',
  'started_at',
  'finished_at',
  'verdict',
  'error',
  'usage',
];

/** @param instance where keys are, when that is another database than the workspace’s */
export function readTransaction(
  tx: TransactionSql,
  workspace: WorkspaceId,
  instance?: Sql,
): ReadTransaction {
  const keys = instance ?? tx;
  return {
    async findPlugin(name, version) {
      const [row] =
        version === undefined
          ? await tx`SELECT ${tx(PLUGIN_COLUMNS)} FROM plugins p
              LEFT JOIN (SELECT version AS chosen, weights FROM plugin_current WHERE workspace_id = ${workspace} AND plugin = ${name}) c ON true
              WHERE workspace_id = ${workspace} AND name = ${name} AND state = 'active'
                AND (c.chosen IS NULL OR CASE WHEN c.weights IS NULL THEN c.chosen = version ELSE c.weights ? version END)
              ORDER BY (c.weights ->> version)::integer DESC NULLS LAST, created_at DESC, id DESC LIMIT 1`
          : await tx`SELECT ${tx(PLUGIN_COLUMNS)} FROM plugins WHERE workspace_id = ${workspace} AND name = ${name} AND version = ${version}`;
      return row && pluginOf(row);
    },
    async listVersions(name) {
      const rows =
        await tx`SELECT ${tx(PLUGIN_COLUMNS)} FROM plugins WHERE workspace_id = ${workspace} AND name = ${name} ORDER BY created_at DESC, id DESC LIMIT 1000`;
      return rows.map(pluginOf);
    },
    async currentVersion(name) {
      const [row] =
        await tx`SELECT version, weights, changed_at, revision FROM plugin_current WHERE workspace_id = ${workspace} AND plugin = ${name}`;
      return row && currentOf(row);
    },
    async isPluginActive(name, version) {
      const [row] =
        await tx`SELECT 1 FROM plugins WHERE workspace_id = ${workspace} AND name = ${name} AND version = ${version} AND state = 'active'`;
      return row !== undefined;
    },
    async listPlugins() {
      const rows =
        await tx`SELECT ${tx(PLUGIN_COLUMNS)} FROM plugins WHERE workspace_id = ${workspace} ORDER BY name, created_at DESC LIMIT 1000`;
      return rows.map(pluginOf);
    },
    async findEgressGrant(plugin) {
      const [row] =
        await tx`SELECT plugin, rules, networks, revision, changed_by, changed_at, authors FROM plugin_egress WHERE workspace_id = ${workspace} AND plugin = ${plugin}`;
      return row && grantOf(row);
    },
    async activePolicy() {
      const [row] =
        await tx`SELECT id, version, text FROM policies WHERE workspace_id = ${workspace} AND active`;
      return row && policyOf(row);
    },
    async findAction(id) {
      const [row] =
        await tx`SELECT ${tx(ACTION_COLUMNS)} FROM actions WHERE workspace_id = ${workspace} AND id = ${uuidOf(id)}`;
      return row && actionOf(row);
    },
    async listActions({ limit, before, state, plugin }) {
      const rows = await tx`
        SELECT ${tx(ACTION_COLUMNS)} FROM actions WHERE workspace_id = ${workspace}
        ${before === undefined ? tx`` : tx`AND id < ${uuidOf(before)}`}
        ${state === undefined ? tx`` : tx`AND state = ${state}`}
        ${plugin === undefined ? tx`` : tx`AND plugin = ${plugin}`}
        ORDER BY id DESC LIMIT ${limit}`;
      return rows.map(actionOf);
    },
    async lastApproved({ id, plugin, operation }) {
      const [row] = await tx`
        SELECT ${tx(ACTION_COLUMNS)} FROM actions
        WHERE workspace_id = ${workspace} AND state = 'succeeded' AND tier = 'human-approve' AND NOT dry_run AND plugin = ${plugin} AND operation = ${operation} AND id < ${uuidOf(id)}
        ORDER BY id DESC LIMIT 1`;
      return row && actionOf(row);
    },
    async lastDryRun({ plugin, version, ...asked }) {
      const [row] = await tx`
        SELECT ${tx(ACTION_COLUMNS)} FROM actions
        WHERE workspace_id = ${workspace} AND dry_run AND input_digest = ${asked.inputDigest} AND plugin = ${plugin} AND version = ${version}
          AND plugin_digest = ${asked.pluginDigest} AND operation = ${asked.operation} AND contract_digest = ${asked.contractDigest}
          AND policy_version = ${asked.policyVersion} AND tier = ${asked.tier} AND credentials = ${tx.json(asked.credentials as never)}
        ORDER BY id DESC LIMIT 1`;
      return row && actionOf(row);
    },
    async listAttempts(action) {
      const rows =
        await tx`SELECT ${tx(ATTEMPT_COLUMNS)} FROM attempts WHERE workspace_id = ${workspace} AND action_id = ${uuidOf(action)} ORDER BY fence`;
      return rows.map(attemptOf);
    },
    async findAttempt(id) {
      const [row] =
        await tx`SELECT ${tx(ATTEMPT_COLUMNS)} FROM attempts WHERE workspace_id = ${workspace} AND id = ${uuidOf(id)}`;
      return row && attemptOf(row);
    },
    async stalledActions(at, sinceMs) {
      const rows = await tx`
        SELECT id FROM actions a WHERE workspace_id = ${workspace} AND state IN ('dispatched', 'running')
          AND created_at < ${at}::timestamptz - make_interval(secs => ${sinceMs / 1000})
          AND NOT EXISTS (SELECT 1 FROM attempts t WHERE t.workspace_id = a.workspace_id AND t.action_id = a.id
            AND coalesce(t.finished_at, t.lease_until) > ${at}::timestamptz - make_interval(secs => ${sinceMs / 1000}))
        ORDER BY id LIMIT 100`;
      return rows.map((row) => idFromUuid('action', row.id as string));
    },
    async attemptLogs(id) {
      const [row] =
        await tx`SELECT logs FROM attempts WHERE workspace_id = ${workspace} AND id = ${uuidOf(id)}`;
      return (row?.logs ?? []) as LogLine[];
    },
    async findIdempotencyHolder({ principal, route, key }) {
      const [row] = await tx`
        SELECT request_digest, action_id FROM idempotency_keys
        WHERE workspace_id = ${workspace} AND principal = ${uuidOf(principal)} AND route = ${route} AND key = ${key}`;
      return (
        row && {
          requestDigest: row.request_digest as Digest,
          action: idFromUuid('action', row.action_id as string),
        }
      );
    },
    async findKeyPeople(id) {
      const [row] =
        await keys`SELECT owner, created_by, role FROM api_keys WHERE id = ${uuidOf(id)}`;
      return (
        row && {
          owner: row.owner as string,
          createdBy: (row.created_by ?? null) as string | null,
          role: row.role as KeyRole,
        }
      );
    },
    async isKeyLive(id, at) {
      const [row] = await keys`
        SELECT 1 FROM api_keys
        WHERE id = ${uuidOf(id)} AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > ${at})`;
      return row !== undefined;
    },
    ...readJournal(tx, workspace),
    ...readApprovals(tx, workspace),
    ...readLimits(tx, workspace),
    ...readRegulation(tx, workspace),
    ...readKeep(tx, workspace),
    ...readCandidates(tx, workspace),
    ...readPluginApprovals(tx, workspace),
    ...readVersions(tx, workspace),
    ...readCredentials(tx, workspace),
    ...readUsage(tx, workspace),
    ...readLog(tx, workspace),
    ...readTree(tx, workspace),
    ...readMigrations(tx),
    ...readWatch(tx, workspace),
  };
}

/** Entries that tell who ended an action, or let it go on. */
const WORDS = [
  'approval.denied',
  'approval.changes-requested',
  'action.cancelled',
  'action.outcome-unknown',
  'action.resolved',
];

function readLog(
  tx: TransactionSql,
  workspace: WorkspaceId,
): Pick<ReadTransaction, 'entryRange' | 'lastEntry' | 'lastWord' | 'listEntries' | 'listEvents'> {
  return {
    async entryRange(action) {
      const [row] =
        await tx`SELECT min(seq) AS first, max(seq) AS last FROM log_entries WHERE workspace_id = ${workspace} AND action_id = ${uuidOf(action)}`;
      return row?.first == null ? undefined : { from: Number(row.first), to: Number(row.last) };
    },
    async lastEntry(action) {
      const [row] = await tx`
        SELECT seq, hash, bytes FROM log_entries WHERE workspace_id = ${workspace} AND action_id = ${uuidOf(action)}
        ORDER BY action_seq DESC LIMIT 1`;
      return row && logEntryOf(row);
    },
    async lastWord(action) {
      const [row] = await tx`
        SELECT bytes FROM log_entries WHERE workspace_id = ${workspace} AND action_id = ${uuidOf(action)}
          AND type IN ${tx(WORDS)} ORDER BY action_seq DESC LIMIT 1`;
      if (!row) return undefined;
      const { type, data } = JSON.parse(Buffer.from(row.bytes as Uint8Array).toString()) as {
        type: string;
        data: { by?: string; outcome?: string; rationale?: string };
      };
      if (data.by === undefined) return undefined;
      const { by, outcome = type.slice(type.indexOf('.') + 1), rationale } = data;
      return { by, outcome, ...(rationale === undefined ? {} : { rationale }) };
    },
    async listEntries({ after, limit, action }) {
      const rows = await tx`
        SELECT seq, hash, bytes FROM log_entries WHERE workspace_id = ${workspace} AND seq > ${after}
        ${action === undefined ? tx`` : tx`AND action_id = ${uuidOf(action)}`}
        ORDER BY seq LIMIT ${limit}`;
      return rows.map(logEntryOf);
    },
    async listEvents({ after, limit }) {
      const rows = await tx`
        SELECT seq, envelope FROM outbox WHERE workspace_id = ${workspace} AND seq > ${after} ORDER BY seq LIMIT ${limit}`;
      return rows.map((row) => {
        const envelope = row.envelope as string;
        const { type, subject } = JSON.parse(envelope) as { type: string; subject: string };
        return { seq: Number(row.seq), type, subject, envelope };
      });
    },
  };
}
