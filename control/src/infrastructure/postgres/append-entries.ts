/**
 * Appends evidence entries at the end of a transaction: locks the log head last, so that sequence
 * numbers are gapless in commit order, and writes the outbox rows that the entries cause.
 */
import { canonicalBytes } from '@portarium/contracts/canonical-json';
import type { Digest } from '@portarium/contracts/digest';
import { eventSubject, eventType, PUBLISHED } from '@portarium/contracts/events';
import { type Entry, endsAction, entryHash } from '@portarium/contracts/evidence-entry';
import { uuidOf, type WorkspaceId } from '@portarium/contracts/ids';
import { PLATFORM_LIMITS } from '@portarium/contracts/limits';
import { CloudEvent } from 'cloudevents';
import type { Ids } from '../../application/ports/clock.ts';
import { type EntryDraft, InfraError } from '../../application/ports/workspace-store.ts';
import type { TransactionSql } from './connect.ts';

/** The channel that one NOTIFY a commit goes to: `{w: workspace, a: ids of actions and uploads}`. */
export const COMMIT_CHANNEL = 'portarium_commits';

interface ActionTail {
  readonly seq: number;
  readonly hash: Digest;
}

interface Appended {
  readonly entry: Entry;
  readonly bytes: Uint8Array;
  readonly hash: Digest;
}

export async function appendEntries(
  tx: TransactionSql,
  workspace: WorkspaceId,
  drafts: readonly EntryDraft[],
  ids: Ids,
): Promise<void> {
  // The action's own chain rests under the lock that its unit holds; the head is locked before it is read.
  const [head, tails] = await Promise.all([
    lockHead(tx, workspace),
    actionTails(tx, workspace, drafts),
  ]);
  const appended: Appended[] = [];
  let { size, hash } = head;
  for (const draft of drafts) {
    inTime(draft, head.time);
    const action = draft.subject.action;
    const tail = action === undefined ? undefined : tails.get(action);
    const actionSeq = tail === undefined ? 0 : tail.seq + 1;
    const entry: Entry = {
      v: 1,
      workspace,
      seq: size,
      time: head.time,
      type: draft.type,
      actor: draft.actor,
      subject: draft.subject,
      // The final entry states the count, so that one action can be proved complete by itself.
      data:
        endsAction(draft.type, draft.data) && action !== undefined
          ? { ...draft.data, entries: actionSeq + 1 }
          : { ...draft.data },
      artifacts: [...(draft.artifacts ?? [])],
      trace: draft.trace,
      prev: hash,
      ...(action === undefined ? {} : { actionSeq, actionPrev: tail?.hash ?? null }),
    };
    const bytes = canonicalBytes(entry);
    if (bytes.length > PLATFORM_LIMITS.entryBytes) {
      throw new Error(
        `evidence entry ${draft.type} has ${bytes.length} bytes; at most ${PLATFORM_LIMITS.entryBytes} fit`,
      );
    }
    hash = await entryHash(bytes);
    size += 1;
    if (action !== undefined) tails.set(action, { seq: actionSeq, hash });
    appended.push({ entry, bytes, hash });
  }
  await store(tx, workspace, appended, { size, hash, time: head.time }, ids);
}

function inTime({ type, notAfter }: EntryDraft, time: string): void {
  if (notAfter === undefined || Date.parse(time) <= Date.parse(notAfter)) return;
  throw new InfraError(`${type} came too late, after ${notAfter}`, { retryable: true });
}

async function lockHead(
  tx: TransactionSql,
  workspace: WorkspaceId,
): Promise<{ size: number; hash: Digest | null; time: string }> {
  const select = () => tx`
    SELECT size, hash, greatest(time, date_trunc('milliseconds', clock_timestamp())) AS time
    FROM log_heads WHERE workspace_id = ${workspace} FOR UPDATE`;
  let [row] = await select();
  if (!row) {
    await tx`INSERT INTO log_heads (workspace_id, size, hash, time) VALUES (${workspace}, 0, NULL, to_timestamp(0)) ON CONFLICT DO NOTHING`;
    [row] = await select();
  }
  if (!row) throw new Error(`the log of ${workspace} has no head; is the transaction bound to it?`);
  return {
    size: Number(row.size),
    hash: row.hash as Digest | null,
    time: (row.time as Date).toISOString(),
  };
}

async function actionTails(
  tx: TransactionSql,
  workspace: WorkspaceId,
  drafts: readonly EntryDraft[],
): Promise<Map<string, ActionTail>> {
  const tails = new Map<string, ActionTail>();
  const actions = new Set(drafts.flatMap((draft) => draft.subject.action ?? []));
  await Promise.all(
    [...actions].map(async (action) => {
      const [row] = await tx`
        SELECT action_seq, hash FROM log_entries
        WHERE workspace_id = ${workspace} AND action_id = ${uuidOf(action)} ORDER BY action_seq DESC LIMIT 1`;
      if (row) tails.set(action, { seq: Number(row.action_seq), hash: row.hash as Digest });
    }),
  );
  return tails;
}

async function store(
  tx: TransactionSql,
  workspace: WorkspaceId,
  appended: readonly Appended[],
  head: { size: number; hash: Digest | null; time: string },
  ids: Ids,
): Promise<void> {
  const entries = appended.map(({ entry, bytes, hash }) => ({
    workspace_id: workspace,
    seq: entry.seq,
    hash,
    type: entry.type,
    action_id: entry.subject.action === undefined ? null : uuidOf(entry.subject.action),
    action_seq: entry.actionSeq ?? null,
    bytes,
  }));
  const events = appended.flatMap(({ entry }) =>
    PUBLISHED.has(entry.type) ? [outboxRow(workspace, entry, ids)] : [],
  );
  const actions = [...new Set(appended.flatMap(({ entry }) => entry.subject.action ?? []))];
  const writes: Promise<unknown>[] = [
    tx`INSERT INTO log_entries ${tx(entries)}`,
    tx`UPDATE log_heads SET size = ${head.size}, hash = ${head.hash}, time = ${head.time} WHERE workspace_id = ${workspace}`,
    tx`SELECT pg_notify(${COMMIT_CHANNEL}, ${JSON.stringify({ w: workspace, a: actions.slice(0, 100) })})`,
  ];
  if (events.length > 0) writes.push(tx`INSERT INTO outbox ${tx(events)}`);
  await Promise.all(writes);
}

function outboxRow(workspace: WorkspaceId, entry: Entry, ids: Ids) {
  const id = ids.next('event');
  const event = new CloudEvent({
    id,
    source: `/workspaces/${workspace}`,
    type: eventType(entry.type),
    time: entry.time,
    subject: entry.subject.action ?? entry.subject.plugin ?? workspace,
    datacontenttype: 'application/json',
    tenantid: workspace,
    seq: entry.seq,
    ...(entry.subject.action === undefined
      ? {}
      : { actionid: entry.subject.action, correlationid: entry.subject.action }),
    ...(entry.trace === null ? {} : { traceparent: `00-${entry.trace}-0000000000000001-00` }),
    data: { ...entry.subject, ...entry.data },
  });
  return {
    workspace_id: workspace,
    seq: entry.seq,
    event_id: uuidOf(id),
    subject: eventSubject(workspace, entry.type),
    envelope: JSON.stringify(event),
  };
}
