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
import type { ClockWatch } from './clock-watch.ts';
import type { TransactionSql } from './connect.ts';

/** The channel that one NOTIFY a commit goes to: `{w: workspace, a: ids of actions and uploads}`. */
export const COMMIT_CHANNEL = 'portarium_commits';
/** Object id of the type; the driver takes a list of bytes for one value without it. */
const BYTEA = 17;
/** Ids in one notification; PostgreSQL takes 8,000 bytes. */
const MAX_NOTIFIED = 100;

interface ActionTail {
  readonly seq: number;
  readonly hash: Digest;
}

interface Head {
  readonly size: number;
  readonly hash: Digest | null;
  readonly time: string;
}

interface Appended {
  readonly entry: Entry;
  readonly bytes: Uint8Array;
  readonly hash: Digest;
}

/** What writes the entries is on its way: the commit may be sent behind it, and counts only if it went well. */
export interface Sent {
  readonly stored: Promise<unknown>;
}

export async function appendEntries(
  tx: TransactionSql,
  workspace: WorkspaceId,
  drafts: readonly EntryDraft[],
  { ids, clock }: { readonly ids: Ids; readonly clock: ClockWatch },
): Promise<Sent> {
  const { head, tails } = await lockHead(tx, workspace, drafts, clock);
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
  const stored = store(tx, workspace, appended, { size, hash, time: head.time }, ids);
  // Whoever awaits it hears of a failure; until then nobody has to.
  stored.catch(() => undefined);
  return { stored };
}

function inTime({ type, notAfter }: EntryDraft, time: string): void {
  if (notAfter === undefined || Date.parse(time) <= Date.parse(notAfter)) return;
  throw new InfraError(`${type} came too late, after ${notAfter}`, { retryable: true });
}

/** The head under a lock until the commit, the time of what is appended to it, and the ends of the actions' chains. */
async function lockHead(
  tx: TransactionSql,
  workspace: WorkspaceId,
  drafts: readonly EntryDraft[],
  clock: ClockWatch,
): Promise<{ readonly head: Head; readonly tails: Map<string, ActionTail> }> {
  const actions = [...new Set(drafts.flatMap((draft) => draft.subject.action ?? []))];
  const look = async () => {
    const sentMs = performance.now();
    // The clock is read outside of the part that waits for the lock. The tails are a statement of their own
    // behind it: they must see what the holder of before committed.
    const [heads, tails] = await Promise.all([
      tx`
        SELECT size, hash, time, date_trunc('milliseconds', clock_timestamp()) AS now
        FROM (SELECT size, hash, time FROM log_heads WHERE workspace_id = ${workspace} FOR UPDATE) head`,
      actions.length === 0 ? [] : actionTails(tx, workspace, actions),
    ]);
    return { row: heads[0], tails, sentMs };
  };
  let { row, tails, sentMs } = await look();
  if (!row) {
    await tx`INSERT INTO log_heads (workspace_id, size, hash, time) VALUES (${workspace}, 0, NULL, to_timestamp(0)) ON CONFLICT DO NOTHING`;
    ({ row, tails, sentMs } = await look());
  }
  if (!row) throw new Error(`the log of ${workspace} has no head; is the transaction bound to it?`);
  const [now, before] = [row.now as Date, row.time as Date];
  clock.saw({ workspace, nowMs: now.getTime(), headMs: before.getTime(), sentMs });
  return {
    head: {
      size: Number(row.size),
      hash: row.hash as Digest | null,
      time: new Date(Math.max(now.getTime(), before.getTime())).toISOString(),
    },
    tails: new Map(
      tails.map((tail) => [
        actions[Number(tail.position) - 1] ?? '',
        { seq: Number(tail.action_seq), hash: tail.hash as Digest },
      ]),
    ),
  };
}

function actionTails(tx: TransactionSql, workspace: WorkspaceId, actions: readonly string[]) {
  return tx`
    SELECT asked.position, tail.action_seq, tail.hash
    FROM unnest(${actions.map(uuidOf)}::uuid[]) WITH ORDINALITY AS asked (id, position)
    CROSS JOIN LATERAL (
      SELECT action_seq, hash FROM log_entries
      WHERE workspace_id = ${workspace} AND action_id = asked.id ORDER BY action_seq DESC LIMIT 1
    ) AS tail`;
}

/** Entries, events, head and notification in one statement, whose text does not depend on how many there are. */
async function store(
  tx: TransactionSql,
  workspace: WorkspaceId,
  appended: readonly Appended[],
  head: Head,
  ids: Ids,
): Promise<void> {
  const column = <T>(of: (one: Appended) => T) => appended.map(of);
  const events = appended.flatMap(({ entry }) =>
    PUBLISHED.has(entry.type) ? [outboxRow(workspace, entry, ids)] : [],
  );
  const notice = commitNotice(
    workspace,
    appended.map(({ entry }) => entry),
  );
  await tx`
    WITH entries AS (
      INSERT INTO log_entries (workspace_id, seq, hash, type, action_id, action_seq, bytes)
      SELECT ${workspace}, seq, hash, type, action_id, action_seq, bytes FROM unnest(
        ${column(({ entry }) => entry.seq)}::bigint[], ${column(({ hash }) => hash)}::text[], ${column(({ entry }) => entry.type)}::text[],
        ${column(({ entry }) => (entry.subject.action === undefined ? null : uuidOf(entry.subject.action)))}::uuid[],
        ${column(({ entry }) => entry.actionSeq ?? null)}::integer[], ${tx.array(column(({ bytes }) => bytes) as never, BYTEA)}) AS new (seq, hash, type, action_id, action_seq, bytes)
    ), events AS (
      INSERT INTO outbox (workspace_id, seq, event_id, subject, envelope)
      SELECT ${workspace}, seq, event_id, subject, envelope FROM unnest(
        ${events.map(({ seq }) => seq)}::bigint[], ${events.map(({ id }) => id)}::uuid[],
        ${events.map(({ subject }) => subject)}::text[], ${events.map(({ envelope }) => envelope)}::text[]) AS new (seq, event_id, subject, envelope)
    ), head AS (
      UPDATE log_heads SET size = ${head.size}, hash = ${head.hash}, time = ${head.time} WHERE workspace_id = ${workspace}
    )
    SELECT pg_notify(${COMMIT_CHANNEL}, ${notice})`;
}

/** What is told on {@link COMMIT_CHANNEL} of a commit with these entries. */
export function commitNotice(
  workspace: WorkspaceId,
  entries: readonly { readonly subject: { readonly action?: string | undefined } }[],
): string {
  const actions = [...new Set(entries.flatMap(({ subject }) => subject.action ?? []))];
  return JSON.stringify({ w: workspace, a: actions.slice(0, MAX_NOTIFIED) });
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
    seq: entry.seq,
    id: uuidOf(id),
    subject: eventSubject(workspace, entry.type),
    envelope: JSON.stringify(event),
  };
}
