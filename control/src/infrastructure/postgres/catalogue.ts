/** `Catalogue` on PostgreSQL, on connections whose role is `portarium_destroy`. */
import type { Digest } from '@portarium/contracts/digest';
import type { Entry } from '@portarium/contracts/evidence-entry';
import { uuidOf, type WorkspaceId } from '@portarium/contracts/ids';
import { PluginNameSchema } from '@portarium/contracts/plugin-name';
import { RETENTION_CLASSES } from '@portarium/contracts/retention-class';
import * as v from 'valibot';
import type { Catalogue, DisposalOrder, DueArtifact } from '../../application/ports/catalogue.ts';
import { type TransactionSql, toInfraError } from './connect.ts';
import type { Row } from './rows.ts';
import type { Places } from './tenancy/places.ts';

/** Entries that one transaction reads. */
const PAGE = 1_000;

export function createCatalogue(places: Places): Catalogue {
  async function bound<T>(workspace: WorkspaceId, work: (tx: TransactionSql) => Promise<T>) {
    try {
      const { sql, bind } = await places.of(workspace);
      const { value } = await sql.begin(async (tx) => {
        await bind(tx);
        return { value: await work(tx) };
      });
      return value;
    } catch (error) {
      throw toInfraError(error);
    }
  }

  return {
    async catchUp(workspace) {
      while (await bound(workspace, (tx) => readPage(tx, workspace)));
    },
    due: (workspace, query) => bound(workspace, (tx) => readDue(tx, workspace, query)),
    reasonToKeep: (workspace, digest, order) =>
      bound(workspace, async (tx) => {
        const [row] = await tx`
          SELECT EXISTS (SELECT FROM artifacts_on_hold WHERE workspace_id = ${workspace} AND digest = ${digest}) AS held,
            EXISTS (SELECT FROM artifact_names WHERE workspace_id = ${workspace} AND digest = ${digest} AND seq > ${order}) AS named,
            ${inUse(tx, workspace, tx`${digest}::text`)} AS used`;
        if (row?.held) return 'hold';
        if (row?.named) return 'named-again';
        return row?.used ? 'in-use' : undefined;
      }),
    openOrders: (workspace) => bound(workspace, (tx) => readOrders(tx, workspace)),
    coveredBy: (workspace, hold) =>
      bound(workspace, async (tx) => {
        const [row] = await tx`
          SELECT count(DISTINCT digest) AS covered FROM artifacts_on_hold WHERE workspace_id = ${workspace} AND hold_id = ${uuidOf(hold)}`;
        return Number(row?.covered ?? 0);
      }),
    flagsToChange: (workspace, limit) => bound(workspace, (tx) => readFlags(tx, workspace, limit)),
    flagged: (workspace, digests) =>
      bound(workspace, async (tx) => {
        await tx`UPDATE held_artifacts SET flagged = true WHERE workspace_id = ${workspace} AND digest = ANY(${[...digests]})`;
      }),
    released: (workspace, digests) =>
      bound(workspace, async (tx) => {
        await tx`DELETE FROM held_artifacts WHERE workspace_id = ${workspace} AND digest = ANY(${[...digests]})`;
      }),
  };
}

/** @returns whether there may be more */
async function readPage(tx: TransactionSql, workspace: WorkspaceId): Promise<boolean> {
  await tx`INSERT INTO artifact_catalogue (workspace_id, next_seq) VALUES (${workspace}, 0) ON CONFLICT DO NOTHING`;
  const [row] =
    await tx`SELECT next_seq FROM artifact_catalogue WHERE workspace_id = ${workspace} FOR UPDATE`;
  const next = Number(row?.next_seq ?? 0);
  const rows =
    await tx`SELECT seq, bytes FROM log_entries WHERE workspace_id = ${workspace} AND seq >= ${next} ORDER BY seq LIMIT ${PAGE}`;
  const last = rows.at(-1);
  if (!last) return false;
  const entries = rows.map(({ bytes }) => entryOf(bytes as Uint8Array));
  await addNames(tx, workspace, entries);
  await addMarks(tx, workspace, entries);
  // What went counts no more; what was named since its order is there again.
  for (const { type, data } of entries) {
    if (type !== 'disposal.finished') continue;
    const { order, removed } = data as { readonly order: number; readonly removed: Digest[] };
    await tx`DELETE FROM artifact_names WHERE workspace_id = ${workspace} AND seq < ${order} AND digest = ANY(${removed})`;
  }
  await tx`UPDATE artifact_catalogue SET next_seq = ${Number(last.seq) + 1} WHERE workspace_id = ${workspace}`;
  return rows.length === PAGE;
}

// Entries are our own writes, checked when they were appended.
function entryOf(bytes: Uint8Array): Entry {
  return JSON.parse(new TextDecoder().decode(bytes)) as Entry;
}

async function addNames(
  tx: TransactionSql,
  workspace: WorkspaceId,
  entries: readonly Entry[],
): Promise<void> {
  const names = entries.flatMap((entry) =>
    entry.artifacts.map((artifact, place) => ({
      digest: artifact.digest,
      seq: entry.seq,
      place,
      bytes: artifact.bytes,
      media_type: artifact.mediaType,
      retention: artifact.retention,
      time: entry.time,
      actor: entry.actor.id,
      action: entry.subject.action ?? null,
      plugin: pluginOf(entry) ?? null,
    })),
  );
  if (names.length === 0) return;
  await tx`
    INSERT INTO artifact_names (workspace_id, digest, seq, place, bytes, media_type, retention, time, actor, action, plugin)
    SELECT ${workspace}, digest, seq, place, bytes, media_type, retention, time, actor, action, plugin
    FROM jsonb_to_recordset(${tx.json(names)}) AS new (digest text, seq bigint, place integer, bytes bigint,
      media_type text, retention text, time timestamptz, actor text, action text, plugin text)
    ON CONFLICT DO NOTHING`;
}

async function addMarks(
  tx: TransactionSql,
  workspace: WorkspaceId,
  entries: readonly Entry[],
): Promise<void> {
  const marks = entries.flatMap((entry) => {
    const { action } = entry.subject;
    if (action === undefined) return [];
    const plugin = entry.type === 'action.requested' ? pluginOf(entry) : undefined;
    return [
      ...(plugin === undefined ? [] : [{ action, kind: 'plugin', value: plugin }]),
      ...(['sandbox', 'system'].includes(entry.actor.kind)
        ? []
        : [{ action, kind: 'person', value: entry.actor.id }]),
    ];
  });
  if (marks.length === 0) return;
  await tx`
    INSERT INTO action_marks (workspace_id, action, kind, value)
    SELECT ${workspace}, action, kind, value FROM jsonb_to_recordset(${tx.json(marks)}) AS new (action text, kind text, value text)
    ON CONFLICT DO NOTHING`;
}

/** The name of the plugin that an entry is about. */
function pluginOf({ type, data }: Entry): string | undefined {
  const name = type === 'action.requested' ? data.plugin : data.name;
  const told = type === 'action.requested' || type.startsWith('plugin.');
  return told && v.is(PluginNameSchema, name) ? name : undefined;
}

/** Whether something that is there still works with the artifact. */
function inUse(tx: TransactionSql, workspace: WorkspaceId, digest: ReturnType<TransactionSql>) {
  return tx`(
    EXISTS (SELECT FROM plugins p WHERE p.workspace_id = ${workspace} AND ${digest} IN (p.digest, p.module_digest, p.manifest_digest))
    OR EXISTS (
      SELECT FROM artifact_names n JOIN actions a ON a.workspace_id = n.workspace_id AND a.id = substr(n.action, 5)::uuid
      WHERE n.workspace_id = ${workspace} AND n.digest = ${digest} AND a.finished_at IS NULL))`;
}

async function readDue(
  tx: TransactionSql,
  workspace: WorkspaceId,
  { now, periodsMs, after, limit }: Parameters<Catalogue['due']>[1],
): Promise<readonly DueArtifact[]> {
  const seconds = (name: keyof typeof periodsMs) => periodsMs[name] / 1_000;
  const rows = await tx`
    WITH named AS (
      SELECT digest, max(seq) AS last_seq, max(time) AS last_time, max(bytes) AS bytes, max(media_type) AS media_type,
        max(array_position(${[...RETENTION_CLASSES]}::text[], retention)) AS class
      FROM artifact_names WHERE workspace_id = ${workspace} AND digest > ${after ?? ''}
      GROUP BY digest
      HAVING max(time + make_interval(secs => CASE retention WHEN 'operational' THEN ${seconds('operational')}::float8
        WHEN 'compliance' THEN ${seconds('compliance')}::float8 ELSE ${seconds('forensic')}::float8 END)) <= ${now}::timestamptz
    )
    SELECT digest, last_seq, last_time, bytes, media_type, class,
      EXISTS (SELECT FROM artifacts_on_hold h WHERE h.workspace_id = ${workspace} AND h.digest = named.digest) AS held
    FROM named WHERE NOT ${inUse(tx, workspace, tx`named.digest`)}
    ORDER BY digest LIMIT ${limit}`;
  return rows.map(dueOf);
}

function dueOf(row: Row): DueArtifact {
  return {
    digest: row.digest as Digest,
    bytes: Number(row.bytes),
    mediaType: row.media_type as string,
    retention: RETENTION_CLASSES[Number(row.class) - 1] ?? 'forensic',
    lastSeq: Number(row.last_seq),
    lastTime: (row.last_time as Date).toISOString(),
    held: row.held as boolean,
  };
}

async function readOrders(
  tx: TransactionSql,
  workspace: WorkspaceId,
): Promise<readonly DisposalOrder[]> {
  const rows = await tx`
    SELECT bytes FROM log_entries WHERE workspace_id = ${workspace} AND type IN ('disposal.ordered', 'disposal.finished') ORDER BY seq`;
  const open = new Map<number, DisposalOrder>();
  for (const { bytes } of rows) {
    const { seq, type, data } = entryOf(bytes as Uint8Array);
    if (type === 'disposal.finished') open.delete(Number(data.order));
    else open.set(seq, { seq, digests: data.digests as readonly Digest[] });
  }
  return [...open.values()];
}

/** Noted before they are set: one that was set and is not on record would stay for ever. */
async function readFlags(tx: TransactionSql, workspace: WorkspaceId, limit: number) {
  await tx`
    INSERT INTO held_artifacts (workspace_id, digest, flagged)
    SELECT DISTINCT ${workspace}, digest, false FROM artifacts_on_hold h
    WHERE workspace_id = ${workspace}
      AND NOT EXISTS (SELECT FROM held_artifacts f WHERE f.workspace_id = ${workspace} AND f.digest = h.digest)
    ON CONFLICT DO NOTHING`;
  const held = tx`EXISTS (SELECT FROM artifacts_on_hold h WHERE h.workspace_id = ${workspace} AND h.digest = f.digest)`;
  const set = await tx`
    SELECT digest FROM held_artifacts f WHERE workspace_id = ${workspace} AND NOT flagged AND ${held} ORDER BY digest LIMIT ${limit}`;
  const release = await tx`
    SELECT digest FROM held_artifacts f WHERE workspace_id = ${workspace} AND NOT ${held} ORDER BY digest LIMIT ${limit}`;
  const digests = (rows: readonly Row[]) => rows.map((row) => row.digest as Digest);
  return { set: digests(set), release: digests(release) };
}
