import { afterAll, beforeAll, expect, test } from 'bun:test';
import { entryHash } from '@portarium/contracts/evidence-entry';
import { makeId, type WorkspaceId } from '@portarium/contracts/ids';
import { SYSTEM_ACTOR } from '../../application/context.ts';
import type { KeyRecord } from '../../application/ports/directory.ts';
import type {
  EntryDraft,
  IdempotencyClaim,
  InfraError,
  WriteTransaction,
} from '../../application/ports/workspace-store.ts';
import { startTestInstance, type TestInstance } from '../../testing/test-instance.ts';
import { connect, type Sql } from './connect.ts';
import { sharedPlaces } from './tenancy/places.ts';
import { createWorkspaceStore } from './workspace-store.ts';

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
  'workspace_regulation',
  'workspace_retention',
  'watch_findings',
  'watch_states',
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
}, 120_000);
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

const claimOf = (key: string): IdempotencyClaim => ({
  ...{ principal: makeId('key', 0, new Uint8Array(10)), route: 'test', key },
  requestDigest: `sha256:${'0'.repeat(64)}`,
  action: makeId('action', 0, new Uint8Array(10)),
  at: '2026-11-29T10:00:00.000Z',
});

test('a unit that fails beside others leaves no row, and what it waited for is nobody else’s', async () => {
  const { store } = instance.composed.context;
  const key = (i: number) => `beside-${i}`;
  const units = Array.from({ length: 8 }, (_, i) =>
    store
      .submit(LOCAL, async (tx) => {
        await tx.claimIdempotencyKey(claimOf(key(i)));
        if (i % 3 === 1) throw new Error('this unit fails');
        tx.append(draft(key(i)));
        return 'stored';
      })
      .catch((error: Error) => error.message),
  );
  const answers = await Promise.all(units);
  const held = await store.read(LOCAL, (tx) =>
    Promise.all(answers.map((_, i) => tx.findIdempotencyHolder(claimOf(key(i))))),
  );
  const fails = answers.map((_, i) => i % 3 === 1);
  expect(answers).toEqual(fails.map((fail) => (fail ? 'this unit fails' : 'stored')));
  expect(held.map((one) => one === undefined)).toEqual(fails);
});

test('while a transaction waits to append, the next one runs its units, and comes after it in the log', async () => {
  const { store } = instance.composed.context;
  const mark = `ahead-${Date.now()}`;
  const locked = Promise.withResolvers<void>();
  const go = Promise.withResolvers<void>();
  const holder = owner.begin(async (tx) => {
    await tx`SELECT FROM portarium.log_heads WHERE workspace_id = ${LOCAL} FOR UPDATE`;
    locked.resolve();
    await go.promise;
  });
  await locked.promise;
  const answered: number[] = [];
  const units = [0, 1].map((i) => {
    const ran = Promise.withResolvers<void>();
    const done = store
      .submit(LOCAL, async (tx) => {
        await tx.logSize();
        tx.append(draft(`${mark} ${i}`));
        ran.resolve();
      })
      .then(() => answered.push(i));
    return { ran: ran.promise, done };
  });
  // Both have run, and neither is answered: the head is somebody else's, and they stand in line for it.
  await Promise.all(units.map(({ ran }) => ran));
  const inLine = () => instance.composed.sql`
    SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock' AND query LIKE '%log_heads%FOR UPDATE%'`;
  while ((await inLine()).length === 0) await Bun.sleep(5);
  const third = Promise.withResolvers<void>();
  const after = store.submit(LOCAL, async (tx) => {
    tx.append(draft(`${mark} 2`));
    third.resolve();
  });
  await third.promise;
  expect(answered).toEqual([]);
  go.resolve();
  await Promise.all([...units.map(({ done }) => done), after, holder]);
  const rows =
    await owner`SELECT xmin::text AS commit, convert_from(bytes, 'UTF8') AS entry FROM portarium.log_entries WHERE workspace_id = 'local' AND convert_from(bytes, 'UTF8') LIKE ${`%${mark}%`} ORDER BY seq`;
  expect(rows.map(({ entry }) => JSON.parse(entry).data.note)).toEqual(
    [0, 1, 2].map((i) => `${mark} ${i}`),
  );
  expect(rows.at(-1)?.commit).not.toBe(rows[0]?.commit);
});

test('a unit sees what every unit wrote that was answered before it was submitted', async () => {
  const { store } = instance.composed.context;
  const lane = async (lane: number) => {
    for (let i = 0; i < 25; i++) {
      const claim = claimOf(`seen-${lane}-${i}`);
      await store.submit(LOCAL, async (tx) => {
        await tx.claimIdempotencyKey(claim);
        tx.append(draft(claim.key));
      });
      const held = await store.submit(LOCAL, (tx) => tx.findIdempotencyHolder(claim));
      expect(held?.action).toBe(claim.action);
    }
  };
  await Promise.all(Array.from({ length: 8 }, (_, i) => lane(i)));
});

test('a statement that comes after the end of its unit is refused', async () => {
  const { store } = instance.composed.context;
  let kept: WriteTransaction | undefined;
  const late = Promise.withResolvers<unknown>();
  await Promise.all([
    store.submit(LOCAL, async (tx) => {
      kept = tx;
    }),
    store.submit(LOCAL, async (tx) => {
      late.resolve(kept?.logSize().catch((error: Error) => error.message));
      await tx.logSize();
      await late.promise;
    }),
  ]);
  expect(await late.promise).toBe('a statement came after the end of its unit');
});

test('a unit that leaves a failed statement behind is not answered as stored', async () => {
  const { store, ids } = instance.composed.context;
  const key: KeyRecord = {
    ...{ id: ids.next('key'), workspace: LOCAL, name: 'left', owner: 'nobody', createdBy: null },
    ...{ role: 'auditor', createdAt: '2026-11-29T10:00:00.000Z' },
    ...{ expiresAt: null, revokedAt: null, lastUsedAt: null },
  };
  const unit = store.submit(LOCAL, async (tx) => {
    // The second has the id of the first; nobody looks.
    for (const name of ['one', 'two']) {
      tx.insertKey({ ...key, name }, new Uint8Array(32)).catch(() => undefined);
    }
  });
  await expect(unit).rejects.toThrow();
  const [row] = await owner`SELECT count(*) AS n FROM portarium.api_keys WHERE owner = 'nobody'`;
  expect(Number(row?.n)).toBe(0);
});

test('units that wait for a database that is away are told so, however many there are', async () => {
  const away = new URL(instance.runtimeUrl);
  away.port = '9';
  const sql = connect(away.href, { max: 2, name: 'test-away' });
  const store = createWorkspaceStore(sharedPlaces(sql), instance.composed.context.ids);
  const submit = () =>
    store
      .submit(LOCAL, async (tx) => tx.append(draft('never')))
      .then(
        () => 'stored',
        (error: Error) => error.name,
      );
  for (let i = 0; i < 2; i++) {
    const answers = await Promise.all(Array.from({ length: 40 }, submit));
    expect(new Set(answers)).toEqual(new Set(['InfraError']));
  }
  await sql.end({ timeout: 1 });
});

test('a unit that idles for five seconds loses its transaction, stores nothing, and holds up nobody', async () => {
  const { store } = instance.composed.context;
  const mark = `idle-${Date.now()}`;
  const woken = Promise.withResolvers<string>();
  const idle = store
    .submit(LOCAL, async (tx) => {
      tx.append(draft(mark));
      await Bun.sleep(8_000);
      woken.resolve(await tx.logSize().then(String, (error: Error) => error.message));
    })
    .then(
      () => 'stored',
      (error: Error) => error.name,
    );
  expect(await idle).toBe('InfraError');
  await store.submit(LOCAL, async (tx) => tx.append(draft(`${mark} after`)));
  // Its connection is another transaction's by now, where its statement has no place.
  expect(await woken.promise).toBe('a statement came after the end of its unit');
  const rows =
    await owner`SELECT convert_from(bytes, 'UTF8') AS entry FROM portarium.log_entries WHERE workspace_id = 'local' AND convert_from(bytes, 'UTF8') LIKE ${`%${mark}%`}`;
  expect(rows.map(({ entry }) => JSON.parse(entry).data.note)).toEqual([`${mark} after`]);
}, 30_000);

test('a batch whose connection is lost fails as a whole, and none of its units runs a second time', async () => {
  let runs = 0;
  const mark = `lost-${Date.now()}`;
  const { store } = instance.composed.context;
  const batch = Array.from({ length: 5 }, (_, i) =>
    store
      .submit(LOCAL, async (tx) => {
        runs += 1;
        tx.append(draft(`${mark} ${i}`));
        if (i === 4) {
          await tx.logSize();
          // It is active for a moment, as long as what was sent ahead is answered.
          for (let lost = 0; lost === 0; ) {
            const found =
              await owner`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'portarium-control' AND state LIKE 'idle in transaction%'`;
            lost = found.length;
          }
          await tx.logSize();
        }
      })
      .then(
        () => 'stored',
        (error: Error) => error.name,
      ),
  );
  expect(await Promise.all(batch)).toEqual(Array.from({ length: 5 }, () => 'InfraError'));
  expect(runs).toBe(5);
  const [row] =
    await owner`SELECT count(*) AS n FROM portarium.log_entries WHERE convert_from(bytes, 'UTF8') LIKE ${`%${mark}%`}`;
  expect(Number(row?.n)).toBe(0);
});
