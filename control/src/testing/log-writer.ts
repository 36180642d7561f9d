/**
 * A replica that writes to one workspace's log, as a process that may be killed. The argument says where
 * and as whom. Each line of input asks for so many units: `{"units":n,"inFlight":n,"failing":share}`. Each
 * line of output is the end of one unit, `{"unit":id,"end":"stored"|"failed"|"unknown"}`, or `{"done":true}`.
 */
import { createInterface } from 'node:readline';
import { type ActionId, type KeyId, makeId, type WorkspaceId } from '@portarium/contracts/ids';
import { SYSTEM_ACTOR } from '../application/context.ts';
import { InfraError, type WriteTransaction } from '../application/ports/workspace-store.ts';
import { systemClock, systemIds } from '../infrastructure/identity/system.ts';
import { connect } from '../infrastructure/postgres/connect.ts';
import { sharedPlaces } from '../infrastructure/postgres/tenancy/places.ts';
import { createWorkspaceStore } from '../infrastructure/postgres/workspace-store.ts';

export interface LogWriterOptions {
  readonly url: string;
  readonly workspace: string;
  /** Units are named `<name>-<n>`. */
  readonly name: string;
  readonly seed: number;
}

export interface WriterTask {
  readonly units: number;
  readonly inFlight: number;
  /** Of units, from 0 to 1. */
  readonly failing: number;
}

const PAUSE_MS = 50;
/** Actions that all writers write about. */
const ACTIONS = [1, 2, 3, 4].map((n) => makeId('action', n, new Uint8Array(10).fill(n)));
const KEY: KeyId = makeId('key', 0, new Uint8Array(10));
const DIGEST = `sha256:${'0'.repeat(64)}` as const;

const options = JSON.parse(process.argv[2] ?? '{}') as LogWriterOptions;
const workspace = options.workspace as WorkspaceId;
const store = createWorkspaceStore(
  sharedPlaces(connect(options.url, { max: 4, name: 'log-writer' })),
  systemIds(systemClock),
);
let state = options.seed;
let made = 0;

/** Mulberry32. */
function random(): number {
  state = (state + 0x6d2b79f5) | 0;
  let t = Math.imul(state ^ (state >>> 15), 1 | state);
  t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
  return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
}

class Planned extends Error {}

async function claim(tx: WriteTransaction, unit: string, action: ActionId): Promise<void> {
  await tx.claimIdempotencyKey({
    ...{ principal: KEY, route: 'unit', key: unit, requestDigest: DIGEST, action },
    at: new Date().toISOString(),
  });
}

/** A row, one to four entries and an event; or a failure somewhere among them. */
async function write(unit: string, failing: number): Promise<'stored' | 'failed' | 'unknown'> {
  const of = 1 + Math.floor(random() * 4);
  const action =
    ACTIONS[Math.floor(random() * ACTIONS.length)] ?? makeId('action', 0, new Uint8Array(10));
  const fails = random() < failing ? Math.floor(random() * 4) : undefined;
  try {
    await store.submit(workspace, async (tx) => {
      if (fails === 0) throw new Planned();
      await claim(tx, unit, action);
      if (fails === 1) throw new Planned();
      for (let part = 0; part < of; part++) {
        tx.append({
          type: part === 0 ? 'action.requested' : 'key.created',
          actor: SYSTEM_ACTOR,
          subject: part % 2 === 0 ? { action } : {},
          data: { unit, part, of },
          trace: null,
        });
      }
      if (fails === 2) throw new Planned();
      // The database refuses it: there is such a policy.
      if (fails === 3) await policy(tx);
    });
    return 'stored';
  } catch (error) {
    if (error instanceof InfraError) return 'unknown';
    return 'failed';
  }
}

async function policy(tx: WriteTransaction): Promise<void> {
  const id = makeId('policy', 0, new Uint8Array(10));
  for (const version of [1, 1]) await tx.insertPolicy({ id, version, text: '' });
}

async function run({ units, inFlight, failing }: WriterTask): Promise<void> {
  let left = units;
  const lane = async () => {
    while (left-- > 0) {
      const unit = `${options.name}-${made++}`;
      const end = await write(unit, failing);
      process.stdout.write(`${JSON.stringify({ unit, end })}\n`);
      if (end === 'unknown') await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
    }
  };
  await Promise.all(Array.from({ length: inFlight }, lane));
  process.stdout.write(`${JSON.stringify({ done: true })}\n`);
}

for await (const line of createInterface({ input: process.stdin })) {
  await run(JSON.parse(line) as WriterTask);
}
process.exit(0);
