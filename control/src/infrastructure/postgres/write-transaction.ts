/** The writes of a transaction that is bound to one workspace. Entries are queued, not yet appended. */

import { uuidOf, type WorkspaceId } from '@portarium/contracts/ids';
import type { ActionState } from '@portarium/contracts/life-cycle';
import type { EntryDraft, WriteTransaction } from '../../application/ports/workspace-store.ts';
import { writeApprovals } from './approval-tables.ts';
import { writeCandidates } from './candidate-tables.ts';
import type { Sql, TransactionSql } from './connect.ts';
import { writeCredentials } from './credential-tables.ts';
import { writeJournal } from './journal-tables.ts';
import { writeKeep } from './keep-tables.ts';
import { writeLimits } from './limit-tables.ts';
import { lockName } from './lock-name.ts';
import { writeTree } from './log-tables.ts';
import { writeMigrations } from './migration-tables.ts';
import { writePluginApprovals } from './plugin-approval-tables.ts';
import { writeRates } from './rate-tables.ts';
import { ACTION_COLUMNS, readTransaction } from './read-transaction.ts';
import { writeRegulation } from './regulation-tables.ts';
import { actionOf, currentOf, grantOf, type JsonParameter } from './rows.ts';
import { writeVersions } from './version-tables.ts';
import { writeWatch } from './watch-tables.ts';

// The driver types JSON parameters more narrowly than our readonly records.
type Json = Parameters<TransactionSql['json']>[0];

export function writeTransaction(
  tx: TransactionSql,
  workspace: WorkspaceId,
  drafts: EntryDraft[],
  instance?: Sql,
): WriteTransaction {
  const json = (value: unknown) => tx.json(value as Json);
  return {
    ...readTransaction(tx, workspace, instance),
    ...writeInstance(tx),
    ...(instance ? writeKeysOf(tx, instance) : {}),
    append(entry) {
      drafts.push(entry);
    },
    async lockPluginVersions(name) {
      await lockName(tx, `plugin/${workspace}/${name}`);
    },
    async putCurrentVersion(name, { version, weights }, by, at) {
      const [row] = await tx`
        INSERT INTO plugin_current (workspace_id, plugin, version, weights, revision, changed_by, changed_at)
        VALUES (${workspace}, ${name}, ${version}, ${weights && json(weights)}, 1, ${by}, ${at})
        ON CONFLICT (workspace_id, plugin) DO UPDATE SET version = excluded.version, weights = excluded.weights,
          revision = plugin_current.revision + 1, changed_by = excluded.changed_by, changed_at = excluded.changed_at
        RETURNING version, weights, changed_at, revision`;
      if (!row) throw new Error('the current version was not stored');
      return currentOf(row);
    },
    async insertPlugin(plugin) {
      const rows = await tx`
        INSERT INTO plugins (workspace_id, id, name, version, digest, module_digest, rewriter, manifest, manifest_digest, admission, state, signature, uploaded_by, created_at)
        VALUES (${workspace}, ${uuidOf(plugin.id)}, ${plugin.name}, ${plugin.version}, ${plugin.digest}, ${plugin.moduleDigest}, ${plugin.rewriter},
          ${json(plugin.manifest)}, ${plugin.manifestDigest}, ${json(plugin.admission)}, ${plugin.state}, ${plugin.signature && json(plugin.signature)}, ${plugin.uploadedBy}, ${plugin.createdAt})
        ON CONFLICT DO NOTHING RETURNING id`;
      return rows.length === 1;
    },
    async lockEgressGrant(plugin) {
      await lockName(tx, `egress/${workspace}/${plugin}`);
      return readTransaction(tx, workspace).findEgressGrant(plugin);
    },
    async putEgressGrant(grant) {
      const [row] = await tx`
        INSERT INTO plugin_egress (workspace_id, plugin, rules, networks, revision, changed_by, changed_at, authors)
        VALUES (${workspace}, ${grant.plugin}, ${json(grant.rules)}, ${json(grant.networks)}, 1, ${grant.changedBy}, ${grant.changedAt}, ${json(grant.authors)})
        ON CONFLICT (workspace_id, plugin) DO UPDATE SET rules = excluded.rules, networks = excluded.networks,
          revision = plugin_egress.revision + 1, changed_by = excluded.changed_by, changed_at = excluded.changed_at, authors = excluded.authors
        RETURNING plugin, rules, networks, revision, changed_by, changed_at, authors`;
      if (!row) throw new Error('the egress grant was not stored');
      return grantOf(row);
    },
    async insertPolicy(policy) {
      await tx`UPDATE policies SET active = false WHERE workspace_id = ${workspace} AND active`;
      await tx`INSERT INTO policies (workspace_id, version, id, text, active, created_at) VALUES (${workspace}, ${policy.version}, ${uuidOf(policy.id)}, ${policy.text}, true, now())`;
    },
    ...writeActions(tx, workspace, json),
    ...writeAttempts(tx, workspace, json),
    ...writeJournal(tx, workspace, json),
    ...writeRates(tx, workspace, json),
    ...writeApprovals(tx, workspace, json),
    ...writeLimits(tx, workspace, json),
    ...writeRegulation(tx, workspace),
    ...writeKeep(tx, workspace, json),
    ...writePluginApprovals(tx, workspace, json),
    ...writeVersions(tx, workspace, json),
    ...writeCandidates(tx, workspace, json),
    ...writeCredentials(tx, workspace),
    ...writeTree(tx, workspace, json),
    ...writeMigrations(tx),
    ...writeWatch(tx, workspace, json),
  };
}

/** Rows of the instance that must be there together with their evidence. */
function writeInstance(
  tx: Sql | TransactionSql,
): Pick<WriteTransaction, 'insertWorkspace' | 'insertKey' | 'revokeKey'> {
  return {
    async insertWorkspace(workspace) {
      const rows = await tx`
        INSERT INTO workspaces (id, name, tenancy_tier, created_at)
        VALUES (${workspace.id}, ${workspace.name}, ${workspace.tenancyTier}, ${workspace.createdAt}) ON CONFLICT DO NOTHING RETURNING id`;
      return rows.length === 1;
    },
    async insertKey(key, secretHash) {
      await tx`
        INSERT INTO api_keys (id, workspace_id, name, owner, created_by, role, secret_hash, created_at, expires_at)
        VALUES (${uuidOf(key.id)}, ${key.workspace}, ${key.name}, ${key.owner}, ${key.createdBy}, ${key.role}, ${secretHash}, ${key.createdAt}, ${key.expiresAt})`;
    },
    async revokeKey(scope, id, at) {
      const rows = await tx`
        UPDATE api_keys SET revoked_at = ${at}
        WHERE id = ${uuidOf(id)} AND workspace_id IS NOT DISTINCT FROM ${scope} AND revoked_at IS NULL RETURNING id`;
      return rows.length === 1;
    },
  };
}

/** For a secret that is not here: no hash is all zeros. */
const NO_SECRET = new Uint8Array(32);

/**
 * Keys of a workspace whose database is not the instance’s (tier C). The key itself is in the instance’s database, by a
 * statement of its own; what stands here, without its secret, comes and goes with the entries of the transaction. A key
 * whose transaction is lost is one whose secret nobody was told; one whose revocation is lost is revoked, and told by the
 * next request to revoke it.
 */
function writeKeysOf(
  tx: TransactionSql,
  instance: Sql,
): Pick<WriteTransaction, 'insertKey' | 'revokeKey' | 'isKeyLive'> {
  const [here, there] = [writeInstance(tx), writeInstance(instance)];
  return {
    async insertKey(key, secretHash) {
      await there.insertKey(key, secretHash);
      await here.insertKey(key, NO_SECRET);
    },
    async revokeKey(scope, id, at) {
      const known = await there.revokeKey(scope, id, at);
      return (await here.revokeKey(scope, id, at)) || known;
    },
    async isKeyLive(id, at) {
      const [row] = await instance`
        SELECT workspace_id, name, owner, created_by, role, created_at, expires_at, revoked_at,
          revoked_at IS NULL AND (expires_at IS NULL OR expires_at > ${at}) AS live
        FROM api_keys WHERE id = ${uuidOf(id)}`;
      if (!row) return false;
      // Holds by person, and what others use, go by the keys that have acted here.
      await tx`
        INSERT INTO api_keys (id, workspace_id, name, owner, created_by, role, secret_hash, created_at, expires_at, revoked_at)
        VALUES (${uuidOf(id)}, ${row.workspace_id}, ${row.name}, ${row.owner}, ${row.created_by}, ${row.role}, ${NO_SECRET}, ${row.created_at}, ${row.expires_at}, ${row.revoked_at})
        ON CONFLICT (id) DO NOTHING`;
      return row.live as boolean;
    },
  };
}

function writeActions(
  tx: TransactionSql,
  workspace: WorkspaceId,
  json: JsonParameter,
): Pick<
  WriteTransaction,
  | 'insertAction'
  | 'queueDispatch'
  | 'lockAction'
  | 'lockProgress'
  | 'narrowAction'
  | 'updateAction'
  | 'claimIdempotencyKey'
  | 'forgetIdempotencyKeys'
> {
  return {
    async insertAction(action) {
      await tx`
        INSERT INTO actions (workspace_id, id, state, tier, plugin, version, plugin_digest, operation, effect, input_digest, contract_digest,
          contract, limits, seed, labels, requested_by, policy_version, order_digest, replaces, dry_run, dry_run_of, credentials, retention, fence, trace, error, created_at, finished_at)
        VALUES (${workspace}, ${uuidOf(action.id)}, ${action.state}, ${action.tier}, ${action.plugin}, ${action.version}, ${action.pluginDigest},
          ${action.operation}, ${action.effect}, ${action.inputDigest}, ${action.contractDigest}, ${json(action.contract)}, ${json(action.limits)},
          ${action.seed}, ${json(action.labels)}, ${uuidOf(action.requestedBy)}, ${action.policyVersion},
          ${action.orderDigest}, ${action.replaces === null ? null : uuidOf(action.replaces)}, ${action.dryRun},
          ${action.dryRunOf === null ? null : uuidOf(action.dryRunOf)}, ${json(action.credentials)}, ${action.retention}, ${action.fence}, ${action.trace},
          ${action.error === null ? null : json(action.error)}, ${action.createdAt}, ${action.finishedAt})`;
    },
    async queueDispatch(action, wake) {
      await tx`
        INSERT INTO dispatch_queue (workspace_id, action_id, due_at, wake_id) VALUES (${workspace}, ${uuidOf(action)}, now(), ${wake ?? null})
        ON CONFLICT (action_id) DO UPDATE SET wake_id = coalesce(excluded.wake_id, dispatch_queue.wake_id)`;
    },
    async lockAction(id) {
      const [row] =
        await tx`SELECT ${tx(ACTION_COLUMNS)} FROM actions WHERE workspace_id = ${workspace} AND id = ${uuidOf(id)} FOR UPDATE`;
      return row && actionOf(row);
    },
    async lockProgress(id) {
      const [row] =
        await tx`SELECT state, fence FROM actions WHERE workspace_id = ${workspace} AND id = ${uuidOf(id)} FOR UPDATE`;
      return row && { state: row.state as ActionState, fence: Number(row.fence) };
    },
    async narrowAction(id, { contract, contractDigest, orderDigest }) {
      await tx`
        UPDATE actions SET contract = ${json(contract)}, contract_digest = ${contractDigest}, order_digest = ${orderDigest}
        WHERE workspace_id = ${workspace} AND id = ${uuidOf(id)} AND state = 'waiting-approval'`;
    },
    async updateAction(id, change) {
      await tx`
        UPDATE actions SET state = ${change.state}, fence = coalesce(${change.fence ?? null}, fence),
          output_digest = coalesce(${change.outputDigest ?? null}, output_digest),
          error = ${change.error === undefined ? tx`error` : change.error === null ? null : json(change.error)},
          finished_at = coalesce(${change.finishedAt ?? null}, finished_at)
        WHERE workspace_id = ${workspace} AND id = ${uuidOf(id)}`;
    },
    async forgetIdempotencyKeys(time) {
      await tx`DELETE FROM idempotency_keys WHERE workspace_id = ${workspace} AND created_at < ${time}`;
    },
    async claimIdempotencyKey(claim) {
      const inserted = await tx`
        INSERT INTO idempotency_keys (workspace_id, principal, route, key, request_digest, action_id, created_at)
        VALUES (${workspace}, ${uuidOf(claim.principal)}, ${claim.route}, ${claim.key}, ${claim.requestDigest}, ${uuidOf(claim.action)}, ${claim.at})
        ON CONFLICT DO NOTHING RETURNING key`;
      if (inserted.length === 1) return undefined;
      const holder = await readTransaction(tx, workspace).findIdempotencyHolder(claim);
      if (!holder) throw new Error('an idempotency key is neither free nor held');
      return holder;
    },
  };
}

function writeAttempts(
  tx: TransactionSql,
  workspace: WorkspaceId,
  json: JsonParameter,
): Pick<WriteTransaction, 'insertAttempt' | 'extendLease' | 'finishAttempt'> {
  return {
    async insertAttempt(attempt) {
      await tx`
        INSERT INTO attempts (workspace_id, id, action_id, fence, host, isolation, engine, lease_until, started_at)
        VALUES (${workspace}, ${uuidOf(attempt.id)}, ${uuidOf(attempt.action)}, ${attempt.fence}, ${attempt.host}, ${attempt.isolation},
          ${attempt.engine}, ${attempt.leaseUntil}, ${attempt.startedAt})`;
    },
    async extendLease(id, leaseUntil) {
      await tx`UPDATE attempts SET lease_until = greatest(lease_until, ${leaseUntil}) WHERE workspace_id = ${workspace} AND id = ${uuidOf(id)}`;
    },
    async finishAttempt(id, end) {
      await tx`
        UPDATE attempts SET verdict = ${end.verdict}, finished_at = ${end.at}, error = ${end.error === undefined ? null : json(end.error)},
          usage = ${end.usage === undefined ? null : json(end.usage)}, logs = ${end.logs === undefined ? null : json(end.logs)}
        WHERE workspace_id = ${workspace} AND id = ${uuidOf(id)} AND verdict IS NULL`;
    },
  };
}
