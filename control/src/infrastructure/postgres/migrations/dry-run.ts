/**
 * Runs what is pending for real and takes it back: one transaction for each target, which ends with its rollback. Says
 * which locks each file took and for how long; they are real, and hold others up for as long.
 */
import { sqlFor } from '../tenancy/migration-target.ts';
import { type EachOptions, workOnTargets } from './each-target.ts';
import { pendingOf } from './journal.ts';
import { MigrationError, readAllMigrations } from './migration-files.ts';
import { preamble } from './run-migration.ts';

export interface Lock {
  readonly relation: string;
  readonly mode: string;
}

export interface DryRun {
  readonly target: string;
  readonly name: string;
  /** Of the file’s own statements: so long others wait for its locks when it is applied. */
  readonly ms: number;
  /** On tables and indexes that were there before; held until the end of the transaction. */
  readonly locks: readonly Lock[];
  /** Left out: what runs without a transaction can not be taken back. */
  readonly skipped?: true;
}

/** @throws MigrationError with the file that would fail */
export async function dryRunMigrations(options: EachOptions): Promise<readonly DryRun[]> {
  const runs: DryRun[] = [];
  await workOnTargets(
    options,
    await readAllMigrations(options.folder),
    async ({ sql, target, files, journal }) => {
      const { expand } = pendingOf(target.name, files, journal);
      if (expand.length === 0) return;
      const known = new Set<string>();
      await sql.unsafe('BEGIN');
      try {
        for (const migration of expand) {
          const about = { target: target.name, name: migration.name };
          if (!migration.transaction) {
            runs.push({ ...about, ms: 0, locks: [], skipped: true });
            continue;
          }
          await sql.unsafe(preamble({ target, migration }));
          const before = await sql`
          SELECT oid FROM pg_class WHERE relnamespace IN ('portarium'::regnamespace, ${target.schema}::regnamespace)`;
          const started = performance.now();
          await sql.unsafe(sqlFor(target, migration.sql)).catch((error) => {
            const { message } = error as Error;
            throw new MigrationError(
              `${target.name}: ${migration.folder}/${migration.name} would fail: ${message}`,
              { cause: error },
            );
          });
          const ms = performance.now() - started;
          const held = await sql`
          SELECT DISTINCT relation::regclass::text AS relation, mode FROM pg_locks
          WHERE pid = pg_backend_pid() AND granted AND mode <> 'AccessShareLock'
            AND relation = ANY(${before.map(({ oid }) => oid as number)}::oid[])
          ORDER BY 1, 2`;
          const locks = held
            .map(({ relation, mode }) => ({ relation: relation as string, mode: mode as string }))
            .filter(({ relation, mode }) => !known.has(`${relation} ${mode}`));
          for (const { relation, mode } of locks) known.add(`${relation} ${mode}`);
          runs.push({ ...about, ms, locks });
        }
      } finally {
        await sql.unsafe('ROLLBACK');
      }
    },
  );
  return runs;
}
