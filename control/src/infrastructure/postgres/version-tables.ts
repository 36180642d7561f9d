/** Quarantine, crashes, publishers, and what a workspace asks of plugins. */
import type { Digest } from '@portarium/contracts/digest';
import { type AttemptId, idFromUuid, uuidOf, type WorkspaceId } from '@portarium/contracts/ids';
import type {
  PluginRules,
  PublisherRecord,
  VersionReads,
  VersionWrites,
} from '../../application/ports/version-store.ts';
import { DEFAULT_PLUGIN_RULES } from '../../domain/plugin-rules.ts';
import type { TransactionSql } from './connect.ts';
import { lockName } from './lock-name.ts';
import type { JsonParameter, Row } from './rows.ts';

const PUBLISHER_COLUMNS = [
  ...['fingerprint', 'name', 'verifier_key', 'trusted_by', 'trusted_at'],
  ...['revoked_by', 'revoked_at'],
];

/** Attempts that a report of crashes names. */
const REPORTED_ATTEMPTS = 20;

export function readVersions(tx: TransactionSql, workspace: WorkspaceId): VersionReads {
  return {
    async pluginRules() {
      const [row] =
        await tx`SELECT signature, quarantine_after, crash_window_ms, revision FROM plugin_rules WHERE workspace_id = ${workspace}`;
      return row ? rulesOf(row) : DEFAULT_PLUGIN_RULES;
    },
    async listPublishers() {
      const rows =
        await tx`SELECT ${tx(PUBLISHER_COLUMNS)} FROM publishers WHERE workspace_id = ${workspace} ORDER BY trusted_at, fingerprint`;
      return rows.map(publisherOf);
    },
  };
}

export function writeVersions(
  tx: TransactionSql,
  workspace: WorkspaceId,
  json: JsonParameter,
): VersionWrites {
  return {
    ...writeRules(tx, workspace),
    ...writePublishers(tx, workspace),
    ...writeCrashes(tx, workspace),
    async quarantinePlugin(id, quarantine) {
      const rows = await tx`
        UPDATE plugins SET state = 'quarantined', quarantine = ${json(quarantine)}
        WHERE workspace_id = ${workspace} AND id = ${uuidOf(id)} AND state = 'active' RETURNING id`;
      return rows.length === 1;
    },
    async liftQuarantine(id, at) {
      const rows = await tx`
        UPDATE plugins SET state = 'active', quarantine = NULL, lifted_at = ${at}
        WHERE workspace_id = ${workspace} AND id = ${uuidOf(id)} AND state = 'quarantined' RETURNING id`;
      return rows.length === 1;
    },
  };
}

function writeRules(
  tx: TransactionSql,
  workspace: WorkspaceId,
): Pick<VersionWrites, 'lockPluginRules' | 'putPluginRules'> {
  return {
    async lockPluginRules() {
      await lockName(tx, `plugin-rules/${workspace}`);
      return readVersions(tx, workspace).pluginRules();
    },
    async putPluginRules({ signature, quarantineAfter, crashWindowMs }, by, at) {
      const [row] = await tx`
        INSERT INTO plugin_rules (workspace_id, signature, quarantine_after, crash_window_ms, revision, changed_by, changed_at)
        VALUES (${workspace}, ${signature}, ${quarantineAfter}, ${crashWindowMs}, 1, ${by}, ${at})
        ON CONFLICT (workspace_id) DO UPDATE SET signature = excluded.signature, quarantine_after = excluded.quarantine_after,
          crash_window_ms = excluded.crash_window_ms, revision = plugin_rules.revision + 1, changed_by = excluded.changed_by, changed_at = excluded.changed_at
        RETURNING signature, quarantine_after, crash_window_ms, revision`;
      if (!row) throw new Error('the rules of plugins were not stored');
      return rulesOf(row);
    },
  };
}

function writePublishers(
  tx: TransactionSql,
  workspace: WorkspaceId,
): Pick<VersionWrites, 'insertPublisher' | 'holdPublisher' | 'revokePublisher' | 'signedBy'> {
  return {
    async insertPublisher({ fingerprint, name, verifierKey, trustedBy, trustedAt }) {
      const rows = await tx`
        INSERT INTO publishers (workspace_id, fingerprint, name, verifier_key, trusted_by, trusted_at)
        VALUES (${workspace}, ${fingerprint}, ${name}, ${verifierKey}, ${trustedBy}, ${trustedAt})
        ON CONFLICT DO NOTHING RETURNING fingerprint`;
      return rows.length === 1;
    },
    async holdPublisher(fingerprint) {
      const [row] =
        await tx`SELECT ${tx(PUBLISHER_COLUMNS)} FROM publishers WHERE workspace_id = ${workspace} AND fingerprint = ${fingerprint} FOR SHARE`;
      return row && publisherOf(row);
    },
    async revokePublisher(fingerprint, by, at) {
      const [row] = await tx`
        UPDATE publishers SET revoked_by = ${by}, revoked_at = ${at}
        WHERE workspace_id = ${workspace} AND fingerprint = ${fingerprint} AND revoked_at IS NULL RETURNING ${tx(PUBLISHER_COLUMNS)}`;
      return row && publisherOf(row);
    },
    async signedBy(fingerprint) {
      const rows = await tx`
        SELECT DISTINCT name FROM plugins
        WHERE workspace_id = ${workspace} AND signature ->> 'fingerprint' = ${fingerprint} AND state = 'active' ORDER BY name`;
      return rows.map((row) => row.name as string);
    },
  };
}

type CrashWrites = Pick<
  VersionWrites,
  'recordCrash' | 'crashesByPerson' | 'worksByPerson' | 'crashReport' | 'othersUse'
>;

function writeCrashes(tx: TransactionSql, workspace: WorkspaceId): CrashWrites {
  return {
    async recordCrash({ plugin, version, attempt, person, inputDigest, code, at }, since) {
      await tx`DELETE FROM plugin_crashes WHERE workspace_id = ${workspace} AND plugin = ${plugin} AND version = ${version} AND crashed_at < ${since}`;
      await tx`
        INSERT INTO plugin_crashes (workspace_id, plugin, version, attempt_id, person, input_digest, code, crashed_at)
        VALUES (${workspace}, ${plugin}, ${version}, ${uuidOf(attempt)}, ${person}, ${inputDigest}, ${code}, ${at})`;
    },
    async crashesByPerson({ plugin, version, since }) {
      const rows = await tx`
        SELECT person, count(*) AS crashes, count(DISTINCT input_digest) AS inputs FROM plugin_crashes
        WHERE workspace_id = ${workspace} AND plugin = ${plugin} AND version = ${version} AND crashed_at >= ${since}
        GROUP BY person ORDER BY person`;
      return rows.map((row) => ({
        person: row.person as string,
        crashes: Number(row.crashes),
        inputs: Number(row.inputs),
      }));
    },
    async worksByPerson({ plugin, version, since }) {
      const oldest = uuidFrom(Date.parse(since) - 24 * 60 * 60 * 1000);
      const rows = await tx`
        SELECT k.owner AS person, count(DISTINCT a.input_digest) AS inputs FROM actions a JOIN api_keys k ON k.id = a.requested_by
        WHERE a.workspace_id = ${workspace} AND a.plugin = ${plugin} AND a.id >= ${oldest} AND a.version = ${version}
          AND a.state = 'succeeded' AND a.finished_at >= ${since} AND NOT a.dry_run
        GROUP BY k.owner ORDER BY k.owner`;
      return rows.map((row) => ({ person: row.person as string, inputs: Number(row.inputs) }));
    },
    async crashReport({ plugin, version, since }) {
      const rows = await tx`
        SELECT attempt_id, person, code FROM plugin_crashes
        WHERE workspace_id = ${workspace} AND plugin = ${plugin} AND version = ${version} AND crashed_at >= ${since}
        ORDER BY crashed_at DESC, attempt_id DESC`;
      const codes: Record<string, number> = {};
      for (const { code } of rows) codes[code as string] = (codes[code as string] ?? 0) + 1;
      return {
        count: rows.length,
        people: new Set(rows.map((row) => row.person)).size,
        codes,
        attempts: rows
          .slice(0, REPORTED_ATTEMPTS)
          .map((row): AttemptId => idFromUuid('attempt', row.attempt_id as string)),
      };
    },
    async othersUse(plugin, person) {
      const [row] = await tx`
        SELECT 1 FROM api_keys k
        WHERE (k.workspace_id = ${workspace} OR k.workspace_id IS NULL) AND k.owner <> ${person}
          AND EXISTS (SELECT 1 FROM actions a WHERE a.workspace_id = ${workspace} AND a.plugin = ${plugin} AND a.requested_by = k.id)
        LIMIT 1`;
      return row !== undefined;
    },
  };
}

/** The least UUID of version 7 from that time. */
function uuidFrom(timeMs: number): string {
  const hex = Math.max(0, timeMs).toString(16).padStart(12, '0');
  return `${hex.slice(0, 8)}-${hex.slice(8)}-7000-8000-000000000000`;
}

// Rows are our own writes, checked on their way in.
function rulesOf(row: Row): PluginRules {
  return {
    signature: row.signature as PluginRules['signature'],
    quarantineAfter: Number(row.quarantine_after),
    crashWindowMs: Number(row.crash_window_ms),
    revision: Number(row.revision),
  };
}

function publisherOf(row: Row): PublisherRecord {
  return {
    fingerprint: row.fingerprint as Digest,
    name: row.name as string,
    verifierKey: row.verifier_key as string,
    trustedBy: row.trusted_by as string,
    trustedAt: (row.trusted_at as Date).toISOString(),
    revokedBy: row.revoked_by as string | null,
    revokedAt: (row.revoked_at as Date | null)?.toISOString() ?? null,
  };
}
