import { afterAll, beforeAll, expect, test } from 'bun:test';
import { spawn } from 'node:child_process';
import { cp, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { runCount } from '@portarium/contracts/testing/run-count';
import { freshDatabase } from '@portarium/local/testing/shared-services';
import { MIGRATIONS } from '../../../compose.ts';
import { connect, type Sql } from '../connect.ts';
import { type MigrateOptions, migrateTargets } from './migrate-targets.ts';
import { migrationStatus } from './migration-status.ts';
import { prepare } from './prepare.ts';
import { openTargetLocks } from './target-lock.ts';

/** Schemas of workspaces. */
const TARGETS = runCount(40, 200);
const MAIN = fileURLToPath(new URL('../../../main.ts', import.meta.url));
const ids = Array.from({ length: TARGETS }, (_, i) => `fan-${String(i).padStart(3, '0')}`);
const schemaOf = (id: string) => `ws_${id.replaceAll('-', '_')}`;

interface Fan extends AsyncDisposable {
  readonly ownerUrl: string;
  readonly runtimeUrl: string;
  readonly folder: string;
  readonly owner: Sql;
  /** Adds a file for workspaces. */
  write(name: string, sql: string, more?: string): Promise<void>;
  apply(options?: Partial<MigrateOptions>): ReturnType<typeof migrateTargets>;
  /** Workspaces that a file stands applied to in the journal. */
  appliedTo(name: string): Promise<readonly string[]>;
}

/** An instance with the product's global tables, one small table of workspaces, and schemas of tier B. */
async function fan(workspaces: readonly string[]): Promise<Fan> {
  const database = await freshDatabase();
  const folder = await mkdtemp(join(tmpdir(), 'portarium-migrations-'));
  await cp(join(MIGRATIONS, 'global'), join(folder, 'global'), { recursive: true });
  await mkdir(join(folder, 'tenant'));
  const owner = connect(database.ownerUrl, { max: 4, name: 'test-owner' });
  const apply: Fan['apply'] = (options = {}) =>
    migrateTargets({ ownerUrl: database.ownerUrl, folder, toolVersion: 'test', ...options });
  const write: Fan['write'] = (name, sql, more = '') =>
    writeFile(
      join(folder, 'tenant', name),
      `-- phase: expand\n-- description: a test\n-- reversible: yes\n-- lock-budget-ms: 500\n${more}\n${sql}\n`,
    );
  await write(
    '0001_expand_first.sql',
    'CREATE TABLE notes (id int); CREATE TABLE runs (at timestamptz);',
  );
  await prepare(database.ownerUrl, database.url);
  expect((await apply()).failed).toEqual([]);
  for (const id of workspaces) {
    await owner.unsafe(`CREATE SCHEMA ${schemaOf(id)} AUTHORIZATION portarium_schema`);
    await owner`INSERT INTO portarium.workspaces (id, name, tenancy_tier, created_at) VALUES (${id}, ${id}, 'B', now())`;
  }
  const made = await apply();
  expect([made.failed, made.applied.length]).toEqual([[], workspaces.length]);
  return {
    ...{ ownerUrl: database.ownerUrl, runtimeUrl: database.url, folder, owner, write, apply },
    async appliedTo(name) {
      const rows = await owner`
        SELECT target FROM portarium.migration_journal
        WHERE name = ${name} AND success AND target LIKE 'workspace/%' ORDER BY target`;
      return rows.map(({ target }) => (target as string).replace('workspace/', ''));
    },
    async [Symbol.asyncDispose]() {
      await owner.end({ timeout: 1 });
      await rm(folder, { recursive: true });
    },
  };
}

let many: Fan;
beforeAll(async () => {
  many = await fan(ids);
}, 300_000);
afterAll(() => many[Symbol.asyncDispose](), 30_000);

/** `portarium migrate apply` as a process. */
function applyAsProcess({ ownerUrl, runtimeUrl, folder }: Fan) {
  const child = spawn(process.execPath, [MAIN, 'migrate', 'apply', '--files', folder], {
    env: {
      ...process.env,
      ...{ PORTARIUM_DATABASE_OWNER_URL: ownerUrl, PORTARIUM_DATABASE_URL: runtimeUrl },
    },
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  let out = '';
  child.stdout.on('data', (text) => {
    out += text;
  });
  const ended = new Promise<number | null>((resolve) => child.once('close', resolve));
  return {
    kill: () => child.kill('SIGKILL'),
    ended,
    async result() {
      const code = await ended;
      const { applied = [] } = JSON.parse(out) as { applied?: readonly string[] };
      return { code, applied };
    },
  };
}

async function until(what: () => Promise<boolean>): Promise<void> {
  while (!(await what())) await Bun.sleep(5);
}

/** A killed run's last statement may go on in the server. */
const nobodyMigrates = (owner: Sql) =>
  until(async () => {
    const rows = await owner`
      SELECT FROM pg_stat_activity
      WHERE datname = current_database() AND application_name LIKE 'portarium-migrate%'`;
    return rows.length === 0;
  });

test(`a run over ${TARGETS} workspaces that is killed again and again does each once, and each resumption exactly the rest`, async () => {
  const file = '0002_expand_run.sql';
  await many.write(file, 'SELECT pg_sleep(0.02); INSERT INTO runs VALUES (clock_timestamp());');
  const kills = 3;
  for (let kill = 1; kill <= kills; kill++) {
    const before = await many.appliedTo(file);
    const child = applyAsProcess(many);
    const enough = before.length + 1 + Math.floor((Math.random() * TARGETS) / (kills + 1));
    await until(async () => (await many.appliedTo(file)).length >= enough);
    child.kill();
    await child.ended;
    await nobodyMigrates(many.owner);
    expect((await many.appliedTo(file)).length).toBeLessThan(TARGETS);
  }
  const done = new Set(await many.appliedTo(file));
  const finished = () => many.owner`
    SELECT target, finished_at FROM portarium.migration_journal WHERE name = ${file} ORDER BY target`;
  const earlier = (await finished()).filter(({ target }) => done.has(target.slice(10)));
  const { code, applied } = await applyAsProcess(many).result();
  expect(code).toBe(0);
  const rest = ids.filter((id) => !done.has(id)).map((id) => `workspace/${id}/${file}`);
  expect(applied.toSorted()).toEqual(rest.toSorted());
  expect(await many.appliedTo(file)).toEqual(ids);
  expect((await finished()).filter(({ target }) => done.has(target.slice(10)))).toEqual(earlier);
  for (const id of ids) {
    const [row] = await many.owner.unsafe(`SELECT count(*)::int AS n FROM ${schemaOf(id)}.runs`);
    expect([id, row?.n]).toEqual([id, 1]);
  }
}, 300_000);

test('one broken workspace stops the run, or nothing but itself, and the next run does it alone', async () => {
  const file = '0003_expand_note.sql';
  await many.write(file, 'ALTER TABLE notes ADD COLUMN note text;');
  const [canary = '', second = '', third = ''] = ids;
  const broken = [second, third];
  for (const id of broken)
    await many.owner.unsafe(`ALTER TABLE ${schemaOf(id)}.notes ADD COLUMN note int`);
  const told: string[] = [];
  const stopped = await many.apply({ onProgress: ({ error }) => error && told.push(error) });
  // Others that were under way are brought to their end.
  expect(stopped.failed.length).toBeGreaterThanOrEqual(1);
  expect(stopped.failed.length).toBeLessThanOrEqual(2);
  expect(stopped.left.length).toBeGreaterThan(TARGETS - 10);
  for (const { target, error } of stopped.failed) {
    expect(broken).toContain(target.replace('workspace/', ''));
    expect(error).toContain(
      `${target}: tenant/${file}: column "note" of relation "notes" already exists`,
    );
  }
  expect(told).toEqual(stopped.failed.map(({ error }) => error));
  const touched = [...stopped.applied, ...stopped.failed].map(({ target }) => target);
  expect(
    [...new Set([...touched.filter((name) => name !== 'tenant'), ...stopped.left])].toSorted(),
  ).toEqual(ids.map((id) => `workspace/${id}`));

  const whole = await many.apply({ maxFailures: 3 });
  expect(whole.failed.map(({ target }) => target).toSorted()).toEqual(
    broken.map((id) => `workspace/${id}`),
  );
  expect(whole.left).toEqual([]);
  expect(await many.appliedTo(file)).toEqual(ids.filter((id) => !broken.includes(id)));
  // A failure stands where status shows it, and leaves nothing else behind.
  const { targets } = await migrationStatus({ ownerUrl: many.ownerUrl, folder: many.folder });
  const of = (id: string) => targets.find(({ target }) => target === `workspace/${id}`);
  expect(of(second)).toMatchObject({ version: 2, pending: [file], failed: [file] });
  expect(of(canary)).toMatchObject({ version: 3, pending: [], failed: [] });

  for (const id of broken)
    await many.owner.unsafe(`ALTER TABLE ${schemaOf(id)}.notes DROP COLUMN note`);
  const mended = await many.apply();
  expect(mended.applied.map(({ target }) => target).toSorted()).toEqual(
    broken.map((id) => `workspace/${id}`),
  );
  expect(of(second)?.failed).toEqual([file]);
  expect(
    (await migrationStatus({ ownerUrl: many.ownerUrl, folder: many.folder, target: second }))
      .targets,
  ).toMatchObject([{ version: 3, pending: [], failed: [] }]);
}, 300_000);

test('a canary that fails keeps every other workspace from being begun', async () => {
  await using few = await fan(['crew-a', 'crew-b', 'crew-c']);
  await few.write('0002_expand_note.sql', 'ALTER TABLE notes ADD COLUMN note text;');
  await few.owner.unsafe('ALTER TABLE ws_crew_b.notes ADD COLUMN note int');
  const { failed, left } = await few.apply({ canary: 'crew-b', parallel: 8 });
  expect(failed).toMatchObject([{ target: 'workspace/crew-b' }]);
  expect(left).toEqual(['workspace/crew-a', 'workspace/crew-c']);
  expect(await few.appliedTo('0002_expand_note.sql')).toEqual([]);
  // And what the instance itself has comes before all of them.
  await few.owner.unsafe('ALTER TABLE portarium.notes ADD COLUMN more int');
  await few.write('0003_expand_more.sql', 'ALTER TABLE notes ADD COLUMN more text;');
  const shared = await few.apply();
  expect(shared.failed).toMatchObject([{ target: 'tenant' }]);
  expect(shared.left).toEqual(['workspace/crew-a', 'workspace/crew-b', 'workspace/crew-c']);
  await expect(few.apply({ canary: 'crew-x' })).rejects.toThrow(
    'no workspace crew-x of tier B or C',
  );
}, 120_000);

test('a checksum, a gap or an order that does not fit stops that workspace with the name of the file', async () => {
  await using few = await fan(['crew-a', 'crew-b', 'crew-c', 'crew-d']);
  await few.write('0002_expand_note.sql', 'ALTER TABLE notes ADD COLUMN note text;');
  await few.write('0003_expand_more.sql', 'ALTER TABLE notes ADD COLUMN more text;');
  expect((await few.apply()).failed).toEqual([]);
  await few.write('0004_expand_last.sql', 'ALTER TABLE notes ADD COLUMN last text;');
  const journal = (id: string) => few.owner`
    portarium.migration_journal WHERE target = ${`workspace/${id}`} AND version = 2`;
  await few.owner`UPDATE portarium.migration_journal SET checksum = 'other' WHERE target = 'workspace/crew-a' AND version = 2`;
  await few.owner`DELETE FROM ${journal('crew-b')}`;
  await few.owner`UPDATE portarium.migration_journal SET name = '0002_expand_other.sql' WHERE target = 'workspace/crew-c' AND version = 2`;
  const { failed, applied } = await few.apply({ maxFailures: 9 });
  expect(Object.fromEntries(failed.map(({ target, error }) => [target, error]))).toEqual({
    'workspace/crew-a': expect.stringContaining(
      'tenant/0002_expand_note.sql changed after it was applied',
    ) as never,
    'workspace/crew-b': expect.stringContaining(
      'tenant/0002_expand_note.sql is older than what is applied (version 3)',
    ) as never,
    'workspace/crew-c': expect.stringContaining(
      '0002_expand_other.sql is applied and its file is missing',
    ) as never,
  });
  expect(applied.map(({ target }) => target)).toEqual(['tenant', 'workspace/crew-d']);
  await rm(join(few.folder, 'tenant/0003_expand_more.sql'));
  await expect(few.apply()).rejects.toThrow('tenant/0004_expand_last.sql: expected version 3');
}, 120_000);

test('a workspace without its schema or its database fails with what to do, and status tells it', async () => {
  await using few = await fan(['crew-a']);
  for (const [id, tier] of [
    ['no-schema', 'B'],
    ['no-database', 'C'],
  ] as const) {
    await few.owner`INSERT INTO portarium.workspaces (id, name, tenancy_tier, created_at, state)
      VALUES (${id}, ${id}, ${tier}, now(), 'provisioning')`;
  }
  const problems = {
    'workspace/no-schema': expect.stringContaining(
      'its schema ws_no_schema is not there; end its provisioning',
    ) as never,
    'workspace/no-database': expect.stringContaining(
      'its database ws_no_database is not there; end its provisioning',
    ) as never,
  };
  const { failed } = await few.apply({ maxFailures: 9 });
  expect(Object.fromEntries(failed.map(({ target, error }) => [target, error]))).toEqual(problems);
  const { targets } = await migrationStatus({ ownerUrl: few.ownerUrl, folder: few.folder });
  expect(targets.find(({ target }) => target === 'workspace/no-database')?.problem).toEqual(
    problems['workspace/no-database'],
  );
  await few.owner`UPDATE portarium.workspaces SET state = 'deprovisioned' WHERE state = 'provisioning'`;
  expect((await few.apply()).failed).toEqual([]);
}, 120_000);

test('a second run waits for the first and tells whose it is, or fails in time with that', async () => {
  await using few = await fan(['crew-a', 'crew-b']);
  await few.write('0002_expand_run.sql', 'SELECT pg_sleep(0.4); INSERT INTO runs VALUES (now());');
  const told: string[] = [];
  const onWait = (target: string, what: string) => told.push(`${target} ${what}`);
  const both = await Promise.all([few.apply(), few.apply({ onWait })]);
  expect(both.flatMap(({ failed }) => failed)).toEqual([]);
  expect(both.flatMap(({ applied }) => applied).length).toBe(3);
  for (const place of ['portarium', 'ws_crew_a', 'ws_crew_b']) {
    const rows = await few.owner.unsafe(`SELECT at FROM ${place}.runs`);
    expect([place, rows.length]).toEqual([place, 1]);
  }
  const locks = openTargetLocks(few.ownerUrl);
  await few.write('0003_expand_note.sql', 'ALTER TABLE notes ADD COLUMN note text;');
  const late = await locks.hold({ name: 'workspace/crew-b' }, () =>
    few.apply({ lockWaitMs: 300, onWait }),
  );
  await locks.close();
  const holder = `portarium-migrate ${process.pid} on `;
  expect(late.failed).toMatchObject([
    { target: 'workspace/crew-b', error: expect.stringContaining(holder) as never },
  ]);
  expect(told.at(-1)).toContain(`workspace/crew-b waits for ${holder}`);
  expect(await few.appliedTo('0003_expand_note.sql')).toEqual(['crew-a']);
  expect((await few.apply()).applied).toMatchObject([{ target: 'workspace/crew-b' }]);
}, 120_000);
