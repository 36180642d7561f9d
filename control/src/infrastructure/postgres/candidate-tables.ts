/** Uploaded modules while a sandbox host tries them. Their time is the database's. */
import type { Digest } from '@portarium/contracts/digest';
import { idFromUuid, uuidOf, type WorkspaceId } from '@portarium/contracts/ids';
import type {
  CandidateReads,
  CandidateRecord,
  CandidateWrites,
} from '../../application/ports/candidate-store.ts';
import { COMMIT_CHANNEL } from './append-entries.ts';
import type { TransactionSql } from './connect.ts';
import { lockName } from './lock-name.ts';
import type { JsonParameter, Row } from './rows.ts';

export function readCandidates(tx: TransactionSql, workspace: WorkspaceId): CandidateReads {
  return {
    async findCandidate(plugin) {
      const [row] =
        await tx`SELECT plugin_id, module_digest, taken_by, verdict FROM plugin_candidates WHERE workspace_id = ${workspace} AND plugin_id = ${uuidOf(plugin)} AND expires_at > now()`;
      return row && candidateOf(row);
    },
    async candidateModule(plugin) {
      const [row] =
        await tx`SELECT module FROM plugin_candidates WHERE workspace_id = ${workspace} AND plugin_id = ${uuidOf(plugin)} AND expires_at > now()`;
      return row && new Uint8Array(row.module as Uint8Array);
    },
  };
}

export function writeCandidates(
  tx: TransactionSql,
  workspace: WorkspaceId,
  json: JsonParameter,
): CandidateWrites {
  return {
    async insertCandidate({ plugin, moduleDigest, module }, most, forMs) {
      await lockName(tx, `candidates/${workspace}`);
      const [row] =
        await tx`SELECT count(*)::integer AS held FROM plugin_candidates WHERE workspace_id = ${workspace} AND expires_at > now()`;
      if (Number(row?.held) >= most) return false;
      await tx`
        INSERT INTO plugin_candidates (workspace_id, plugin_id, module_digest, module, expires_at)
        VALUES (${workspace}, ${uuidOf(plugin)}, ${moduleDigest}, ${module}, now() + ${forMs} * interval '1 millisecond')`;
      return true;
    },
    async lockCandidate(plugin) {
      const [row] =
        await tx`SELECT plugin_id, module_digest, taken_by, verdict FROM plugin_candidates WHERE workspace_id = ${workspace} AND plugin_id = ${uuidOf(plugin)} AND expires_at > now() FOR UPDATE`;
      return row && candidateOf(row);
    },
    async takeCandidate(plugin, host) {
      await tx`UPDATE plugin_candidates SET taken_by = ${json(host)} WHERE workspace_id = ${workspace} AND plugin_id = ${uuidOf(plugin)}`;
    },
    async putVerdict(plugin, verdict) {
      await tx`UPDATE plugin_candidates SET verdict = ${json(verdict)} WHERE workspace_id = ${workspace} AND plugin_id = ${uuidOf(plugin)}`;
      await tx`SELECT pg_notify(${COMMIT_CHANNEL}, ${JSON.stringify({ w: workspace, a: [plugin] })})`;
    },
    async forgetCandidates() {
      const rows =
        await tx`DELETE FROM plugin_candidates WHERE workspace_id = ${workspace} AND expires_at <= now() RETURNING plugin_id, module_digest, taken_by, verdict`;
      return rows.map(candidateOf);
    },
    async deleteCandidate(plugin) {
      await tx`DELETE FROM plugin_candidates WHERE workspace_id = ${workspace} AND plugin_id = ${uuidOf(plugin)}`;
    },
  };
}

function candidateOf(row: Row): CandidateRecord {
  return {
    plugin: idFromUuid('plugin', row.plugin_id as string),
    moduleDigest: row.module_digest as Digest,
    takenBy: row.taken_by as CandidateRecord['takenBy'],
    verdict: row.verdict as CandidateRecord['verdict'],
  };
}
