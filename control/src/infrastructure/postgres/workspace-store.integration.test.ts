import { afterAll, beforeAll, expect, test } from 'bun:test';
import { entryHash } from '@portarium/contracts/evidence-entry';
import { makeId, type WorkspaceId } from '@portarium/contracts/ids';
import { SYSTEM_ACTOR } from '../../application/context.ts';
import type { EntryDraft, InfraError } from '../../application/ports/workspace-store.ts';
import { startTestInstance, type TestInstance } from '../../testing/test-instance.ts';
import { connect, type Sql } from './connect.ts';

const LOCAL = 'local' as WorkspaceId;
const OTHER = 'other' as WorkspaceId;
const TENANT_TABLES = [
  'plugins',
  'plugin_current',
  'egress_rates',
  'plugin_egress',
  'plugin_rules',
  'plugin_approvals',
  'plugin_crashes',
  'plugin_candidates',
  'plugin_decisions',
  'policies',
  'publishers',
  'actions',
  'idempotency_keys',
  'attempts',
  'egress_calls',
  'journal',
  'journal_bodies',
  'approvals',
  'approval_decisions',
  'approval_rules',
  'workspace_limits',
  'workspace_retention',
  'legal_holds',
  'artifact_catalogue',
  'artifact_names',
  'action_marks',
  'held_artifacts',
  'credentials',
  'log_heads',
  'log_entries',
  'log_checkpoints',
  'log_nodes',
  'log_freezes',
];

let instance: TestInstance;
let runtime: Sql;
let owner: Sql;
beforeAll(async () => {
  instance = await startTestInstance();
  await instance.call('POST', '/v1/workspaces', {
    role: 'admin',
    json: { id: OTHER, name: 'Other' },
  });
  runtime = connect(instance.runtimeUrl, { max: 4, name: 'test' });
  owner = connect(instance.ownerUrl, { max: 1, name: 'test' });
}, 60_000);
afterAll(async () => {
  await Promise.all([runtime.end(), owner.end()]);
  await instance[Symbol.asyncDispose]();
  // A pool that lost a connection takes its whole time limit to close.
}, 30_000);

const draft = (note: string, action?: string): EntryDraft => ({
  type: 'key.created',
  actor: SYSTEM_ACTOR,
  subject: action === undefined ? {} : { action },
  data: { note },
  trace: null,
});

test('a statement without a binding sees no row and stores none', async () => {
  for (const table of TENANT_TABLES) {
    const [row] = await runtime`SELECT count(*) AS n FROM ${runtime(table)}`;
    expect(Number(row?.n)).toBe(0);
  }
  const insert = runtime`INSERT INTO log_heads (workspace_id, size, time) VALUES ('local2', 0, now())`;
  await expect(insert.catch((error: Error) => error.message)).resolves.toContain(
    'row-level security',
  );
});

test('a transaction bound to one workspace neither reads nor writes another', async () => {
  await runtime.begin(async (tx) => {
    await tx`SELECT set_config('portarium.workspace', ${OTHER}, true)`;
    const rows = await tx`SELECT DISTINCT workspace_id FROM log_entries`;
    expect(rows.map((row) => row.workspace_id)).toEqual([OTHER]);
    const changed = await tx`UPDATE log_heads SET size = 0 WHERE workspace_id = ${LOCAL}`;
    expect(changed.count).toBe(0);
  });
});

test('every tenant table has forced row-level security, and the runtime role owns nothing and can not bypass it', async () => {
  const rows = await owner`
    SELECT c.relname, c.relrowsecurity, c.relforcerowsecurity, pg_get_userbyid(c.relowner) AS owner FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE n.nspname = 'portarium' AND c.relkind = 'r' AND EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attname = 'workspace_id')`;
  const global = new Set(['api_keys', 'outbox', 'dispatch_queue']);
  const tenant = rows.filter((row) => !global.has(row.relname));
  expect(tenant.map((row) => row.relname).sort()).toEqual([...TENANT_TABLES].sort());
  for (const row of tenant)
    expect([row.relrowsecurity, row.relforcerowsecurity, row.owner]).toEqual([
      true,
      true,
      'portarium_schema',
    ]);
  const [role] =
    await owner`SELECT rolsuper, rolbypassrls FROM pg_roles WHERE rolname = 'portarium_runtime'`;
  expect([role?.rolsuper, role?.rolbypassrls]).toEqual([false, false]);
});

test('the log refuses update, delete and truncate to the runtime role and to the owner', async () => {
  for (const sql of [runtime, owner]) {
    for (const statement of [
      "UPDATE portarium.log_entries SET type = 'x'",
      'DELETE FROM portarium.log_entries',
      'TRUNCATE portarium.log_entries',
    ]) {
      const attempt = sql.begin(async (tx) => {
        await tx`SELECT set_config('portarium.workspace', 'local', true)`;
        await tx.unsafe(statement);
      });
      await expect(
        attempt.then(
          () => 'done',
          (error: Error) => error.message,
        ),
      ).resolves.toMatch(/append-only|permission denied/);
    }
  }
});

test('concurrent writers and failing units leave one unforked, gapless, monotone chain', async () => {
  const action = makeId('action', Date.now(), crypto.getRandomValues(new Uint8Array(10)));
  const units = Array.from({ length: 60 }, (_, i) =>
    instance.composed.context.store
      .submit(LOCAL, async (tx) => {
        tx.append(draft(`unit ${i}`, i % 3 === 0 ? action : undefined));
        if (i % 2 === 0) tx.append(draft(`unit ${i} again`));
        if (i % 7 === 3) throw new Error('this unit fails');
      })
      .then(
        () => 'stored',
        () => 'failed',
      ),
  );
  const ends = await Promise.all(units);
  expect(ends.filter((end) => end === 'failed')).toHaveLength(
    Array.from({ length: 60 }, (_, i) => i).filter((i) => i % 7 === 3).length,
  );
  const entries = await instance.composed.context.store.read(LOCAL, (tx) =>
    tx.listEntries({ after: -1, limit: 10_000 }),
  );
  let prev: string | null = null;
  let time = '';
  let actionSeq = 0;
  for (const [i, { seq, hash, bytes }] of entries.entries()) {
    const entry = JSON.parse(new TextDecoder().decode(bytes)) as {
      seq: number;
      prev: string | null;
      time: string;
      actionSeq?: number;
      subject: { action?: string };
      data: { note?: string };
    };
    expect([seq, entry.seq, entry.prev]).toEqual([i, i, prev]);
    expect(entry.time >= time).toBe(true);
    expect(await entryHash(bytes)).toBe(hash);
    if (entry.subject.action === action) expect(entry.actionSeq).toBe(actionSeq++);
    prev = hash;
    time = entry.time;
  }
  expect(actionSeq).toBeGreaterThan(10);
  expect(entries.some(({ bytes }) => new TextDecoder().decode(bytes).includes('"unit 3"'))).toBe(
    false,
  );
});

test('state, evidence and event are stored together or not at all', async () => {
  const count = async () => {
    const [row] =
      await owner`SELECT (SELECT count(*) FROM portarium.policies WHERE workspace_id = 'other') AS policies, (SELECT count(*) FROM portarium.log_entries WHERE workspace_id = 'other') AS entries, (SELECT count(*) FROM portarium.outbox WHERE workspace_id = 'other') AS events`;
    return [Number(row?.policies), Number(row?.entries), Number(row?.events)];
  };
  const before = await count();
  const unit = (fail: boolean) =>
    instance.composed.context.store.submit(OTHER, async (tx) => {
      await tx.insertPolicy({
        id: instance.composed.context.ids.next('policy'),
        version: 2,
        text: 'permit (principal, action, resource);',
      });
      tx.append({ ...draft('x'), type: 'plugin.admitted' });
      if (fail) throw new Error('no');
    });
  await expect(unit(true)).rejects.toThrow('no');
  expect(await count()).toEqual(before);
  await unit(false);
  expect(await count()).toEqual(before.map((n) => n + 1));
});

test('an entry that would not fit a tile is refused with its unit', async () => {
  const unit = instance.composed.context.store.submit(LOCAL, async (tx) => {
    tx.append(draft('x'.repeat(70_000)));
  });
  await expect(unit).rejects.toThrow('65535');
});

test('an entry that comes after its time is not stored, and its batch is made without it', async () => {
  const mark = `late-${Date.now()}`;
  const notAfter = (ms: number) => new Date(Date.now() + ms).toISOString();
  const units = [60_000, -1, 60_000].map((ms, i) =>
    instance.composed.context.store
      .submit(LOCAL, async (tx) => {
        tx.append({ ...draft(`${mark} ${i}`), notAfter: notAfter(ms) });
        return i;
      })
      .catch((error: InfraError) => [error.name, error.retryable]),
  );
  expect(await Promise.all(units)).toEqual([0, ['InfraError', true], 2]);
  const [row] =
    await owner`SELECT count(*) AS entries FROM portarium.log_entries WHERE workspace_id = 'local' AND convert_from(bytes, 'UTF8') LIKE ${`%${mark}%`}`;
  expect(Number(row?.entries)).toBe(2);
});

test('units in flight at once share a few commits, and one that fails costs the others nothing', async () => {
  const mark = `shared-${Date.now()}`;
  const units = Array.from({ length: 100 }, (_, i) =>
    instance.composed.context.store
      .submit(LOCAL, async (tx) => {
        tx.append(draft(`${mark} ${i}`));
        if (i % 10 === 9) throw new Error('this unit fails');
        if (i === 50) tx.append(draft(`${mark} ${'x'.repeat(70_000)}`));
        return i;
      })
      .catch((error: Error) => error.message),
  );
  const answers = await Promise.all(units);
  expect(answers.filter((answer) => answer === 'this unit fails')).toHaveLength(10);
  expect(String(answers[50])).toContain('65535');
  const good = answers.filter((answer) => typeof answer === 'number');
  expect(good).toEqual(
    Array.from({ length: 100 }, (_, i) => i).filter((i) => i % 10 !== 9 && i !== 50),
  );
  const rows =
    await owner`SELECT xmin::text AS commit, convert_from(bytes, 'UTF8') AS entry FROM portarium.log_entries WHERE workspace_id = 'local' AND convert_from(bytes, 'UTF8') LIKE ${`%${mark}%`}`;
  expect(rows).toHaveLength(good.length);
  // The batch with the entry that does not fit falls apart; the others stay together.
  const commits = new Set(rows.map((row) => row.commit as string));
  expect(commits.size).toBeLessThan(40);
});

test('a batch whose connection is lost fails as a whole, and none of its units runs a second time', async () => {
  let runs = 0;
  const mark = `lost-${Date.now()}`;
  const { store } = instance.composed.context;
  const first = store.submit(LOCAL, () => Bun.sleep(50));
  const batch = Array.from({ length: 5 }, (_, i) =>
    store
      .submit(LOCAL, async (tx) => {
        runs += 1;
        tx.append(draft(`${mark} ${i}`));
        if (i === 4) {
          await owner`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'portarium-control' AND state LIKE 'idle in transaction%'`;
          await tx.logSize();
        }
      })
      .then(
        () => 'stored',
        (error: Error) => error.name,
      ),
  );
  await first;
  expect(await Promise.all(batch)).toEqual(Array.from({ length: 5 }, () => 'InfraError'));
  expect(runs).toBe(5);
  const [row] =
    await owner`SELECT count(*) AS n FROM portarium.log_entries WHERE convert_from(bytes, 'UTF8') LIKE ${`%${mark}%`}`;
  expect(Number(row?.n)).toBe(0);
});
