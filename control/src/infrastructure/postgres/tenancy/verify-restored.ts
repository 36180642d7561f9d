/** Whether the log that is in the tables of a schema is whole: every entry, the chain, and the newest checkpoint. */
import { checkpointOfNote } from '@portarium/contracts/checkpoint';
import { type Digest, fromHex } from '@portarium/contracts/digest';
import { entryHash } from '@portarium/contracts/evidence-entry';
import { appendLeaf, emptyRange, rootOf } from '@portarium/contracts/merkle';
import type { Sql, TransactionSql } from '../connect.ts';

export interface RestoredLog {
  readonly entries: number;
  /** Of all of them, in base64. */
  readonly root: string;
  /** Size and root of the newest checkpoint in the backup, which the entries agree with. */
  readonly checkpoint?: { readonly size: number; readonly root: string };
  /** What is wrong; empty when the log verifies. */
  readonly problems: readonly string[];
}

const PAGE = 1_000;

/** @param sql that sees every row of the schema */
export async function verifyRestored(
  sql: Sql | TransactionSql,
  schema: string,
  workspace: string,
): Promise<RestoredLog> {
  const problems: string[] = [];
  const [head] =
    await sql`SELECT size, hash FROM ${sql(`${schema}.log_heads`)} WHERE workspace_id = ${workspace}`;
  const [signed] =
    await sql`SELECT note FROM ${sql(`${schema}.log_checkpoints`)} WHERE workspace_id = ${workspace}`;
  const checkpoint = signed && checkpointOfNote(signed.note as string);
  let range = emptyRange();
  let prev: Digest | null = null;
  let at = 0;
  let rootAtCheckpoint: string | undefined;
  for (;;) {
    const rows = await sql`
      SELECT seq, hash, bytes FROM ${sql(`${schema}.log_entries`)}
      WHERE workspace_id = ${workspace} AND seq >= ${at} ORDER BY seq LIMIT ${PAGE}`;
    for (const row of rows) {
      const bytes = new Uint8Array(row.bytes as Uint8Array);
      const hash = await entryHash(bytes);
      const entry = JSON.parse(new TextDecoder().decode(bytes)) as {
        seq: number;
        prev: string | null;
      };
      if (Number(row.seq) !== at || entry.seq !== at) problems.push(`entry ${at} is missing`);
      if (hash !== row.hash) problems.push(`entry ${at} is not what its hash says`);
      if (entry.prev !== prev) problems.push(`entry ${at} does not follow the one before`);
      if (problems.length > 20) return { entries: at, root: '', problems };
      prev = hash;
      range = await appendLeaf(range, fromHex(hash.slice('sha256:'.length)));
      at = Number(row.seq) + 1;
      if (at === checkpoint?.size) rootAtCheckpoint = base64(await rootOf(range));
    }
    if (rows.length < PAGE) break;
  }
  if (Number(head?.size ?? 0) !== at)
    problems.push(`the head says ${head?.size ?? 0} entries, there are ${at}`);
  if (at > 0 && head?.hash !== prev) problems.push('the head is not the hash of the last entry');
  if (checkpoint && rootAtCheckpoint !== base64(checkpoint.root)) {
    problems.push(
      `the first ${checkpoint.size} entries are not what the checkpoint in the backup says`,
    );
  }
  return {
    ...{ entries: at, root: base64(await rootOf(range)), problems },
    ...(checkpoint ? { checkpoint: { size: checkpoint.size, root: base64(checkpoint.root) } } : {}),
  };
}

const base64 = (bytes: Uint8Array) => Buffer.from(bytes).toString('base64');
