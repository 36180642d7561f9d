/**
 * Commits again and again, through the store and by raw inserts of the same bytes: what the benchmark of
 * evidence runs in a process of its own. The first line of input names the database, each further one a
 * block, each line of output what came of it: `{"durations":[ms],"elapsedMs":n}`.
 */
import { createHash } from 'node:crypto';
import { createInterface } from 'node:readline';
import { INSTANCE_WORKSPACE, uuidOf, type WorkspaceId } from '@portarium/contracts/ids';
import { SYSTEM_ACTOR } from '../application/context.ts';
import type { AttemptRecord } from '../application/ports/records.ts';
import type { WorkspaceStore } from '../application/ports/workspace-store.ts';
import { MIGRATIONS } from '../compose.ts';
import { systemClock, systemIds } from '../infrastructure/identity/system.ts';
import { connect, type Sql, type TransactionSql } from '../infrastructure/postgres/connect.ts';
import { migrate } from '../infrastructure/postgres/migrations/migrate.ts';
import { sharedPlaces } from '../infrastructure/postgres/tenancy/places.ts';
import { createWorkspaceStore } from '../infrastructure/postgres/workspace-store.ts';

interface Database {
  readonly ownerUrl: string;
  readonly runtimeUrl: string;
}

interface Block {
  /** `submit`: state, entry and outbox row; `entries`: entries alone; `raw-…`: the same bytes, inserted. */
  readonly way: 'submit' | 'entries' | 'raw-commits' | 'plain-commits' | 'raw-entries' | 'sha256';
  /** Operations. */
  readonly size: number;
  readonly inFlight: number;
  readonly workspaces: number;
  /** Entries of an operation. */
  readonly perCall: number;
}

const POOL_SIZE = 16;
const ids = systemIds(systemClock);
const digest = `sha256:${'a'.repeat(64)}` as const;

function attempt(): AttemptRecord {
  const now = Date.now();
  return {
    ...{ id: ids.next('attempt'), action: ids.next('action'), fence: 1, host: 'host-local' },
    ...{ isolation: 'seccomp', engine: 'bun', leaseUntil: new Date(now + 30_000).toISOString() },
    ...{ startedAt: new Date(now).toISOString(), finishedAt: null, verdict: null, error: null },
    usage: null,
  };
}

/** What the claim of an attempt is: a row, an entry, an event. */
function submit(store: WorkspaceStore, workspace: WorkspaceId): Promise<void> {
  const row = attempt();
  return store.submit(workspace, async (tx) => {
    await tx.insertAttempt(row);
    tx.append({
      type: 'attempt.started',
      actor: { kind: 'sandbox', id: row.host },
      subject: { action: row.action, attempt: row.id },
      data: {
        ...{ attempt: row.id, host: row.host, isolation: row.isolation },
        ...{ engine: row.engine, fence: row.fence },
      },
      trace: 'c'.repeat(32),
    });
  });
}

function entries(store: WorkspaceStore, workspace: WorkspaceId, perCall: number): Promise<void> {
  return store.submit(workspace, async (tx) => {
    for (let i = 0; i < perCall; i++) {
      tx.append({
        type: 'key.created',
        actor: SYSTEM_ACTOR,
        subject: {},
        data: { note: `entry ${i}`, digest, more: 'd'.repeat(160) },
        trace: 'c'.repeat(32),
      });
    }
  });
}

/** As long as those of {@link submit}. */
const ENTRY = Buffer.from('e'.repeat(690));
const EVENT = 'f'.repeat(760);
const WORKSPACE = 'bench-0';
let next = 0;

const state = (tx: Sql | TransactionSql, row: AttemptRecord) => tx`
  INSERT INTO raw_attempts (workspace_id, id, action_id, fence, host, isolation, engine, lease_until, started_at)
  VALUES (${WORKSPACE}, ${uuidOf(row.id)}, ${uuidOf(row.action)}, ${row.fence}, ${row.host}, ${row.isolation}, ${row.engine}, ${row.leaseUntil}, ${row.startedAt})`;
const entry = (tx: Sql | TransactionSql, row: AttemptRecord, seq: number) => tx`
  INSERT INTO raw_entries (workspace_id, seq, hash, type, action_id, action_seq, bytes)
  VALUES (${WORKSPACE}, ${seq}, ${digest}, 'attempt.started', ${uuidOf(row.action)}, 0, ${ENTRY})`;
const event = (tx: Sql | TransactionSql, row: AttemptRecord, seq: number) => tx`
  INSERT INTO raw_outbox (workspace_id, seq, event_id, subject, envelope)
  VALUES (${WORKSPACE}, ${seq}, ${uuidOf(row.id)}, 'portarium.events.bench-0.action.attempt.started', ${EVENT})`;

/** One transaction, one insert a table; nothing orders or hashes them. */
async function rawCommit(owner: Sql): Promise<void> {
  const row = attempt();
  const seq = next++;
  await owner.begin((tx) =>
    Promise.all([state(tx, row), entry(tx, row, seq), event(tx, row, seq)]),
  );
}

/** One transaction that does what has to be done, a statement after the other: what a batch of one is held to. */
async function plainCommit(owner: Sql): Promise<void> {
  const row = attempt();
  await owner.begin(async (tx) => {
    await tx`SELECT set_config('portarium.workspace', ${WORKSPACE}, true)`;
    await state(tx, row);
    const [head] =
      await tx`SELECT size FROM raw_heads WHERE workspace_id = ${WORKSPACE} FOR UPDATE`;
    await tx`SELECT hash FROM raw_entries WHERE workspace_id = ${WORKSPACE} AND action_id = ${uuidOf(row.action)} ORDER BY action_seq DESC LIMIT 1`;
    createHash('sha256').update(ENTRY).digest();
    const seq = next++;
    await entry(tx, row, seq);
    await event(tx, row, seq);
    await tx`UPDATE raw_heads SET size = ${Number(head?.size) + 1}, hash = ${digest}, time = now() WHERE workspace_id = ${WORKSPACE}`;
    await tx`SELECT pg_notify('bench', ${row.action})`;
  });
}

async function rawEntries(owner: Sql, perCall: number): Promise<void> {
  const rows = Array.from({ length: perCall }, () => ({
    ...{ workspace_id: WORKSPACE, seq: next++, hash: digest, type: 'key.created', bytes: ENTRY },
  }));
  await owner`INSERT INTO raw_entries ${owner(rows)}`;
}

async function sha256(perCall: number): Promise<void> {
  for (let i = 0; i < perCall; i++) createHash('sha256').update(ENTRY).digest();
}

async function run(store: WorkspaceStore, owner: Sql, block: Block): Promise<object> {
  const durations: number[] = [];
  let left = block.size;
  const lane = async (_: unknown, index: number) => {
    const workspace = `bench-${index % block.workspaces}` as WorkspaceId;
    const operation = {
      submit: () => submit(store, workspace),
      entries: () => entries(store, workspace, block.perCall),
      'raw-commits': () => rawCommit(owner),
      'plain-commits': () => plainCommit(owner),
      'raw-entries': () => rawEntries(owner, block.perCall),
      sha256: () => sha256(block.perCall),
    }[block.way];
    while (left-- > 0) {
      const from = performance.now();
      await operation();
      durations.push(performance.now() - from);
    }
  };
  const started = performance.now();
  await Promise.all(Array.from({ length: block.inFlight }, lane));
  return { durations, elapsedMs: performance.now() - started };
}

async function main(): Promise<void> {
  let parts: { store: WorkspaceStore; owner: Sql } | undefined;
  for await (const line of createInterface({ input: process.stdin })) {
    if (parts) {
      console.log(JSON.stringify(await run(parts.store, parts.owner, JSON.parse(line) as Block)));
      continue;
    }
    const { ownerUrl, runtimeUrl } = JSON.parse(line) as Database;
    await migrate({ ownerUrl, runtimeUrl, folder: MIGRATIONS, toolVersion: 'bench' });
    const owner = connect(ownerUrl, { max: POOL_SIZE, name: 'bench-raw' });
    // The same columns and indexes, without row-level security and triggers.
    await owner.unsafe(`
      CREATE TABLE raw_attempts (LIKE portarium.attempts INCLUDING ALL);
      CREATE TABLE raw_entries (LIKE portarium.log_entries INCLUDING ALL);
      CREATE TABLE raw_outbox (LIKE portarium.outbox INCLUDING ALL);
      CREATE TABLE raw_heads (LIKE portarium.log_heads INCLUDING ALL);
      INSERT INTO raw_heads (workspace_id, size, time) VALUES ('bench-0', 0, now())`);
    const sql = connect(runtimeUrl, { max: POOL_SIZE, name: 'bench' });
    parts = { store: createWorkspaceStore(sharedPlaces(sql), ids), owner };
    await entries(parts.store, INSTANCE_WORKSPACE, 1);
    console.log('ready');
  }
}

await main();
