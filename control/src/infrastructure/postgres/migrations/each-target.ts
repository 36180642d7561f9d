/** Every target of a command with a connection to the database that has it, and what its journal says. */
import { connect, type Sql } from '../connect.ts';
import type { MigrationSet, MigrationTarget } from '../tenancy/migration-target.ts';
import { type JournalRow, readJournals } from './journal.ts';
import { isElsewhere, listTargets } from './list-targets.ts';
import type { MigrateOptions } from './migrate-targets.ts';
import { type Migration, type MigrationFiles, readAllMigrations } from './migration-files.ts';
import { missingTarget } from './run-migration.ts';
import { openTargetLocks, type TargetLocks } from './target-lock.ts';

export interface TargetSet {
  readonly sql: Sql;
  readonly target: MigrationTarget;
  readonly set: MigrationSet;
  readonly files: readonly Migration[];
  readonly journal: readonly JournalRow[];
}

export type EachOptions = Pick<
  MigrateOptions,
  'ownerUrl' | 'folder' | 'target' | 'lockWaitMs' | 'onWait'
>;

/**
 * Looks at one after the other, whoever migrates it meanwhile.
 * @param away of targets whose journal can not be read; it throws when left out
 */
export async function lookAtTargets(
  options: EachOptions,
  work: (one: TargetSet) => void,
  away?: (target: MigrationTarget, error: Error) => void,
): Promise<MigrationFiles> {
  const files = await readAllMigrations(options.folder);
  await onTargets(options, async (target, sql, known) => {
    try {
      const journals = isElsewhere(target) ? await readJournals(sql) : known;
      for (const set of target.sets) {
        const journal = journals.get(set.journal) ?? [];
        work({ sql, target, set, files: files[set.files], journal });
      }
    } catch (error) {
      const told = missingTarget(target, error) ?? (error as Error);
      if (!away) throw told;
      away(target, told);
    }
  });
  return files;
}

/** Works on one after the other, while nobody else migrates it. */
export async function workOnTargets(
  options: EachOptions,
  files: MigrationFiles,
  work: (one: TargetSet & { readonly locks: TargetLocks }) => Promise<void>,
): Promise<void> {
  const main = openTargetLocks(options.ownerUrl, { ...options, waitMs: options.lockWaitMs });
  try {
    await onTargets(options, async (target, sql) => {
      const locks = isElsewhere(target)
        ? openTargetLocks(target.ownerUrl, { ...options, waitMs: options.lockWaitMs })
        : main;
      try {
        await locks.hold(target, async () => {
          for (const set of target.sets) {
            const journals = await readJournals(sql, set.journal);
            const journal = journals.get(set.journal) ?? [];
            await work({ sql, target, set, files: files[set.files], journal, locks });
          }
        });
      } catch (error) {
        throw missingTarget(target, error) ?? error;
      } finally {
        if (locks !== main) await locks.close();
      }
    });
  } finally {
    await main.close();
  }
}

async function onTargets(
  options: EachOptions,
  work: (
    target: MigrationTarget,
    sql: Sql,
    journals: Awaited<ReturnType<typeof readJournals>>,
  ) => Promise<void>,
): Promise<void> {
  const main = connect(options.ownerUrl, { max: 1, name: 'portarium-migrate' });
  try {
    const journals = await readJournals(main).catch((error) => {
      // A database that nothing was ever applied to.
      if (error.code === '42P01') return new Map();
      throw error;
    });
    for (const target of await listTargets(main, options)) {
      if (!isElsewhere(target)) {
        await work(target, main, journals);
        continue;
      }
      const own = connect(target.ownerUrl, { max: 1, name: 'portarium-migrate' });
      try {
        await work(target, own, journals);
      } finally {
        await own.end({ timeout: 5 });
      }
    }
  } finally {
    await main.end({ timeout: 5 });
  }
}
