import { afterAll, beforeAll, expect, test } from 'bun:test';
import { INSTANCE_WORKSPACE, type WorkspaceId } from '@portarium/contracts/ids';
import { SYSTEM_ACTOR } from '../../application/context.ts';
import type { EntryDraft } from '../../application/ports/workspace-store.ts';
import { startTestInstance, type TestInstance } from '../../testing/test-instance.ts';
import { connect, type Sql } from './connect.ts';

const LOCAL = 'local' as WorkspaceId;
const HOUR_MS = 3_600_000;

let instance: TestInstance;
let owner: Sql;
beforeAll(async () => {
  instance = await startTestInstance();
  owner = connect(instance.ownerUrl, { max: 1, name: 'test' });
  // A clock of the database that can be moved: found before PostgreSQL's own on every new connection.
  await owner.unsafe(`
    CREATE TABLE portarium.moved_clock AS SELECT interval '0' AS by;
    GRANT SELECT ON portarium.moved_clock TO portarium_runtime;
    CREATE FUNCTION portarium.clock_timestamp() RETURNS timestamptz LANGUAGE sql VOLATILE AS
      'SELECT pg_catalog.clock_timestamp() + by FROM portarium.moved_clock';
    DO $$ BEGIN
      EXECUTE format('ALTER ROLE portarium_runtime IN DATABASE %I SET search_path = portarium, pg_catalog', current_database());
    END $$`);
  await owner`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'portarium-control' AND datname = current_database()`;
  // Connections that were ended refuse once.
  for (let i = 0; i < 40; i++) {
    await instance.composed.context.store.read(LOCAL, (tx) => tx.logSize()).catch(() => undefined);
  }
}, 300_000);
afterAll(async () => {
  await owner.end({ timeout: 1 });
  await instance[Symbol.asyncDispose]();
}, 60_000);

async function move(ms: number): Promise<void> {
  await owner`UPDATE portarium.moved_clock SET by = make_interval(secs => ${ms / 1000})`;
}

const draft = (note: string): EntryDraft => ({
  ...{ type: 'key.created', actor: SYSTEM_ACTOR, subject: {}, data: { note }, trace: null },
});

/** Appends one entry. @returns its time, in milliseconds before now */
async function append(note: string): Promise<number> {
  const { store } = instance.composed.context;
  await store.submit(LOCAL, async (tx) => tx.append(draft(note)));
  const times = await timesOf(LOCAL, 'key.created');
  return Date.now() - (times.at(-1) ?? Number.NaN);
}

async function entriesOf(workspace: WorkspaceId) {
  const rows = await instance.composed.context.store.read(workspace, (tx) =>
    tx.listEntries({ after: -1, limit: 1_000 }),
  );
  return rows.map(
    ({ bytes }) =>
      JSON.parse(new TextDecoder().decode(bytes)) as {
        readonly type: string;
        readonly time: string;
        readonly data: Readonly<Record<string, unknown>>;
      },
  );
}

async function timesOf(workspace: WorkspaceId, type: string): Promise<readonly number[]> {
  const entries = await entriesOf(workspace);
  return entries.filter((one) => one.type === type).map(({ time }) => Date.parse(time));
}

async function alarms(wanted: number) {
  const until = performance.now() + 30_000;
  for (;;) {
    const entries = await entriesOf(INSTANCE_WORKSPACE);
    const said = entries.filter(({ type }) => type === 'clock.stepped').map(({ data }) => data);
    if (said.length >= wanted || performance.now() > until) return said;
    await Bun.sleep(20);
  }
}

test('the clock of the database may jump and go back: time in the log never does, and each jump raises an alarm', async () => {
  expect(Math.abs(await append('as it should be'))).toBeLessThan(HOUR_MS / 2);
  await move(2 * HOUR_MS);
  expect(await append('two hours ahead')).toBeLessThan(-1.5 * HOUR_MS);
  expect((await alarms(1)).map(({ kind }) => kind)).toEqual(['stepped']);
  await move(-HOUR_MS);
  // The log keeps the time that it had.
  expect(await append('an hour behind')).toBeLessThan(-1.5 * HOUR_MS);
  expect(await append('and again')).toBeLessThan(-1.5 * HOUR_MS);
  const said = await alarms(3);
  expect(said.map(({ kind, byMs }) => [kind, Math.round(Number(byMs) / HOUR_MS)])).toContainEqual([
    'stepped',
    2,
  ]);
  expect(said.map(({ kind, byMs }) => [kind, Math.round(Number(byMs) / HOUR_MS)])).toContainEqual([
    'stepped',
    -3,
  ]);
  expect(said.map(({ kind, workspace }) => [kind, workspace])).toContainEqual(['behind', LOCAL]);
  const times = (await entriesOf(LOCAL)).map(({ time }) => time);
  expect(times).toEqual(times.toSorted());
  const heads = (await entriesOf(INSTANCE_WORKSPACE)).map(({ time }) => time);
  expect(heads).toEqual(heads.toSorted());
});

test('what may not be later than a time is judged by the clock as it is once the head is locked', async () => {
  await move(0);
  const { store } = instance.composed.context;
  const workspace = 'late' as WorkspaceId;
  await store.submit(workspace, async (tx) => tx.append(draft('first')));
  // Another replica holds the head for a while, and then changes nothing.
  const holder = owner.begin(async (tx) => {
    await tx`SELECT FROM portarium.log_heads WHERE workspace_id = ${workspace} FOR UPDATE`;
    await Bun.sleep(1_500);
    throw new Error('changed nothing');
  });
  const ended = holder.catch((error: Error) => error.message);
  await Bun.sleep(300);
  const notAfter = new Date(Date.now() + 700).toISOString();
  const late = store.submit(workspace, async (tx) => tx.append({ ...draft('late'), notAfter }));
  await expect(late).rejects.toThrow('came too late');
  expect(await ended).toBe('changed nothing');
});
