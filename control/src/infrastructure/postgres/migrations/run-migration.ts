/** Runs one file on one target, with its row of the journal: both or neither. */
import type { Sql } from '../connect.ts';
import { type MigrationTarget, sqlFor } from '../tenancy/migration-target.ts';
import { assertPlain } from '../tenancy/names.ts';
import { type Migration, MigrationError, statementsOf } from './migration-files.ts';

/** Tries of a file whose lock somebody else holds: with the pauses between them some 20 s. */
const LOCK_TRIES = 20;
const MAX_PAUSE_MS = 2_000;
const LOCK_NOT_AVAILABLE = '55P03';

export interface Run {
  readonly target: MigrationTarget;
  /** What the journal calls the target. */
  readonly journal: string;
  readonly migration: Migration;
  readonly toolVersion: string;
  /** Called when a lock was not had in time and it is tried again. */
  readonly onWait?: (tries: number) => void;
}

/** The name of the advisory lock of a target. */
export const lockOf = (target: Pick<MigrationTarget, 'name'>) =>
  `hashtextextended('portarium/migrate/${target.name.replaceAll("'", "''")}', 0)`;

/**
 * @param sql one connection, that nobody else uses
 * @returns milliseconds that it took, or undefined when somebody else applied it meanwhile
 * @throws MigrationError with the name of target and file
 */
export async function runMigration(sql: Sql, run: Run): Promise<number | undefined> {
  const { target, migration } = run;
  for (let tries = 1; ; tries++) {
    const started = performance.now();
    try {
      if (migration.transaction) await sql.unsafe(inTransaction(run));
      else await outside(sql, run);
      return performance.now() - started;
    } catch (error) {
      await sql.unsafe('ROLLBACK').catch(() => undefined);
      const { code, message } = error as { code?: string; message: string };
      if (await isApplied(sql, run)) return undefined;
      if (code === LOCK_NOT_AVAILABLE && tries < LOCK_TRIES) {
        run.onWait?.(tries);
        // Not in step with whoever else waits for the same lock.
        const pause = Math.min(MAX_PAUSE_MS, 50 * 2 ** Math.min(tries, 6));
        await new Promise((resolve) => setTimeout(resolve, pause * (0.5 + Math.random() / 2)));
        continue;
      }
      const why = code === LOCK_NOT_AVAILABLE ? `${message}, ${tries} times` : message;
      throw new MigrationError(
        `${target.name}: ${migration.folder}/${migration.name}: ${why}; nothing of it was applied`,
        { cause: error },
      );
    }
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
  await sql.unsafe(`SELECT pg_advisory_lock(${lockOf(target)})`);
  try {
    await sql.unsafe(preamble(run).replaceAll('SET LOCAL', 'SET'));
    await sql.unsafe(`SET lock_timeout = 0`);
    const broken = await sql`
      SELECT c.oid::regclass::text AS name FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
      WHERE NOT i.indisvalid AND c.relnamespace = ${target.schema}::regnamespace`;
    for (const { name } of broken) await sql.unsafe(`DROP INDEX CONCURRENTLY ${name}`);
    for (const statement of statementsOf(sqlFor(target, migration.sql)))
      await sql.unsafe(statement);
    await sql.unsafe(`BEGIN; ${noted(run)}; COMMIT;`);
  } finally {
    await sql.unsafe(
      `RESET ROLE; RESET search_path; RESET lock_timeout; SELECT pg_advisory_unlock(${lockOf(target)})`,
    );
  }
}

/** Leaves the failure where `status` finds it. */
export async function noteFailure(sql: Sql, run: Run): Promise<void> {
  const { journal, migration, toolVersion } = run;
  await sql`
    INSERT INTO portarium.migration_journal (target, version, name, phase, checksum, started_at, success, tool_version)
    VALUES (${journal}, ${migration.version}, ${migration.name}, ${migration.phase}, ${migration.checksum}, now(), false, ${toolVersion})
    ON CONFLICT (target, version) DO NOTHING`.catch(() => undefined);
}
