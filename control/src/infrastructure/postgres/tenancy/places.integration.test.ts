/** Bindings on few connections: what one workspace leaves on a connection is not there for the next. */
import { afterAll, beforeAll, expect, test } from 'bun:test';
import type { Digest } from '@portarium/contracts/digest';
import type { WorkspaceId } from '@portarium/contracts/ids';
import { SYSTEM_ACTOR } from '../../../application/context.ts';
import type { EntryDraft, WorkspaceStore } from '../../../application/ports/workspace-store.ts';
import {
  inDatabase,
  namesOf,
  type Scratch,
  startScratch,
} from '../../../testing/tenancy-scratch.ts';
import { systemClock, systemIds } from '../../identity/system.ts';
import { createCatalogue } from '../catalogue.ts';
import { connect, type Sql, type TransactionSql } from '../connect.ts';
import { createWorkspaceStore } from '../workspace-store.ts';
import { createPlaces, createTiers, type Places } from './places.ts';

const SHARED = ['place-a', 'place-aa'] as WorkspaceId[];
const SCHEMAS = ['place-b', 'place--b', 'placeb'] as WorkspaceId[];
const DATABASES = ['place-c'] as WorkspaceId[];
const ALL = [...SHARED, ...SCHEMAS, ...DATABASES];
const CONNECTIONS = 3;

let scratch: Scratch;
let pool: Sql;
let destroyPool: Sql;
let places: Places;
let destroyPlaces: Places;
let store: WorkspaceStore;

function placesOn(shared: Sql, role: 'runtime' | 'destroy'): Places {
  const readUrl = async (workspace: WorkspaceId) => scratch.databaseUrls.get(workspace) ?? '';
  return createPlaces({ shared, role, instance: shared, tiers: createTiers(pool), readUrl });
}

beforeAll(async () => {
  // Without rows: what is found later was written here.
  scratch = await startScratch({ shared: [], schemas: SCHEMAS, databases: DATABASES, empty: true });
  await scratch.owner`UPDATE portarium.workspaces SET database_secret = gen_random_uuid() WHERE tenancy_tier = 'C'`;
  pool = connect(scratch.runtimeUrl, { max: CONNECTIONS, name: 'test-places' });
  destroyPool = connect(scratch.runtimeUrl, {
    ...{ max: 1, name: 'test-places-destroy', role: 'portarium_destroy' },
  });
  places = placesOn(pool, 'runtime');
  destroyPlaces = placesOn(destroyPool, 'destroy');
  store = createWorkspaceStore(places, systemIds(systemClock));
}, 120_000);
afterAll(async () => {
  await Promise.all([places.close(), destroyPlaces.close()]);
  await Promise.all([pool.end({ timeout: 5 }), destroyPool.end({ timeout: 5 })]);
  await scratch[Symbol.asyncDispose]();
}, 30_000);

const publisher = (fingerprint: string, name: string) => ({
  ...{ fingerprint: fingerprint as Digest, name, verifierKey: name, trustedBy: name },
  trustedAt: '2026-11-28T12:00:00.000Z',
  revokedBy: null,
  revokedAt: null,
});
const draft = (note: string, digest?: string): EntryDraft => ({
  ...{ type: 'key.created', actor: SYSTEM_ACTOR, subject: {}, data: { note }, trace: null },
  ...(digest === undefined
    ? {}
    : {
        artifacts: [
          {
            ...{ digest: digest as Digest, mediaType: 'text/plain', bytes: 1 },
            retention: 'forensic',
          },
        ],
      }),
});

/** Names of publishers by where they are: each schema, the shared tables, each database. */
async function stored(): Promise<Record<string, string[]>> {
  const found: Record<string, string[]> = {};
  const look = async (sql: Sql, where: string, schema: string) => {
    const rows = await sql`SELECT workspace_id, name FROM ${sql(schema)}.publishers ORDER BY 1, 2`;
    found[where] = rows.map((row) => `${row.workspace_id}: ${row.name}`);
  };
  await look(scratch.owner, 'shared', 'portarium');
  for (const id of SCHEMAS) await look(scratch.owner, id, namesOf(id).place);
  for (const id of DATABASES) {
    await look(scratch.login(inDatabase(scratch.ownerUrl, namesOf(id).place)), id, 'portarium');
  }
  return found;
}

test('200 inserts at once over workspaces of every tier, on three connections, are where they belong', async () => {
  const seen: string[] = [];
  const told: string[] = [];
  const ended = await Promise.allSettled(
    Array.from({ length: 200 }, async (_, at) => {
      const workspace = ALL[at % ALL.length] as WorkspaceId;
      await store.submit(workspace, async (tx) => {
        await tx.insertPublisher(publisher(`sha256:${at}`, `of ${workspace} ${at}`));
        tx.append(draft(`of ${workspace}`));
      });
      const [rows, entries] = await store.read(workspace, (tx) =>
        Promise.all([tx.listPublishers(), tx.listEntries({ after: -1, limit: 200 })]),
      );
      seen.push(...rows.map(({ name }) => `${workspace}: ${name}`));
      const notes = entries.map(
        ({ bytes }) => JSON.parse(new TextDecoder().decode(bytes)).data.note,
      );
      told.push(...notes.map((note) => `${workspace}: ${note}`));
    }),
  );
  expect(ended.filter(({ status }) => status === 'rejected')).toEqual([]);
  expect(seen.length).toBeGreaterThan(200);
  expect(seen.filter((line) => !line.match(/^(\S+): of \1 /))).toEqual([]);
  expect(told.filter((line) => !line.match(/^(\S+): of \1$/))).toEqual([]);
  const wanted = (ids: readonly string[]) =>
    Array.from({ length: 200 }, (_, at) => [ALL[at % ALL.length] as string, at] as const)
      .filter(([id]) => ids.includes(id))
      .map(([id, at]) => `${id}: of ${id} ${at}`)
      .sort();
  const found = await stored();
  const own = [...SCHEMAS, ...DATABASES];
  expect(Object.fromEntries(Object.entries(found).map(([at, rows]) => [at, rows.sort()]))).toEqual({
    shared: wanted(SHARED),
    ...Object.fromEntries(own.map((id) => [id, wanted([id])])),
  });
}, 60_000);

/** What the one connection of a pool is bound to. */
async function stateOf(sql: Sql | TransactionSql): Promise<unknown> {
  const [row] = await sql.unsafe(STATE);
  return { ...row };
}
const STATE = `SELECT current_user::text AS role, current_setting('search_path') AS path, coalesce(current_setting('portarium.workspace', true), '') AS workspace`;

test('a transaction is bound to its workspace, and leaves the connection bound to nothing', async () => {
  const one = connect(scratch.runtimeUrl, { max: 1, name: 'test-one' });
  const its = placesOn(one, 'runtime');
  const short = createWorkspaceStore(its, systemIds(systemClock));
  const free = { role: 'portarium_runtime', path: 'portarium', workspace: '' };
  for (const workspace of [...SHARED, ...SCHEMAS]) {
    const { sql, bind } = await its.of(workspace);
    const { state } = await sql.begin(async (tx) => {
      await bind(tx);
      return { state: await stateOf(tx) };
    });
    const place = namesOf(workspace).place;
    const bound = SCHEMAS.includes(workspace)
      ? { role: place, path: `${place}, portarium`, workspace }
      : { ...free, workspace };
    expect(state).toEqual(bound);
    expect(await stateOf(one)).toEqual(free);
    await short.read(workspace, (tx) => tx.listPublishers());
    await short.submit(workspace, async (tx) => tx.append(draft(`of ${workspace}`)));
    const failed = short.submit(workspace, () => Promise.reject(new Error('no')));
    await expect(failed).rejects.toThrow('no');
    expect(await stateOf(one)).toEqual(free);
    expect((await one`SELECT FROM publishers`).length).toBe(0);
  }
  await its.close();
  await one.end({ timeout: 5 });
});

test('what disposes is bound to the other role of a workspace, for its transaction', async () => {
  for (const workspace of [...SCHEMAS, ...DATABASES]) {
    const { sql, bind } = await destroyPlaces.of(workspace);
    const { state } = await sql.begin(async (tx) => {
      await bind(tx);
      return { state: await stateOf(tx) };
    });
    const { place, destroyRole } = namesOf(workspace);
    const own = DATABASES.includes(workspace);
    const path = own ? 'portarium' : `${place}, portarium`;
    expect(state).toEqual({ role: destroyRole, path, workspace });
    expect(await stateOf(sql)).toMatchObject({
      ...{ role: own ? destroyRole : 'portarium_destroy', workspace: '' },
    });
  }
});

test('the catalogue of what disposes is made of entries of the workspace alone, where its tables are', async () => {
  const catalogue = createCatalogue(destroyPlaces);
  const digestOf = (id: string) => `sha256:${id}`;
  for (const id of ALL) {
    await store.submit(id, async (tx) => tx.append(draft(`of ${id}`, digestOf(id))));
  }
  const ended = await Promise.allSettled(ALL.map((id) => catalogue.catchUp(id)));
  expect(ended.filter(({ status }) => status === 'rejected')).toEqual([]);
  for (const id of ALL) {
    const periodsMs = { operational: 0, compliance: 0, forensic: 0 };
    const now = '2030-01-01T00:00:00.000Z';
    const due = await catalogue.due(id, { now, periodsMs, after: undefined, limit: 10 });
    expect([id, due.map(({ digest }) => digest as string)]).toEqual([id, [digestOf(id)]]);
  }
  for (const id of SCHEMAS) {
    const { place } = namesOf(id);
    const rows = await scratch.owner`SELECT digest FROM ${scratch.owner(place)}.artifact_names`;
    expect(rows.map(({ digest }) => digest)).toEqual([digestOf(id)]);
  }
});

test('a binding goes first, although a statement behind it does not wait', async () => {
  for (const workspace of [...SHARED, ...SCHEMAS]) {
    const { sql, bind } = await places.of(workspace);
    const { state } = await sql.begin(async (tx) => {
      const bound = bind(tx);
      // Asked for at once, where `await` would come a moment later.
      const asked = tx.unsafe(STATE).execute();
      await bound;
      return { state: await asked };
    });
    expect(state[0]?.workspace).toBe(workspace);
  }
});

test('statements that were prepared for another shape of a table run once more, while an Expand is under way', async () => {
  const one = connect(scratch.runtimeUrl, { max: 1, name: 'test-shapes' });
  const its = placesOn(one, 'runtime');
  const short = createWorkspaceStore(its, systemIds(systemClock));
  const [first, second] = SCHEMAS as [WorkspaceId, WorkspaceId];
  const alter = (id: WorkspaceId, what: string) =>
    scratch.owner.unsafe(`ALTER TABLE ${namesOf(id).place}.publishers ${what}`);
  const AT = '2026-11-28T12:00:00.000Z';
  const marks = ['one', 'two', 'three'];
  const names = (id: WorkspaceId) =>
    short
      .read(id, (tx) => tx.listPublishers())
      .then((all) => all.map(({ name }) => name).filter((name) => marks.includes(name)))
      .catch((error: Error) => error.message);
  const revoke = (id: WorkspaceId, mark: string) =>
    short
      .submit(id, (tx) => tx.revokePublisher(`sha256:${mark}` as Digest, mark, AT))
      .then(
        (revoked) => revoked?.name,
        (error: Error) => error.message,
      );
  for (const id of [first, second]) {
    for (const mark of marks) {
      await short.submit(id, (tx) => tx.insertPublisher(publisher(`sha256:${mark}`, mark)));
    }
    expect([...(await names(id))].sort()).toEqual([...marks].sort());
    expect(await revoke(id, 'one')).toBe('one');
  }
  await alter(first, 'ADD COLUMN later text');
  // What a named column gives changes too when its type does.
  await alter(first, 'ALTER COLUMN name TYPE varchar(200)');
  for (const mark of ['two', 'three']) {
    for (const id of [first, second]) {
      expect([...(await names(id))].sort()).toEqual([...marks].sort());
      expect(await revoke(id, mark)).toBe(mark);
    }
  }
  await its.close();
  await one.end({ timeout: 5 });
});
