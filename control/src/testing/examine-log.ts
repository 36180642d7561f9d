/** Reads a workspace's log as it lies in the database, and says everything that is wrong with it. */
import { PUBLISHED } from '@portarium/contracts/events';
import { type Entry, type EntryType, entryHash } from '@portarium/contracts/evidence-entry';
import { uuidOf } from '@portarium/contracts/ids';
import postgres from 'postgres';
import type { UnitEnd } from './start-log-writer.ts';

export interface Examined {
  readonly entries: number;
  /** Entries of each unit that is in the log. */
  readonly units: ReadonlyMap<string, number>;
  /** Most units that one commit holds. */
  readonly mostTogether: number;
  readonly problems: readonly string[];
}

interface Row {
  readonly seq: number;
  readonly hash: string;
  readonly type: EntryType;
  readonly action_id: string | null;
  readonly action_seq: number | null;
  readonly bytes: Uint8Array;
  readonly commit: string;
}

/** @param ends what the writers' units were answered; a unit that is not there was never answered */
export async function examineLog(
  ownerUrl: string,
  workspace: string,
  ends: ReadonlyMap<string, UnitEnd>,
): Promise<Examined> {
  const sql = postgres(ownerUrl, { max: 1, onnotice: () => {} });
  try {
    const rows = (await sql`
      SELECT seq::float8 AS seq, hash, type, action_id, action_seq, bytes, xmin::text AS commit
      FROM portarium.log_entries WHERE workspace_id = ${workspace} ORDER BY log_entries.seq`) as unknown as Row[];
    const [head] =
      await sql`SELECT size::float8 AS size, hash, time FROM portarium.log_heads WHERE workspace_id = ${workspace}`;
    const events =
      await sql`SELECT seq::float8 AS seq FROM portarium.outbox WHERE workspace_id = ${workspace} ORDER BY outbox.seq`;
    const claims =
      await sql`SELECT key FROM portarium.idempotency_keys WHERE workspace_id = ${workspace}`;
    const chain = await examineChain(rows);
    const units = unitsOf(rows);
    const last = chain.entries.at(-1);
    return {
      entries: rows.length,
      units: new Map([...units].map(([unit, parts]) => [unit, parts.length])),
      mostTogether: Math.max(0, ...together(rows)),
      problems: [
        ...chain.problems,
        ...examineUnits(units, new Set(claims.map(({ key }) => key as string)), ends),
        ...same(
          'head',
          [head?.size, head?.hash, head?.time?.toISOString()],
          [rows.length, rows.at(-1)?.hash, last?.time],
        ),
        ...same(
          'events',
          events.map(({ seq }) => seq),
          rows.filter(({ type }) => PUBLISHED.has(type)).map(({ seq }) => seq),
        ),
      ],
    };
  } finally {
    await sql.end();
  }
}

function same(what: string, is: unknown, should: unknown): string[] {
  const [a, b] = [JSON.stringify(is), JSON.stringify(should)];
  return a === b ? [] : [`${what}: ${a} is not ${b}`];
}

/** Gapless, unforked, monotone; the chain within each action as well. */
async function examineChain(
  rows: readonly Row[],
): Promise<{ readonly entries: readonly Entry[]; readonly problems: readonly string[] }> {
  const problems: string[] = [];
  const entries: Entry[] = [];
  const tails = new Map<string, { seq: number; hash: string }>();
  let before: { readonly hash: string; readonly time: string } | undefined;
  for (const [i, row] of rows.entries()) {
    const entry = JSON.parse(new TextDecoder().decode(row.bytes)) as Entry;
    const { action } = entry.subject;
    const tail = action === undefined ? undefined : tails.get(action);
    const place = action === undefined ? undefined : (tail?.seq ?? -1) + 1;
    problems.push(
      ...same(`entry ${i}: sequence`, [row.seq, entry.seq], [i, i]),
      ...same(`entry ${i}: hash`, row.hash, await entryHash(row.bytes)),
      ...same(`entry ${i}: prev`, entry.prev, before?.hash ?? null),
      ...same(`entry ${i}: type`, row.type, entry.type),
      ...same(`entry ${i}: action`, row.action_id, action === undefined ? null : uuidOf(action)),
      ...same(`entry ${i}: place`, [row.action_seq, entry.actionSeq], [place ?? null, place]),
      ...same(`entry ${i}: actionPrev`, entry.actionPrev, action && (tail?.hash ?? null)),
      ...(before && entry.time < before.time ? [`entry ${i}: time goes back`] : []),
    );
    if (action !== undefined && place !== undefined)
      tails.set(action, { seq: place, hash: row.hash });
    before = { hash: row.hash, time: entry.time };
    entries.push(entry);
  }
  return { entries, problems };
}

interface Part {
  readonly unit: string;
  readonly part: number;
  readonly of: number;
  readonly seq: number;
}

function unitsOf(rows: readonly Row[]): Map<string, Part[]> {
  const parts = rows.flatMap(({ seq, bytes }): Part[] => {
    const { data } = JSON.parse(new TextDecoder().decode(bytes)) as Entry;
    return typeof data.unit === 'string' ? [{ ...(data as unknown as Part), seq }] : [];
  });
  return Map.groupBy(parts, ({ unit }) => unit);
}

/** How many units each commit holds. */
function together(rows: readonly Row[]): number[] {
  return [...Map.groupBy(rows, ({ commit }) => commit).values()].map((of) => unitsOf(of).size);
}

/** Each unit is there with all that it wrote, or with nothing of it. */
function examineUnits(
  units: ReadonlyMap<string, readonly Part[]>,
  claims: ReadonlySet<string>,
  ends: ReadonlyMap<string, UnitEnd>,
): string[] {
  const problems: string[] = [];
  for (const [unit, parts] of units) {
    const [first] = parts;
    const whole = Array.from({ length: first?.of ?? 0 }, (_, part) => [
      part,
      (first?.seq ?? 0) + part,
    ]);
    problems.push(
      ...same(
        `${unit}: parts`,
        parts.map(({ part, seq }) => [part, seq]),
        whole,
      ),
    );
    if (!claims.has(unit)) problems.push(`${unit}: entries without its row`);
    if (ends.get(unit) === 'failed') problems.push(`${unit}: answered as failed, and there`);
  }
  for (const unit of claims) if (!units.has(unit)) problems.push(`${unit}: a row without entries`);
  for (const [unit, end] of ends) {
    if (end === 'stored' && !units.has(unit))
      problems.push(`${unit}: answered as stored, and gone`);
  }
  return problems;
}
