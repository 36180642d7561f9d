/** `WatchReads` and `WatchWrites` on PostgreSQL. */
import type { Digest } from '@portarium/contracts/digest';
import { type ActionId, idFromUuid, uuidOf, type WorkspaceId } from '@portarium/contracts/ids';
import { ACTION_STATES, isFinal } from '@portarium/contracts/life-cycle';
import type { WatchReads, WatchWrites } from '../../application/ports/watch-store.ts';
import type { TransactionSql } from './connect.ts';
import type { JsonParameter, Row } from './rows.ts';

const FINAL = ACTION_STATES.filter(isFinal);
/** What is done by hand has no workflow. */
const WORKFLOW_STATES = ACTION_STATES.filter(
  (state) => !isFinal(state) && state !== 'requested' && state !== 'waiting-manual',
);
const FIRST = '00000000-0000-0000-0000-000000000000';
/** Waiting events that are counted; beyond them it only is "many". */
const COUNTED = 10_000;

export function readWatch(tx: TransactionSql, workspace: WorkspaceId): WatchReads {
  const behind = (after: ActionId | null) => (after === null ? FIRST : uuidOf(after));
  const actionIds = (rows: readonly Row[]) =>
    rows.map((row) => idFromUuid('action', row.id as string));
  return {
    async watchState(source) {
      const [row] =
        await tx`SELECT state FROM watch_states WHERE workspace_id = ${workspace} AND source = ${source}`;
      return row?.state as unknown;
    },
    async watchFindings(source) {
      const rows = await tx`
        SELECT rule, subject, seq, message, found_at, told FROM watch_findings
        WHERE workspace_id = ${workspace} AND source = ${source} ORDER BY found_at, seq NULLS FIRST, rule, subject`;
      return rows.map((row) => ({
        rule: row.rule as string,
        subject: row.subject as string,
        message: row.message as string,
        ...(row.seq === null ? {} : { seq: Number(row.seq) }),
        foundAt: (row.found_at as Date).toISOString(),
        told: row.told as boolean,
      }));
    },
    async namedArtifacts(after, limit) {
      const rows = await tx`
        SELECT digest, max(seq) AS seq FROM artifact_names WHERE workspace_id = ${workspace} AND digest > ${after} GROUP BY digest ORDER BY digest LIMIT ${limit}`;
      return rows.map((row) => ({ digest: row.digest as Digest, seq: Number(row.seq) }));
    },
    async namedAmong(digests) {
      if (digests.length === 0) return new Map();
      const rows =
        await tx`SELECT digest, max(seq) AS seq FROM artifact_names WHERE workspace_id = ${workspace} AND digest IN ${tx([...digests])} GROUP BY digest`;
      return new Map(rows.map((row) => [row.digest as Digest, Number(row.seq)]));
    },
    async openActions(after, createdBefore, limit) {
      const rows = await tx`
        SELECT id FROM actions WHERE workspace_id = ${workspace} AND state IN ${tx([...WORKFLOW_STATES])}
          AND id > ${behind(after)} AND created_at < ${createdBefore} ORDER BY id LIMIT ${limit}`;
      return actionIds(rows);
    },
    async endedAmong(ids, finishedBefore) {
      if (ids.length === 0) return [];
      const rows = await tx`
        SELECT id FROM actions WHERE workspace_id = ${workspace} AND id IN ${tx(ids.map(uuidOf))}
          AND state IN ${tx([...FINAL])} AND coalesce(finished_at, created_at) < ${finishedBefore} ORDER BY id`;
      return actionIds(rows);
    },
    async actionsAfter(after, limit) {
      const rows =
        await tx`SELECT id FROM actions WHERE workspace_id = ${workspace} AND id > ${behind(after)} ORDER BY id LIMIT ${limit}`;
      return actionIds(rows);
    },
    async lapsedAttempts(lapsedBefore, limit) {
      const rows = await tx`
        SELECT id, action_id, lease_until FROM attempts
        WHERE workspace_id = ${workspace} AND verdict IS NULL AND lease_until < ${lapsedBefore} ORDER BY id LIMIT ${limit}`;
      return rows.map((row) => ({
        id: idFromUuid('attempt', row.id as string),
        action: idFromUuid('action', row.action_id as string),
        leaseUntil: (row.lease_until as Date).toISOString(),
      }));
    },
    async oldestUnpublished(before) {
      const [row] = await tx`
        SELECT min(seq) AS seq, count(*) AS waiting FROM (
          SELECT seq FROM outbox WHERE workspace_id = ${workspace} AND published_at IS NULL
            AND (envelope::jsonb ->> 'time')::timestamptz < ${before} ORDER BY seq LIMIT ${COUNTED}) AS late`;
      return row?.seq == null ? undefined : { seq: Number(row.seq), count: Number(row.waiting) };
    },
  };
}

export function writeWatch(
  tx: TransactionSql,
  workspace: WorkspaceId,
  json: JsonParameter,
): WatchWrites {
  return {
    async putWatchState(source, state) {
      await tx`
        INSERT INTO watch_states (workspace_id, source, state) VALUES (${workspace}, ${source}, ${json(state)})
        ON CONFLICT (workspace_id, source) DO UPDATE SET state = excluded.state`;
    },
    async putFindings(source, findings, at) {
      if (findings.length === 0) return;
      await tx`INSERT INTO watch_findings ${tx(
        findings.map(({ rule, subject, message, seq }) => ({
          workspace_id: workspace,
          ...{ source, rule, subject, message },
          seq: seq ?? null,
          found_at: at,
        })),
      )} ON CONFLICT (workspace_id, source, rule, subject) DO UPDATE SET message = excluded.message, seq = excluded.seq`;
    },
    async dropFindings(source, findings) {
      for (const { rule, subject } of findings) {
        await tx`DELETE FROM watch_findings WHERE workspace_id = ${workspace} AND source = ${source} AND rule = ${rule} AND subject = ${subject}`;
      }
    },
    async markTold(source, findings) {
      for (const { rule, subject } of findings) {
        await tx`UPDATE watch_findings SET told = true WHERE workspace_id = ${workspace} AND source = ${source} AND rule = ${rule} AND subject = ${subject}`;
      }
    },
  };
}
