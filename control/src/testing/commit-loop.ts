/**
 * Commits again and again, through the store and by raw inserts of the same bytes: what the benchmark of
 * evidence runs in a process of its own. The first line of input names the database, each further one a
 * block, each line of output what came of it: `{"durations":[ms],"elapsedMs":n}`.
 */
import { createHash } from 'node:crypto';
import { createInterface } from 'node:readline';
import { INSTANCE_WORKSPACE, type WorkspaceId } from '@portarium/contracts/ids';
import { DEFAULT_LIMITS } from '@portarium/contracts/limits';
import { SYSTEM_ACTOR } from '../application/context.ts';
import type { ActionRecord } from '../application/ports/records.ts';
import type { WorkspaceStore } from '../application/ports/workspace-store.ts';
import { MIGRATIONS } from '../compose.ts';
import { systemClock, systemIds } from '../infrastructure/identity/system.ts';
import { connect, type Sql } from '../infrastructure/postgres/connect.ts';
import { migrate } from '../infrastructure/postgres/migrate.ts';
import { createWorkspaceStore } from '../infrastructure/postgres/workspace-store.ts';

interface Database {
  readonly ownerUrl: string;
  readonly runtimeUrl: string;
}

interface Block {
  /** `submit`: state, entry and outbox row; `entries`: entries alone; `raw-…`: the same bytes, inserted. */
  readonly way: 'submit' | 'entries' | 'raw-commits' | 'raw-entries' | 'sha256';
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
const contract = {
  plugin: [
    {
      ...{ id: 'refunds', methods: ['POST' as const], scheme: 'https' as const, port: 443 },
      ...{ host: 'api.stripe.com', path: '/v1/refunds', maxCalls: 1, maxBytes: 65_536 },
    },
  ],
  ...{ operator: [], networks: [], approval: [] },
};

function action(): ActionRecord {
  return {
    ...{ id: ids.next('action'), state: 'dispatched', tier: 'auto', plugin: 'stripe-refunds' },
    ...{ version: '1.2.0', pluginDigest: digest, operation: 'createRefund', effect: 'read' },
    ...{ inputDigest: digest, contractDigest: digest, contract, limits: DEFAULT_LIMITS },
    ...{ seed: 'b'.repeat(64), labels: { team: 'payments' }, requestedBy: ids.next('key') },
    ...{ policyVersion: 1, orderDigest: digest, replaces: null, dryRun: false, dryRunOf: null },
    ...{ credentials: [], fence: 0, outputDigest: null, error: null, trace: 'c'.repeat(32) },
    ...{ createdAt: new Date().toISOString(), finishedAt: null },
  };
}

/** What a request is: a row, an entry, an event. */
function submit(store: WorkspaceStore, workspace: WorkspaceId): Promise<void> {
  const row = action();
  return store.submit(workspace, async (tx) => {
    await tx.insertAction(row);
    tx.append({
      type: 'action.requested',
      actor: { kind: 'user', id: row.requestedBy },
      subject: { action: row.id },
      data: {
        ...{ operation: row.operation, effect: row.effect, plugin: row.plugin },
        ...{ version: row.version, inputDigest: digest, contractDigest: digest },
      },
      trace: row.trace,
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

const STATE = JSON.stringify({ ...action(), contract });
const ENTRY = Buffer.from('e'.repeat(640));
const EVENT = 'f'.repeat(700);
let next = 0;

/** One transaction, one insert a table; nothing orders or hashes them. */
async function rawCommit(owner: Sql): Promise<void> {
  const id = next++;
  await owner.begin((tx) =>
    Promise.all([
      tx`INSERT INTO raw_state (id, body) VALUES (${id}, ${STATE}::text::jsonb)`,
      tx`INSERT INTO raw_entries (id, hash, bytes) VALUES (${id}, ${digest}, ${ENTRY})`,
      tx`INSERT INTO raw_outbox (id, envelope) VALUES (${id}, ${EVENT})`,
    ]),
  );
}

async function rawEntries(owner: Sql, perCall: number): Promise<void> {
  const rows = Array.from({ length: perCall }, () => ({ id: next++, hash: digest, bytes: ENTRY }));
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
    await owner.unsafe(`
      CREATE TABLE raw_state (id bigint PRIMARY KEY, body jsonb NOT NULL);
      CREATE TABLE raw_entries (id bigint PRIMARY KEY, hash text NOT NULL, bytes bytea NOT NULL);
      CREATE TABLE raw_outbox (id bigint PRIMARY KEY, envelope text NOT NULL)`);
    const sql = connect(runtimeUrl, { max: POOL_SIZE, name: 'bench' });
    parts = { store: createWorkspaceStore(sql, ids), owner };
    await entries(parts.store, INSTANCE_WORKSPACE, 1);
    console.log('ready');
  }
}

await main();
