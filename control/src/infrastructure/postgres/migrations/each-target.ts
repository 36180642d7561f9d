/** Every target of a command with a connection to the database that has it, and what its journal says. */
import { connect, type Sql } from '../connect.ts';
import type { MigrationSet, MigrationTarget } from '../tenancy/migration-target.ts';
import type { JournalRow } from './journal.ts';
import { readJournals } from './journal.ts';
import {
  isElsewhere,
  listTargets,
  type MigrateOptions,
  type MigrationFiles,
  readAllMigrations,
} from './migrate-targets.ts';
import type { Migration } from './migration-files.ts';

export interface TargetSet {
  readonly sql: Sql;
  readonly target: MigrationTarget;
  readonly set: MigrationSet;
  readonly files: readonly Migration[];
  readonly journal: readonly JournalRow[];
}

export type EachOptions = Pick<MigrateOptions, 'ownerUrl' | 'folder' | 'target'>;

/** One after the other. */
export async function eachTarget(
  options: EachOptions,
  work: (one: TargetSet) => Promise<void>,
): Promise<MigrationFiles> {
  const files = await readAllMigrations(options.folder);
  const main = connect(options.ownerUrl, { max: 1, name: 'portarium-migrate' });
  try {
    const journals = await readJournals(main);
    for (const target of await listTargets(main, options)) {
      const own = isElsewhere(target)
        ? connect(target.ownerUrl, { max: 1, name: 'portarium-migrate' })
        : undefined;
      try {
        const known = own ? await readJournals(own) : journals;
        for (const set of target.sets) {
          const journal = known.get(set.journal) ?? [];
          await work({ sql: own ?? main, target, set, files: files[set.files], journal });
        }
      } finally {
        await own?.end({ timeout: 5 });
      }
    }
  } finally {
    await main.end({ timeout: 5 });
  }
  return files;
}
