/** Runs one file on one target, with its row of the journal: both or neither. */
import type { Sql } from '../connect.ts';
import { type MigrationTarget, sqlFor } from '../tenancy/migration-target.ts';
import { assertPlain } from '../tenancy/names.ts';
import { type Migration, MigrationError, statementsOf } from './migration-files.ts';
import { runningKey, type TargetLocks } from './target-lock.ts';

/** Tries of a file whose lock somebody else holds: with the pauses between them some 20 s. */
const LOCK_TRIES = 20;
const MAX_PAUSE_MS = 2_000;
const LOCK_NOT_AVAILABLE = '55P03';
/** Nothing was sent: the server was too busy to take a connection. */
const NOT_CONNECTED = 'CONNECT_TIMEOUT';
/** Between two looks whether a file that is past its time waits. */
const LOOK_MS = 25;
/** Of the budget: until the cancellation arrives, others wait on. */
const SHARE_OF_BUDGET = 0.9;

export interface Run {
  readonly target: MigrationTarget;
  /** What the journal calls the target. */
  readonly journal: string;
  readonly migration: Migration;
  readonly toolVersion: string;
  /** Held by the caller for the target. */
  readonly locks: TargetLocks;
  /** Told when a lock was not had in time and it is tried again. */
  readonly onWait?: ((target: string, what: string) => void) | undefined;
}

/** Held by the transaction, or for the statements, of a file: so nobody runs one there whose own run lost its locks. */
export const lockOf = (target: Pick<MigrationTarget, 'name'>) =>
  `hashtextextended('${runningKey(target).replaceAll("'", "''")}', 0)`;

/**
 * @param sql one connection, that nobody else uses
 * @returns milliseconds that it took, or undefined when somebody else applied it meanwhile
 * @throws MigrationError with the name of target and file
 */
export async function runMigration(sql: Sql, run: Run): Promise<number | undefined> {
  const { transaction } = run.migration;
  return repeated(sql, run, {
    what: `${run.migration.folder}/${run.migration.name}`,
    send: () => (transaction ? within(run, sql.unsafe(inTransaction(run))) : outside(sql, run)),
    isDone: () => isApplied(sql, run),
  });
}

/** Takes a Contract back, with its row of the journal. @throws MigrationError */
export async function runRollback(sql: Sql, run: Run): Promise<void> {
  const { target, journal, migration } = run;
  const text = `BEGIN; ${preamble(run)} SELECT pg_advisory_xact_lock(${lockOf(target)});
${sqlFor(target, migration.rollback ?? '')}
;DELETE FROM portarium.migration_journal WHERE target = ${quoted(journal)} AND version = ${migration.version}; COMMIT;`;
  await repeated(sql, run, {
    what: `the rollback of ${migration.folder}/${migration.name}`,
    send: () => within(run, sql.unsafe(text)),
    isDone: async () => false,
  });
}

interface Attempt {
  readonly what: string;
  readonly send: () => Promise<void>;
  /** Whether somebody else did it, asked when it failed. */
  readonly isDone: () => Promise<boolean>;
}

/** Again and again while somebody else has a lock that it needs. */
async function repeated(
  sql: Sql,
  run: Run,
  { what, send, isDone }: Attempt,
): Promise<number | undefined> {
  const { target, onWait } = run;
  for (let tries = 1; ; tries++) {
    const started = performance.now();
    try {
      await send();
      return performance.now() - started;
    } catch (error) {
      await sql.unsafe('ROLLBACK').catch(() => undefined);
      const { code, message } = error as { code?: string; message: string };
      if (await isDone()) return undefined;
      const locked = code === LOCK_NOT_AVAILABLE;
      if ((locked || code === NOT_CONNECTED) && tries < LOCK_TRIES) {
        const waits = locked ? 'a lock' : 'a connection';
        onWait?.(target.name, `${what} waits for ${waits}, tried ${tries} times`);
        // Not in step with whoever else waits for the same lock.
        const pause = Math.min(MAX_PAUSE_MS, 50 * 2 ** Math.min(tries, 6));
        await new Promise((resolve) => setTimeout(resolve, pause * (0.5 + Math.random() / 2)));
        continue;
      }
      const missing = missingTarget(target, error);
      if (missing) throw missing;
      const why = locked ? `${message}, ${tries} times` : message;
      throw new MigrationError(`${target.name}: ${what}: ${why}; nothing of it was applied`, {
        cause: error,
      });
    }
  }
}

/** What to say when the schema or the database of a target is not there. */
export function missingTarget(
  { name, schema, ownerUrl }: MigrationTarget,
  error: unknown,
): MigrationError | undefined {
  const { code, message = '' } = error as { code?: string; message?: string };
  const todo = 'end its provisioning with portarium workspace create, or restore it';
  if (code === '3D000') {
    const database = new URL(ownerUrl).pathname.slice(1);
    return new MigrationError(`${name}: its database ${database} is not there; ${todo}`);
  }
  if (code === '3F000' && message.includes(`"${schema}"`)) {
    return new MigrationError(`${name}: its schema ${schema} is not there; ${todo}`);
  }
  return undefined;
}

/**
 * A statement waits no longer than the budget by `lock_timeout`, but a file has several, and the locks that it has hold
 * others up while it waits for the next: all its waits together are cut off as well.
 */
async function within(
  { target, migration, locks }: Run,
  sent: PromiseLike<unknown>,
): Promise<void> {
  let cancelled = false;
  let looking: Promise<void> = Promise.resolve();
  let timer: ReturnType<typeof setTimeout> | undefined;
  const lookIn = (ms: number) => {
    timer = setTimeout(() => {
      looking = look();
    }, ms);
  };
  const look = async () => {
    const did = await locks.cancelWait(target).catch(() => false);
    cancelled ||= did;
    if (timer !== undefined) lookIn(LOOK_MS);
  };
  lookIn(migration.lockBudgetMs * SHARE_OF_BUDGET);
  try {
    await sent;
  } catch (error) {
    if (!cancelled) throw error;
    throw Object.assign(new Error('waited for locks for too long'), { code: LOCK_NOT_AVAILABLE });
  } finally {
    clearTimeout(timer);
    timer = undefined;
    // What it cancels must not be a statement of whatever comes next.
    await looking;
  }
}

/** Whoever waited for another run finds its tables there; that is no failure. */
async function isApplied(sql: Sql, { journal, migration }: Run): Promise<boolean> {
  const rows = await sql`
    SELECT FROM portarium.migration_journal
    WHERE target = ${journal} AND version = ${migration.version} AND success`.catch(() => []);
  return rows.length > 0;
}

/** Statements before those of the file: whose tables they are, and how long they may wait for a lock. */
export function preamble({ target, migration }: Pick<Run, 'target' | 'migration'>): string {
  const schema = assertPlain(target.schema);
  // Only there: a name that the target lacks must not be found among the tables of others.
  return `SELECT '${schema}'::regnamespace; SET LOCAL ROLE portarium_schema; SET LOCAL search_path = ${schema}; SET LOCAL lock_timeout = ${migration.lockBudgetMs};`;
}

/** One message to the server, however many statements. */
function inTransaction(run: Run): string {
  const { target, migration } = run;
  return `BEGIN; ${preamble(run)} SELECT pg_advisory_xact_lock(${lockOf(target)});
${sqlFor(target, migration.sql)}
;${noted(run)}; COMMIT;`;
}

const quoted = (text: string) => `'${text.replaceAll("'", "''")}'`;

/** A failed run may have left a row; the clock of the transaction says when it began. */
function noted({ journal, migration, toolVersion }: Run): string {
  const { version, name, phase, checksum } = migration;
  return `
    DELETE FROM portarium.migration_journal WHERE target = ${quoted(journal)} AND version = ${version} AND NOT success;
    INSERT INTO portarium.migration_journal (target, version, name, phase, checksum, started_at, finished_at, duration_ms, success, tool_version)
    VALUES (${quoted(journal)}, ${version}, ${quoted(name)}, '${phase}', '${checksum}', now(), clock_timestamp(),
      extract(epoch FROM clock_timestamp() - now()) * 1000, true, ${quoted(toolVersion)})`;
}

/**
 * Statement by statement. What a run before left half-built is dropped first: an index that is not valid serves nobody.
 */
async function outside(sql: Sql, run: Run): Promise<void> {
  const { target, migration } = run;
  // What a run that was killed had sent may go on in the server for a while.
  await sql.unsafe(`SET lock_timeout = ${migration.lockBudgetMs}`);
  await sql.unsafe(`SELECT pg_advisory_lock(${lockOf(target)})`);
  try {
    await sql.unsafe(preamble(run).replaceAll('SET LOCAL', 'SET'));
    // An index that is built beside others takes its time, and holds nobody up.
    await sql.unsafe('SET lock_timeout = 0; SET statement_timeout = 0');
    const broken = await sql`
      SELECT c.oid::regclass::text AS name FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
      WHERE NOT i.indisvalid AND c.relnamespace = ${target.schema}::regnamespace`;
    for (const { name } of broken) await sql.unsafe(`DROP INDEX CONCURRENTLY ${name}`);
    for (const statement of statementsOf(sqlFor(target, migration.sql)))
      await sql.unsafe(statement);
    await sql.unsafe(`BEGIN; ${noted(run)}; COMMIT;`);
  } finally {
    await sql.unsafe(
      `RESET ROLE; RESET search_path; RESET lock_timeout; RESET statement_timeout; SELECT pg_advisory_unlock(${lockOf(target)})`,
    );
  }
}

/** Leaves the failure where `status` finds it. */
export async function noteFailure(sql: Sql, run: Run): Promise<void> {
  const { journal, migration, toolVersion } = run;
  await sql`
    INSERT INTO portarium.migration_journal (target, version, name, phase, checksum, started_at, success, tool_version)
    VALUES (${journal}, ${migration.version}, ${migration.name}, ${migration.phase}, ${migration.checksum}, now(), false, ${toolVersion})
    ON CONFLICT (target, version) DO UPDATE SET started_at = excluded.started_at, checksum = excluded.checksum
    WHERE NOT migration_journal.success`.catch(() => undefined);
}
