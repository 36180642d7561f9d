/** What a database owner can do to a log, and what the sealer makes of it. */
import { afterAll, beforeAll, expect, test } from 'bun:test';
import { canonicalBytes } from '@portarium/contracts/canonical-json';
import { entryHash } from '@portarium/contracts/evidence-entry';
import { INSTANCE_WORKSPACE, type WorkspaceId } from '@portarium/contracts/ids';
import { verifyBundle } from '@portarium/contracts/verify-bundle';
import { compose } from '../compose.ts';
import { ratesOf } from '../configuration.ts';
import { createApp } from '../http/app.ts';
import { assertNoneFrozen } from '../http/health.ts';
import { connect, type Sql } from '../infrastructure/postgres/connect.ts';
import { asOwner } from '../testing/as-owner.ts';
import { fillLog } from '../testing/fill-log.ts';
import { startTestInstance, type TestInstance } from '../testing/test-instance.ts';
import { type Context, SYSTEM_ACTOR } from './context.ts';
import { frozenLogs } from './frozen-logs.ts';
import type { EntryDraft } from './ports/workspace-store.ts';
import { sealLog } from './seal-log.ts';

let instance: TestInstance;
let owner: Sql;
/** Of the instance, as a process has it that starts now: it knows nothing of before. */
let context: Context;
let number = 0;

beforeAll(async () => {
  instance = await startTestInstance();
  owner = connect(instance.ownerUrl, { max: 1, name: 'test' });
}, 60_000);
afterAll(async () => {
  await owner.end();
  await instance[Symbol.asyncDispose]();
}, 30_000);

/** A sealer that has just started has no memory: every time it reads the evidence store anew. */
function restarted(): Context {
  const { objects } = instance.composed.context;
  return { ...instance.composed.context, objects: { ...objects } };
}

/** A workspace whose log of more than one tile is sealed and stored. */
async function sealedLog(entries = 300): Promise<{ workspace: WorkspaceId; size: number }> {
  const workspace = `owned-${number++}` as WorkspaceId;
  const json = { id: workspace, name: workspace };
  await instance.call('POST', '/v1/workspaces', { role: 'admin', json });
  context = restarted();
  await fillLog(context, workspace, entries);
  const record = await sealLog(context, workspace, { keep: true });
  return { workspace, size: record?.size ?? 0 };
}

/** The log as it was when it had `size` entries, checkpoint and all: a restored backup. */
async function rollBack(workspace: WorkspaceId, size: number): Promise<void> {
  await asOwner(owner, workspace, async (sql) => {
    await sql`DELETE FROM log_entries WHERE workspace_id = ${workspace} AND seq >= ${size}`;
    await sql`DELETE FROM log_nodes WHERE workspace_id = ${workspace}`;
    await sql`DELETE FROM log_checkpoints WHERE workspace_id = ${workspace}`;
    await sql`
      UPDATE log_heads SET size = ${size}, hash = (SELECT hash FROM log_entries WHERE workspace_id = ${workspace} AND seq = ${size - 1})
      WHERE workspace_id = ${workspace}`;
  });
}

const reasonOf = (sealing: Promise<unknown>) =>
  sealing.then(
    () => 'sealed',
    (error: Error) => `${error.name}: ${error.message}`,
  );

const requestKey = (workspace: WorkspaceId) =>
  instance.call('POST', `/v1/workspaces/${workspace}/keys`, {
    role: 'admin',
    json: { name: 'ci', owner: 'ada', role: 'agent' },
  });

const recovery = (workspace: WorkspaceId, dryRun: boolean) =>
  instance.call('POST', `/v1/workspaces/${workspace}/evidence/recovery`, {
    role: 'admin',
    json: { dryRun, rationale: 'the disk was lost' },
  });

const pinOf = () => instance.composed.context.signer.verifierKeys('local' as WorkspaceId)[0] ?? '';

async function exported(workspace: WorkspaceId): Promise<Uint8Array> {
  const path = `/v1/workspaces/${workspace}/evidence/export`;
  const response = await instance.call('GET', path, { role: 'admin' });
  expect(response.status).toBe(200);
  return new Uint8Array(await response.arrayBuffer());
}

test('a database that was rolled back is frozen: it takes no entry, signs nothing, and says so', async () => {
  const { workspace, size } = await sealedLog();
  await rollBack(workspace, 100);
  expect(await reasonOf(sealLog(restarted(), workspace))).toContain(
    `(behind): the database holds 100 entries, and ${size} are signed`,
  );
  const refused = await requestKey(workspace);
  expect([refused.status, ((await refused.json()) as { code: string }).code]).toEqual([
    503,
    'evidence.rolled-back',
  ]);
  expect(refused.headers.get('retry-after')).toBe('10');
  expect(await frozenLogs(restarted())).toContain(workspace);
  const health = createApp(restarted(), {
    ...{ required: {}, rates: ratesOf(instance.configuration) },
    optional: { 'evidence-log': () => assertNoneFrozen(restarted()) },
  });
  const healthz = await health.fetch(new Request('http://control.test/healthz'));
  expect(await healthz.json()).toMatchObject({
    parts: { 'evidence-log': 'frozen: 1 (evidence.rolled-back)' },
  });
  // What the log said last is still what it signed last.
  const told = await instance.call('GET', '/v1/workspaces/_instance/evidence?limit=200', {
    role: 'admin',
  });
  const { items } = (await told.json()) as { items: { entry: { type: string; data: object } }[] };
  const frozen = items.filter(({ entry }) => entry.type === 'evidence.frozen');
  expect(frozen.at(-1)?.entry.data).toMatchObject({
    ...{ workspace, reason: 'behind', size: 100, storedSize: size },
  });
  // Other logs go on.
  const other = await sealedLog(3);
  expect(await reasonOf(sealLog(restarted(), other.workspace))).toBe('sealed');
});

test('nothing is appended to a rolled-back log before it was compared, by a process that has just started', async () => {
  const { workspace } = await sealedLog();
  await rollBack(workspace, 100);
  instance.composed.forgetChecks();
  const refused = await requestKey(workspace);
  expect(refused.status).toBe(503);
  const [row] =
    await owner`SELECT count(*)::int AS entries FROM portarium.log_entries WHERE workspace_id = ${workspace}`;
  expect(row?.entries).toBe(100);
});

test('the order of a disposal is put back with the tail, and the Control Plane itself gives none', async () => {
  const { workspace, size } = await sealedLog(300);
  const { context } = instance.composed;
  const order: EntryDraft = {
    type: 'disposal.ordered',
    actor: { kind: 'system', id: 'test' },
    subject: {},
    data: { digests: [`sha256:${'a'.repeat(64)}`], reason: 'the end of the year', by: 'ada' },
    trace: null,
  };
  const append = async (tx: { append(entry: EntryDraft): void }) => tx.append(order);
  await context.destroyStore.submit(workspace, append);
  await sealLog(context, workspace, { keep: true });
  await rollBack(workspace, size);
  await reasonOf(sealLog(restarted(), workspace));
  expect((await recovery(workspace, false)).status).toBe(200);
  const [back] = await context.store.read(workspace, (tx) => tx.disposals());
  expect(back?.seq).toBe(size);
  const own = await context.store.submit(workspace, append).catch((error: Error) => error.message);
  expect(own).toContain('only portarium_destroy');
});

test('the lost tail is put back byte for byte, and the log goes on and verifies', async () => {
  const { workspace, size } = await sealedLog(700);
  const before = await exported(workspace);
  const kept = await (
    await instance.call('GET', `/v1/workspaces/${workspace}/evidence/log/checkpoint`, {
      role: 'admin',
    })
  ).text();
  await rollBack(workspace, 300);
  await reasonOf(sealLog(restarted(), workspace));
  const dry = (await (await recovery(workspace, true)).json()) as Record<string, unknown>;
  expect(dry).toMatchObject({ state: 'behind', dryRun: true, size: 300, entries: size - 300 });
  expect((await requestKey(workspace)).status).toBe(503);
  const done = await recovery(workspace, false);
  expect(await done.json()).toMatchObject({ state: 'behind', entries: size - 300 });
  expect((await requestKey(workspace)).status).toBe(201);
  const bundle = await exported(workspace);
  const report = await verifyBundle(bundle, { pin: pinOf(), since: kept });
  expect([report.verdict, report.findings]).toEqual(['verified', []]);
  expect(report.entries).toBe(size + 2);
  const first = await verifyBundle(before, { pin: pinOf() });
  expect(first.entries).toBe(size);
  const page = await instance.call(
    'GET',
    `/v1/workspaces/${workspace}/evidence?after=${size - 1}&limit=1`,
    { role: 'admin' },
  );
  const { items } = (await page.json()) as { items: { entry: { type: string; data: object } }[] };
  expect(items[0]?.entry).toMatchObject({
    type: 'evidence.recovered',
    data: { from: 300, entries: size - 300, storedSize: size, stateRestored: false },
  });
});

test('a rolled-back database that went on is a fork: found, frozen, and not healed', async () => {
  const { workspace, size } = await sealedLog();
  await rollBack(workspace, 100);
  // It went on while nobody compared: longer than what is stored, with another past.
  await fillLog({ store: instance.composed.context.sealerStore }, workspace, size, 'another past');
  expect(await reasonOf(sealLog(restarted(), workspace))).toMatch(/\((contradicted)\)/);
  expect((await requestKey(workspace)).status).toBe(503);
  const dry = (await (await recovery(workspace, true)).json()) as Record<string, unknown>;
  expect(dry).toMatchObject({ state: 'forked', at: 100, entries: 0 });
  const refused = await recovery(workspace, false);
  expect(refused.status).toBe(409);
  expect(await refused.text()).toContain(
    'Entry 100 in the database is not the one that was signed',
  );
  expect((await requestKey(workspace)).status).toBe(503);
});

test('a rewritten past with all hashes, tiles and checkpoint made anew contradicts the stored checkpoint', async () => {
  const { workspace, size } = await sealedLog(20);
  const kept = (await context.store.read(workspace, (tx) => tx.checkpoint()))?.note ?? '';
  await asOwner(owner, workspace, async (sql) => {
    const rows =
      await sql`SELECT seq, bytes FROM log_entries WHERE workspace_id = ${workspace} ORDER BY seq`;
    let prev: string | null = null;
    for (const row of rows) {
      const entry = JSON.parse(new TextDecoder().decode(row.bytes as Uint8Array));
      if (Number(row.seq) === 5) entry.data.note = 'never happened';
      entry.prev = prev;
      const bytes = canonicalBytes(entry);
      prev = await entryHash(bytes);
      await sql`UPDATE log_entries SET bytes = ${Buffer.from(bytes)}, hash = ${prev} WHERE workspace_id = ${workspace} AND seq = ${row.seq}`;
    }
    await sql`UPDATE log_heads SET hash = ${prev} WHERE workspace_id = ${workspace}`;
    await sql`DELETE FROM log_checkpoints WHERE workspace_id = ${workspace}`;
  });
  expect(await reasonOf(sealLog(restarted(), workspace))).toContain(
    `(contradicted): the first ${size} entries in the database are not those that were signed`,
  );
  // Whoever holds the earlier checkpoint finds it out alone.
  const report = await verifyBundle(await exported(workspace), { pin: pinOf(), since: kept });
  expect(report.verdict).toBe('falsified');
});

test('one entry that was changed, or put in without its hash, is never signed over', async () => {
  const changed = await sealedLog(10);
  await fillLog(context, changed.workspace, 5);
  await asOwner(owner, changed.workspace, async (sql) => {
    await sql`UPDATE log_entries SET bytes = convert_to(replace(convert_from(bytes, 'UTF8'), 'filled', 'forged'), 'UTF8') WHERE workspace_id = ${changed.workspace} AND seq = ${changed.size + 2}`;
  });
  expect(await reasonOf(sealLog(restarted(), changed.workspace))).toContain(
    `(altered): the bytes of entry ${changed.size + 2} have another hash`,
  );
  const inserted = await sealedLog(10);
  await asOwner(owner, inserted.workspace, async (sql) => {
    const bytes = new TextEncoder().encode(`{"prev":null,"seq":${inserted.size}}`);
    const hash = await entryHash(bytes);
    await sql`INSERT INTO log_entries (workspace_id, seq, hash, type, bytes) VALUES (${inserted.workspace}, ${inserted.size}, ${hash}, 'key.created', ${Buffer.from(bytes)})`;
    await sql`UPDATE log_heads SET size = ${inserted.size + 1}, hash = ${hash} WHERE workspace_id = ${inserted.workspace}`;
  });
  expect(await reasonOf(sealLog(restarted(), inserted.workspace))).toContain(
    `(altered): entry ${inserted.size} does not follow the one before it`,
  );
});

test('a log cut below its own checkpoint is frozen, although the evidence store knows an older one only', async () => {
  const { workspace, size } = await sealedLog(10);
  await fillLog(context, workspace, 5);
  await sealLog(restarted(), workspace);
  await asOwner(owner, workspace, async (sql) => {
    await sql`DELETE FROM log_entries WHERE workspace_id = ${workspace} AND seq >= ${size + 2}`;
    await sql`UPDATE log_heads SET size = ${size + 2} WHERE workspace_id = ${workspace}`;
  });
  expect(await reasonOf(sealLog(restarted(), workspace))).toContain(
    `(behind): the database holds ${size + 2} entries, and ${size + 5} are signed`,
  );
});

test('the size of a checkpoint never goes back, whoever signs it', async () => {
  const { workspace, size } = await sealedLog(10);
  const record = await context.store.read(workspace, (tx) => tx.checkpoint());
  if (!record) throw new Error('nothing is signed');
  const smaller = { ...record, size: size - 3 };
  const replaced = await context.sealerStore.submit(workspace, (tx) =>
    tx.replaceCheckpoint(record, smaller, []),
  );
  expect(replaced).toBe(false);
  expect((await context.store.read(workspace, (tx) => tx.checkpoint()))?.size).toBe(size);
});

test('sealers at once sign one sequence of sizes, and each checkpoint contains the one before', async () => {
  const { workspace, size } = await sealedLog(1);
  const notes: string[] = [];
  const writing = fillLog(context, workspace, 900);
  const sealing = Array.from({ length: 6 }, async () => {
    for (let i = 0; i < 5; i++) {
      const record = await sealLog(restarted(), workspace);
      if (record) notes.push(record.note);
    }
  });
  await Promise.all([writing, ...sealing]);
  const last = await sealLog(restarted(), workspace, { keep: true });
  expect(last?.size).toBe(size + 900);
  const bundle = await exported(workspace);
  for (const since of new Set(notes)) {
    const report = await verifyBundle(bundle, { pin: pinOf(), since });
    expect([report.verdict, report.findings]).toEqual(['verified', []]);
  }
}, 60_000);

test('an object that is no checkpoint of ours stops nothing', async () => {
  const { workspace } = await sealedLog(5);
  const { objects } = instance.composed.context;
  await objects.putLog(workspace, 'checkpoints/0000000000000000', new TextEncoder().encode('no'));
  await fillLog(context, workspace, 2);
  expect(await reasonOf(sealLog(restarted(), workspace, { keep: true }))).toBe('sealed');
});

test('a log that an older release signed gets its tiles, and goes on', async () => {
  const { workspace, size } = await sealedLog(300);
  // As it was before there were tiles.
  await asOwner(owner, workspace, async (sql) => {
    await sql`DELETE FROM log_nodes WHERE workspace_id = ${workspace}`;
    await sql`UPDATE log_checkpoints SET tiled = 0, stored_size = 0, stored_at = NULL WHERE workspace_id = ${workspace}`;
  });
  await sealLog(restarted(), workspace);
  const nodes = await context.store.read(workspace, (tx) => tx.nodeHashes(1, 0, 10));
  expect(nodes).toHaveLength(Math.floor(size / 256));
  expect((await context.store.read(workspace, (tx) => tx.checkpoint()))?.tiled).toBe(256);
});

test('a frozen log refuses entries to every role and statement', async () => {
  const { workspace } = await sealedLog(3);
  const freeze = { reason: 'behind', detail: 'a test', size: 1, storedSize: 2 } as const;
  await context.sealerStore.submit(workspace, (tx) =>
    tx.freezeLog({ ...freeze, at: new Date().toISOString() }),
  );
  const append = context.sealerStore.submit(workspace, async (tx) => {
    tx.append({ type: 'key.created', actor: SYSTEM_ACTOR, subject: {}, data: {}, trace: null });
  });
  expect(await reasonOf(append)).toStartWith('LogFrozenError');
  await owner`SET search_path TO portarium`;
  await owner`SELECT set_config('portarium.workspace', ${workspace}, false)`;
  const insert = owner`INSERT INTO log_entries (workspace_id, seq, hash, type, bytes) VALUES (${workspace}, 999, 'x', 'x', 'x')`;
  await expect(insert.catch((error: Error) => error.message)).resolves.toContain(
    'contradicts its stored checkpoint',
  );
  for (const trick of [
    'CREATE TEMPORARY TABLE log_freezes (workspace_id text) ON COMMIT DROP',
    'SET LOCAL session_replication_role = replica',
  ]) {
    const tricked = owner.begin(async (tx) => {
      await tx.unsafe(trick);
      await tx`INSERT INTO portarium.log_entries (workspace_id, seq, hash, type, bytes) VALUES (${workspace}, 999, 'x', 'x', 'x')`;
    });
    expect([trick, await reasonOf(tricked)]).toEqual([
      trick,
      expect.stringContaining('contradicts its stored checkpoint'),
    ]);
  }
  const { state } = (await (await recovery(workspace, false)).json()) as { state: string };
  expect(state).toBe('none');
  expect((await requestKey(workspace)).status).toBe(201);
});

test('a frozen log fails what it refuses, and nothing that shares a transaction with it', async () => {
  const { workspace, size } = await sealedLog(3);
  const { sealerStore } = context;
  const at = new Date().toISOString();
  const freeze = { reason: 'behind', detail: 'a test', size: 1, storedSize: 2, at } as const;
  const entry = {
    type: 'key.created',
    actor: SYSTEM_ACTOR,
    subject: {},
    data: {},
    trace: null,
  } as const;
  const append = () => reasonOf(sealerStore.submit(workspace, async (tx) => tx.append(entry)));
  const frozen = () => sealerStore.read(workspace, (tx) => tx.logFreeze());
  // The freeze and an entry that comes at the same time: one after the other, whichever is first.
  const [, froze, refused] = await Promise.all([
    append(),
    reasonOf(sealerStore.submit(workspace, (tx) => tx.freezeLog(freeze))),
    append(),
  ]);
  expect([froze, refused]).toEqual(['sealed', expect.stringMatching(/^LogFrozenError/)]);
  expect(await frozen()).toEqual(freeze);
  const [, marked] = await Promise.all([
    append(),
    reasonOf(sealerStore.submit(workspace, (tx) => tx.markStored(size, at))),
  ]);
  expect(marked).toBe('sealed');
  expect((await sealerStore.read(workspace, (tx) => tx.checkpoint()))?.storedAt).toBe(at);
});

test('a migration of a restored database is told once the log of the instance is whole again', async () => {
  const record = await sealLog(restarted(), INSTANCE_WORKSPACE, { keep: true });
  const size = record?.size ?? 0;
  await rollBack(INSTANCE_WORKSPACE, size - 2);
  const [row] = await owner`
    UPDATE portarium.migration_journal SET told = false WHERE (target, version) IN (SELECT 'tenant', max(version) FROM portarium.migration_journal WHERE target = 'tenant')
    RETURNING name`;
  const last = async () => {
    const [entry] = await owner`
      SELECT seq::int, convert_from(bytes, 'UTF8') AS text FROM portarium.log_entries WHERE workspace_id = '_instance' ORDER BY seq DESC LIMIT 1`;
    const { type, data } = JSON.parse(entry?.text);
    return { seq: entry?.seq, type, name: data.name };
  };
  const start = () => compose(instance.configuration).then((composed) => composed.close());
  await start();
  expect((await last()).seq).toBe(size - 3);
  const done = await recovery(INSTANCE_WORKSPACE, false);
  expect(await done.json()).toMatchObject({ state: 'behind', entries: 2 });
  await start();
  expect(await last()).toEqual({ seq: size + 1, type: 'migration.applied', name: row?.name });
});
