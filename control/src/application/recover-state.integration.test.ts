/** What a database that was restored from a backup does once its log was recovered: nothing that was done, and nothing that is held. */
import { afterAll, beforeAll, expect, test } from 'bun:test';
import { verifyBundle } from '@portarium/contracts/verify-bundle';
import { connect, type Sql } from '../infrastructure/postgres/connect.ts';
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
import { pushLedger } from '../testing/ledger-plugin.ts';
import { startTestInstance, type TestInstance } from '../testing/test-instance.ts';
import { send } from '../testing/writes.ts';
import { sealLog } from './seal-log.ts';

const TIMEOUT_MS = 60_000;
/** Tables that a backup brings back as they were; the log's freeze is not among them. */
const TABLES = [
  ...['actions', 'attempts', 'journal', 'journal_bodies', 'approvals', 'approval_decisions'],
  ...['dispatch_queue', 'idempotency_keys', 'legal_holds', 'workspace_retention'],
  ...['artifact_catalogue', 'artifact_names', 'action_marks', 'held_artifacts'],
  ...['log_entries', 'log_heads', 'log_nodes', 'log_checkpoints', 'outbox'],
];

let instance: TestInstance;
let owner: Sql;
beforeAll(async () => {
  instance = await startTestInstance(undefined, {}, short);
  owner = connect(instance.ownerUrl, { max: 1, name: 'test' });
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
