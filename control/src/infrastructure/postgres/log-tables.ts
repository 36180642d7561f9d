/** The evidence log as a tree: hashes, checkpoint, and whether it is frozen. */
import { type Digest, toHex } from '@portarium/contracts/digest';
import { uuidOf, type WorkspaceId } from '@portarium/contracts/ids';
import type { CompactRange } from '@portarium/contracts/merkle';
import type {
  CheckpointRecord,
  FreezeReason,
  LogFreeze,
  LogReads,
  LogWrites,
} from '../../application/ports/log-store.ts';
import type { TransactionSql } from './connect.ts';
import { type JsonParameter, logEntryOf, type Row } from './rows.ts';

export function readTree(tx: TransactionSql, workspace: WorkspaceId): LogReads {
  return {
    async leafHashes(from, limit) {
      const rows =
        await tx`SELECT hash FROM log_entries WHERE workspace_id = ${workspace} AND seq >= ${from} ORDER BY seq LIMIT ${limit}`;
      return rows.map((row) => row.hash as Digest);
    },
    async nodeHashes(level, index, limit) {
      const rows = await tx`
        SELECT hash FROM log_nodes WHERE workspace_id = ${workspace} AND level = ${level} AND index >= ${index}
        ORDER BY index LIMIT ${limit}`;
      return rows.map((row) => new Uint8Array(row.hash as Uint8Array));
    },
    async logSize() {
      const [row] = await tx`SELECT size FROM log_heads WHERE workspace_id = ${workspace}`;
      return Number(row?.size ?? 0);
    },
    async checkpoint() {
      const [row] =
        await tx`SELECT size, note, range, tiled, stored_size, stored_at FROM log_checkpoints WHERE workspace_id = ${workspace}`;
      return row && checkpointOf(row);
    },
    async logFreeze() {
      const [row] =
        await tx`SELECT reason, detail, size, stored_size, frozen_at FROM log_freezes WHERE workspace_id = ${workspace}`;
      return row && freezeOf(row);
    },
    async keyRotations() {
      const rows =
        await tx`SELECT seq, hash, bytes FROM log_entries WHERE workspace_id = ${workspace} AND type = 'log-key.rotated' ORDER BY seq`;
      return rows.map(logEntryOf);
    },
    async lastStoreProbe(store) {
      const [row] = await tx`
        SELECT seq, hash, bytes FROM log_entries
        WHERE workspace_id = ${workspace} AND type = 'store.probed'
          AND convert_from(bytes, 'UTF8')::jsonb -> 'data' ->> 'store' = ${store}
        ORDER BY seq DESC LIMIT 1`;
      return row && logEntryOf(row);
    },
    async disposals() {
      const rows =
        await tx`SELECT seq, hash, bytes FROM log_entries WHERE workspace_id = ${workspace} AND type IN ('disposal.ordered', 'disposal.finished') ORDER BY seq`;
      return rows.map(logEntryOf);
    },
  };
}

function checkpointOf(row: Row): CheckpointRecord {
  return {
    size: Number(row.size),
    note: row.note as string,
    range: row.range as CompactRange,
    tiled: Number(row.tiled),
    storedSize: Number(row.stored_size),
    storedAt: (row.stored_at as Date | null)?.toISOString(),
  };
}

function freezeOf(row: Row): LogFreeze {
  return {
    reason: row.reason as FreezeReason,
    detail: row.detail as string,
    size: Number(row.size),
    storedSize: Number(row.stored_size),
    at: (row.frozen_at as Date).toISOString(),
  };
}

export function writeTree(
  tx: TransactionSql,
  workspace: WorkspaceId,
  json: JsonParameter,
): LogWrites {
  return {
    async replaceCheckpoint(previous, next, nodes) {
      // Whatever is set for other commits: what was signed may not be lost.
      await tx`SELECT set_config('synchronous_commit', 'on', true)`;
      const rows = previous
        ? await tx`
          UPDATE log_checkpoints SET size = ${next.size}, note = ${next.note}, range = ${json(next.range)}, tiled = ${next.tiled}, signed_at = now()
          WHERE workspace_id = ${workspace} AND size = ${previous.size} AND tiled = ${previous.tiled} AND size <= ${next.size} RETURNING size`
        : await tx`
          INSERT INTO log_checkpoints (workspace_id, size, note, range, tiled, signed_at)
          VALUES (${workspace}, ${next.size}, ${next.note}, ${json(next.range)}, ${next.tiled}, now()) ON CONFLICT DO NOTHING RETURNING size`;
      if (rows.length !== 1) return false;
      for (const { level, index, hashes } of nodes) {
        await tx`
          INSERT INTO log_nodes (workspace_id, level, index, hash)
          SELECT ${workspace}, ${level}, ${index}::bigint + place - 1, decode(hash, 'hex')
          FROM jsonb_array_elements_text(${json(hashes.map(toHex))}) WITH ORDINALITY AS new (hash, place)
          ON CONFLICT DO NOTHING`;
      }
      return true;
    },
    async replaceNote(size, note) {
      await tx`SELECT set_config('synchronous_commit', 'on', true)`;
      const rows =
        await tx`UPDATE log_checkpoints SET note = ${note} WHERE workspace_id = ${workspace} AND size = ${size} RETURNING size`;
      return rows.length === 1;
    },
    async markStored(size, at) {
      await tx`UPDATE log_checkpoints SET stored_size = ${size}, stored_at = ${at} WHERE workspace_id = ${workspace}`;
    },
    async freezeLog({ reason, detail, size, storedSize, at }) {
      // Appends hold the head until their commit: none is under way once it is ours.
      await tx`SELECT size FROM log_heads WHERE workspace_id = ${workspace} FOR UPDATE`;
      await tx`
        INSERT INTO log_freezes (workspace_id, reason, detail, size, stored_size, frozen_at)
        VALUES (${workspace}, ${reason}, ${detail}, ${size}, ${storedSize}, ${at}) ON CONFLICT DO NOTHING`;
    },
    async thawLog() {
      await tx`DELETE FROM log_freezes WHERE workspace_id = ${workspace}`;
    },
    async restoreEntries(entries) {
      const [first] = entries;
      const last = entries.at(-1);
      if (!first || !last) return true;
      const [head] =
        await tx`SELECT size FROM log_heads WHERE workspace_id = ${workspace} FOR UPDATE`;
      if (head === undefined) {
        await tx`INSERT INTO log_heads (workspace_id, size, hash, time) VALUES (${workspace}, 0, NULL, to_timestamp(0))`;
      }
      if (Number(head?.size ?? 0) !== first.seq) return false;
      // Seen by nobody else before the commit, when the log is frozen again.
      const frozen =
        await tx`DELETE FROM log_freezes WHERE workspace_id = ${workspace} RETURNING workspace_id, reason, detail, size, stored_size, frozen_at`;
      // Disposals among them stand as they stood.
      await tx`SELECT set_config('portarium.restoring', 'on', true)`;
      await tx`INSERT INTO log_entries ${tx(
        entries.map((entry) => ({
          workspace_id: workspace,
          seq: entry.seq,
          hash: entry.hash,
          type: entry.type,
          action_id: entry.action === undefined ? null : uuidOf(entry.action),
          action_seq: entry.actionSeq ?? null,
          bytes: entry.bytes,
        })),
      )}`;
      await tx`SELECT set_config('portarium.restoring', 'off', true)`;
      await tx`UPDATE log_heads SET size = ${last.seq + 1}, hash = ${last.hash}, time = ${last.time} WHERE workspace_id = ${workspace}`;
      if (frozen.length > 0) await tx`INSERT INTO log_freezes ${tx(frozen)}`;
      return true;
    },
  };
}
