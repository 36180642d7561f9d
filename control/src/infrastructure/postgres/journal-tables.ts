/** The journal of actions: one ordered list of egress calls each, and the bodies that guests sent and read. */
import type { Digest } from '@portarium/contracts/digest';
import { idFromUuid, uuidOf, type WorkspaceId } from '@portarium/contracts/ids';
import type { EgressCall } from '@portarium/contracts/internal-api';
import type {
  JournalReads,
  JournalRecord,
  JournalWrites,
} from '../../application/ports/journal-store.ts';
import type { TransactionSql } from './connect.ts';
import type { JsonParameter, Row } from './rows.ts';

const COLUMNS = [
  'attempt_id',
  'record',
  'write',
  'keyed_header',
  'keyed_until',
  'intended_at',
  'intended_by',
  'released',
];

export function readJournal(tx: TransactionSql, workspace: WorkspaceId): JournalReads {
  return {
    async listJournal(action) {
      const rows =
        await tx`SELECT ${tx(COLUMNS)} FROM journal WHERE workspace_id = ${workspace} AND action_id = ${uuidOf(action)} ORDER BY call`;
      return rows.map(journalOf);
    },
    async findBody(action, digest) {
      const [row] =
        await tx`SELECT bytes FROM journal_bodies WHERE workspace_id = ${workspace} AND action_id = ${uuidOf(action)} AND digest = ${digest}`;
      return row && new Uint8Array(row.bytes as Uint8Array);
    },
    async listBodies(action) {
      const rows =
        await tx`SELECT digest, length(bytes) AS size FROM journal_bodies WHERE workspace_id = ${workspace} AND action_id = ${uuidOf(action)}`;
      return new Map(rows.map((row) => [row.digest as Digest, Number(row.size)]));
    },
  };
}

export function writeJournal(
  tx: TransactionSql,
  workspace: WorkspaceId,
  json: JsonParameter,
): JournalWrites {
  return {
    async insertRecords(action, records) {
      if (records.length === 0) return;
      const rows = records.map((one) => ({
        workspace_id: workspace,
        action_id: uuidOf(action),
        call: one.record.call,
        attempt_id: uuidOf(one.attempt),
        record: json(one.record),
        write: one.write,
        keyed_header: one.keyed?.header ?? null,
        keyed_until: one.keyed?.until ?? null,
        intended_at: one.intendedAt,
        intended_by: one.intendedBy === null ? null : uuidOf(one.intendedBy),
        released: one.released,
      }));
      await tx`INSERT INTO journal ${tx(rows)}`;
    },
    async answerRecord(action, record) {
      const rows = await tx`
        UPDATE journal SET record = ${json(record)}
        WHERE workspace_id = ${workspace} AND action_id = ${uuidOf(action)} AND call = ${record.call} AND record->>'verdict' = 'open' RETURNING call`;
      return rows.length === 1;
    },
    async resendRecord(action, call, attempt) {
      await tx`
        UPDATE journal SET released = false, intended_by = ${uuidOf(attempt)}
        WHERE workspace_id = ${workspace} AND action_id = ${uuidOf(action)} AND call = ${call}`;
    },
    async releaseRecords(action) {
      await tx`
        UPDATE journal SET released = true
        WHERE workspace_id = ${workspace} AND action_id = ${uuidOf(action)} AND record->>'verdict' = 'open'`;
    },
    async putBody(action, digest, bytes) {
      await tx`
        INSERT INTO journal_bodies (workspace_id, action_id, digest, bytes)
        VALUES (${workspace}, ${uuidOf(action)}, ${digest}, ${bytes}) ON CONFLICT DO NOTHING`;
    },
    async dropBodies(action) {
      await tx`DELETE FROM journal_bodies WHERE workspace_id = ${workspace} AND action_id = ${uuidOf(action)}`;
    },
  };
}

// Rows are our own writes, checked on their way in.
function journalOf(row: Row): JournalRecord {
  const header = row.keyed_header as string | null;
  const until = row.keyed_until as Date | null;
  return {
    attempt: idFromUuid('attempt', row.attempt_id as string),
    record: row.record as EgressCall,
    write: row.write as boolean,
    keyed: header === null || until === null ? null : { header, until: until.toISOString() },
    intendedAt: (row.intended_at as Date | null)?.toISOString() ?? null,
    intendedBy: row.intended_by == null ? null : idFromUuid('attempt', row.intended_by as string),
    released: row.released as boolean,
  };
}
