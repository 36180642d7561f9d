/** What a database that was restored from a backup does once its log was recovered: nothing that was done, and nothing that is held. */
import { afterAll, beforeAll, expect, test } from 'bun:test';
import type { ActionId } from '@portarium/contracts/ids';
import type { WorkOrder } from '@portarium/contracts/internal-api';
import { stateOfStory } from '@portarium/contracts/state-of-story';
import { verifyBundle } from '@portarium/contracts/verify-bundle';
import { connect, type Sql } from '../infrastructure/postgres/connect.ts';
import * as host from '../testing/as-host.ts';
import { asOwner } from '../testing/as-owner.ts';
import {
  dispose,
  endedAction,
  LOCAL,
  liftHold,
  outcomes,
  pastRetention,
  placeHold,
  present,
  short,
} from '../testing/keep-and-dispose.ts';
import { LEDGER_RULES, pushLedger, storeSecret } from '../testing/ledger-plugin.ts';
import { startTestInstance, type TestInstance } from '../testing/test-instance.ts';
import { answered, ask, decide, intend, look, send, story } from '../testing/writes.ts';
import { readStory } from './action-story.ts';
import { recoverLog } from './recover-log.ts';
import { sealLog } from './seal-log.ts';

const TIMEOUT_MS = 60_000;
/** Tables that a backup brings back as they were; the log's freeze is not among them. */
const TABLES = [
  ...['actions', 'attempts', 'journal', 'journal_bodies', 'approvals', 'approval_decisions'],
  ...['dispatch_queue', 'idempotency_keys', 'legal_holds', 'workspace_retention'],
  ...['artifact_catalogue', 'artifact_names', 'action_marks', 'held_artifacts'],
  ...['log_entries', 'log_heads', 'log_nodes', 'log_checkpoints', 'outbox'],
];

/** A part of what the ledger may reach. */
const LESS = {
  ...LEDGER_RULES[0],
  id: 'less',
  maxCalls: 1,
};

let instance: TestInstance;
let owner: Sql;
let credential: string;
beforeAll(async () => {
  instance = await startTestInstance(undefined, {}, short);
  owner = connect(instance.ownerUrl, { max: 1, name: 'test' });
  credential = await storeSecret(instance);
  await pushLedger(instance);
}, TIMEOUT_MS);
afterAll(async () => {
  await owner?.end();
  await instance?.[Symbol.asyncDispose]();
}, TIMEOUT_MS);

const composed = () => instance.composed;

/** The rows of the workspace as they are now. */
async function backUp(): Promise<void> {
  await asOwner(owner, LOCAL, async (sql) => {
    for (const table of TABLES) {
      await sql`DROP TABLE IF EXISTS ${sql(`saved_${table}`)}`;
      await sql`CREATE TABLE ${sql(`saved_${table}`)} AS SELECT * FROM ${sql(table)} WHERE workspace_id = ${LOCAL}`;
    }
  });
}

/** Brings them back; what was sealed until now is in the evidence store. */
async function restore(): Promise<void> {
  await sealLog(composed().context, LOCAL, { keep: true });
  await asOwner(owner, LOCAL, async (sql) => {
    for (const table of TABLES) {
      await sql`DELETE FROM ${sql(table)} WHERE workspace_id = ${LOCAL}`;
      await sql`INSERT INTO ${sql(table)} SELECT * FROM ${sql(`saved_${table}`)}`;
    }
  });
  composed().forgetChecks();
}

async function recover(): Promise<Record<string, unknown>> {
  const json = { dryRun: false, rationale: 'the disk was lost' };
  const { status, body } = await send(instance, 'admin', 'POST', '/evidence/recovery', json);
  expect([status, body.state]).toEqual([200, 'behind']);
  return body;
}

async function verified(): Promise<void> {
  const path = `/v1/workspaces/${LOCAL}/evidence/export`;
  const answer = await instance.call('GET', path, { role: 'admin' });
  const [pin] = composed().context.signer.verifierKeys(LOCAL);
  const report = await verifyBundle(new Uint8Array(await answer.arrayBuffer()), { pin });
  expect([report.verdict, report.findings]).toEqual(['verified', []]);
}

test(
  'holds and lengthened retention of after the backup are there again, and what is held is not disposed of',
  async () => {
    const action = await endedAction(instance);
    const released = await placeHold(instance, { kind: 'action', action: action.id });
    await backUp();
    const { id } = await placeHold(instance, { kind: 'action', action: action.id });
    expect(await liftHold(instance, released.id)).toBe(200);
    const days = { operational: 40, forensic: 3_000 };
    const longer = await send(instance, 'admin', 'PUT', '/retention', days);
    expect(longer.status).toBe(200);
    const { store } = composed().context;
    const kept = () =>
      store.read(LOCAL, async (tx) => ({
        retention: await tx.workspaceRetention(),
        holds: (await tx.listHolds()).map((hold) => [
          hold.id,
          hold.scope,
          hold.reason,
          hold.placedBy,
          hold.lifted?.reason,
        ]),
      }));
    const before = await kept();
    await restore();
    expect(await kept()).not.toEqual(before);
    await recover();
    expect(await kept()).toEqual(before);
    await pastRetention();
    expect(outcomes(await dispose(instance), action)).toEqual(['hold']);
    expect(await present(instance, action)).toEqual([true]);
    expect(await liftHold(instance, id)).toBe(200);
    await verified();
  },
  TIMEOUT_MS,
);

/** Of an approved write that a host holds. */
async function held(): Promise<{ id: string; order: WorkOrder }> {
  const action = await ask(instance, { id: crypto.randomUUID() });
  expect((await decide(instance, action)).status).toBe(200);
  return { id: action.id, order: await host.claimed(instance, action.id) };
}

async function succeed(order: WorkOrder): Promise<void> {
  const call = { rule: 'keyed' };
  expect((await intend(instance, order, call)).body.status).toBe('send');
  const outcome = { verdict: 'succeeded', output: Buffer.from('{}').toString('base64') };
  const sent = await answered(call, undefined, { credential: credential as never });
  const json = { usage: host.USAGE, ...outcome, ...sent };
  expect((await host.report(instance, order, 'outcome', json)).status).toBe(200);
}

const types = async (id: string) => (await story(instance, id)).map(({ type }) => type);
const told = async (id: string) => {
  const row = await look(instance, id);
  const entries = await composed().context.store.read(LOCAL, (tx) => readStory(tx, id as ActionId));
  return [row.state, stateOfStory(entries)];
};

test(
  'what was done after the backup is not done again: no host gets it, nobody decides about it, and rows and entries agree',
  async () => {
    // As the backup has them: asked for, dispatched, claimed.
    const asked = await ask(instance, { id: 'asked' });
    const dispatched = await ask(instance, { id: 'dispatched' });
    expect((await decide(instance, dispatched)).status).toBe(200);
    const claimed = await held();
    const running = await held();
    const quiet = await held();
    const granted = await ask(instance, { id: 'granted' });
    const narrowed = await ask(instance, { id: 'narrowed' });
    await backUp();
    // What the log tells of since then.
    expect((await decide(instance, asked)).status).toBe(200);
    await succeed(await host.claimed(instance, asked.id));
    await succeed(await host.claimed(instance, dispatched.id));
    await succeed(claimed.order);
    expect((await intend(instance, running.order, { rule: 'unkeyed' })).body.status).toBe('send');
    expect((await decide(instance, granted)).status).toBe(200);
    expect((await decide(instance, narrowed, { egress: [LESS] })).status).toBe(200);
    const began = await ask(instance, { id: 'began' });
    const before = await Promise.all([asked, dispatched, claimed].map(({ id }) => types(id)));
    await restore();
    await recover();

    for (const { id } of [asked, dispatched, claimed]) {
      expect(await told(id)).toEqual(['succeeded', 'succeeded']);
      const { status, body } = await host.claim(instance, id);
      expect([status, body]).toEqual([200, { status: 'finished', state: 'succeeded' }]);
    }
    expect((await decide(instance, asked)).status).toBe(409);
    // A host of before has nothing to say about them any more.
    await host.report(instance, claimed.order, 'heartbeat', { calls: [] });
    expect(await Promise.all([asked, dispatched, claimed].map(({ id }) => types(id)))).toEqual(
      before,
    );
    expect(await told(running.id)).toEqual(['outcome-unknown', 'outcome-unknown']);
    const again = { outcome: 'dispatched', rationale: 'it did not happen' };
    const path = `/actions/${running.id}/resolve`;
    expect((await send(instance, 'operator', 'POST', path, again)).status).toBe(409);
    expect((await host.claim(instance, running.id)).body).toMatchObject({ status: 'finished' });
    for (const { id } of [granted, narrowed]) {
      expect(await told(id)).toEqual(['cancelled', 'cancelled']);
      expect((await host.claim(instance, id)).body).toMatchObject({ status: 'finished' });
    }
    // Nothing was lost of it: it goes on.
    expect(await told(quiet.id)).toEqual(['running', 'running']);
    await succeed(quiet.order);
    expect((await host.claim(instance, began.id)).status).toBe(404);
    const failed = { ...again, outcome: 'failed' };
    expect((await send(instance, 'operator', 'POST', path, failed)).status).toBe(200);
    await verified();
  },
  TIMEOUT_MS,
);

test(
  'a recovery that was cut off after it had put entries back is ended by the next one',
  async () => {
    const done = await held();
    const open = await held();
    await backUp();
    await succeed(done.order);
    expect((await intend(instance, open.order, { rule: 'unkeyed' })).body.status).toBe('send');
    await restore();
    const { context } = composed();
    const admin = (await context.directory.listKeys(null)).find(({ role }) => role === 'admin');
    if (!admin) throw new Error('no administrator');
    const { sealerStore } = context;
    let units = 0;
    const cut: typeof sealerStore = {
      ...sealerStore,
      // It freezes the log and puts entries back; then the connection is lost.
      submit: (workspace, unit) => {
        units += 1;
        return units > 2
          ? Promise.reject(new Error('cut off'))
          : sealerStore.submit(workspace, unit);
      },
    };
    const caller = { key: admin, trace: '0'.repeat(32) };
    const wanted = { dryRun: false, rationale: 'the disk was lost' };
    const failed = await recoverLog({ ...context, sealerStore: cut }, caller, LOCAL, wanted).catch(
      (error: Error) => error.message,
    );
    expect(failed).toBe('cut off');
    expect(await told(done.id)).toEqual(['running', 'succeeded']);
    const { status, body } = await send(instance, 'admin', 'POST', '/evidence/recovery', wanted);
    expect([status, body.state]).toEqual([200, 'none']);
    expect(await told(done.id)).toEqual(['succeeded', 'succeeded']);
    expect(await told(open.id)).toEqual(['outcome-unknown', 'outcome-unknown']);
    await verified();
  },
  TIMEOUT_MS,
);

test(
  'rows that are older than the log are refused by the claim and by the decision themselves',
  async () => {
    const asked = await ask(instance, { id: 'older row' });
    const claimed = await held();
    const saved = [
      'actions',
      'attempts',
      'approvals',
      'approval_decisions',
      'journal',
      'journal_bodies',
    ];
    await backUp();
    expect((await decide(instance, asked)).status).toBe(200);
    await succeed(claimed.order);
    await asOwner(owner, LOCAL, async (sql) => {
      for (const table of saved) {
        await sql`DELETE FROM ${sql(table)} WHERE workspace_id = ${LOCAL}`;
        await sql`INSERT INTO ${sql(table)} SELECT * FROM ${sql(`saved_${table}`)}`;
      }
    });
    expect(await told(claimed.id)).toEqual(['running', 'succeeded']);
    const { body } = await host.claim(instance, claimed.id);
    expect(body).toEqual({ status: 'finished', state: 'succeeded' });
    const refused = await decide(instance, asked);
    expect([refused.status, refused.body.code]).toEqual([409, 'conflict']);
    expect((await types(asked.id)).at(-1)).toBe('approval.granted');
  },
  TIMEOUT_MS,
);
