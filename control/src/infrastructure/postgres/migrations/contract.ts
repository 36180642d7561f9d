/**
 * Contracts: files that take away what no release needs any more. Each has to be asked for, was rehearsed in the same run,
 * follows its Expand on the same target, and waits for processes that were made for an older schema.
 */
import { connect } from '../connect.ts';
import { type EachOptions, lookAtTargets, type TargetSet, workOnTargets } from './each-target.ts';
import { pendingOf } from './journal.ts';
import { liveLeases, type SchemaLease } from './leases.ts';
import { type Migration, MigrationError, readAllMigrations } from './migration-files.ts';
import { rehearse } from './rehearse.ts';
import { noteFailure, runMigration, runRollback } from './run-migration.ts';

export interface ContractOptions extends EachOptions {
  readonly toolVersion: string;
  /** Says that it takes away; nothing is done without it. */
  readonly allowContract: boolean;
  readonly onDone?: (target: string, migration: Migration) => void;
}

export interface Contracted {
  readonly target: string;
  readonly name: string;
}

/** @throws MigrationError with the first thing that stands in the way; what was done before it stays */
export async function contract(options: ContractOptions): Promise<readonly Contracted[]> {
  if (!options.allowContract) {
    throw new MigrationError(
      'a Contract takes tables or columns away; say --allow-contract when every process runs the release that does without them',
    );
  }
  const wanted = new Set<Migration>();
  const files = await lookAtTargets(options, (one) => {
    for (const file of pendingOf(one.target.name, one.files, one.journal).contract) {
      assertMayFollow(one, file);
      wanted.add(file);
    }
  });
  const leases = await leasesOf(options.ownerUrl);
  for (const file of wanted) assertNobodyNeeds(file, leases);
  await rehearse(options.ownerUrl, files, [...wanted]);
  const done: Contracted[] = [];
  await workOnTargets(options, files, async (one) => {
    const { sql, target, set, journal, locks } = one;
    const { toolVersion, onWait } = options;
    for (const migration of pendingOf(target.name, one.files, journal).contract) {
      const run = { target, journal: set.journal, migration, toolVersion, locks, onWait };
      // A workspace that came meanwhile waits for the next run: what was not wanted was not rehearsed.
      if (!wanted.has(migration)) continue;
      assertMayFollow(one, migration);
      // A process may have started meanwhile.
      assertNobodyNeeds(migration, await leasesOf(options.ownerUrl));
      try {
        if ((await runMigration(sql, run)) === undefined) continue;
      } catch (error) {
        await noteFailure(sql, run);
        throw error;
      }
      done.push({ target: target.name, name: migration.name });
      options.onDone?.(target.name, migration);
    }
  });
  return done;
}

function assertMayFollow(
  { target, journal }: TargetSet,
  { folder, name, requires }: Migration,
): void {
  const applied = journal.find((row) => row.name === requires && row.success);
  if (applied?.phase === 'expand') return;
  throw new MigrationError(
    `${target.name}: ${folder}/${name} ends ${requires}, which is not applied there as an Expand; run portarium migrate apply first`,
  );
}

async function leasesOf(ownerUrl: string): Promise<readonly SchemaLease[]> {
  const sql = connect(ownerUrl, { max: 1, name: 'portarium-migrate' });
  try {
    return await liveLeases(sql);
  } finally {
    await sql.end({ timeout: 5 });
  }
}

function assertNobodyNeeds(
  { folder, version, name }: Migration,
  leases: readonly SchemaLease[],
): void {
  const old = leases.filter(
    (lease) => (folder === 'global' ? lease.globalVersion : lease.tenantVersion) < version,
  );
  const [first] = old;
  if (!first) return;
  throw new MigrationError(
    `${folder}/${name}: ${old.length} running process${old.length === 1 ? '' : 'es'} may still need what it takes away, such as ${first.role} of ${first.version} since ${first.startedAt}; stop or upgrade them (a process that was killed counts for a minute)`,
  );
}

/** Takes the newest Contract of each target back. An Expand is never taken back: it harms nobody. */
export async function rollback(
  options: EachOptions & { readonly onDone?: ContractOptions['onDone'] },
): Promise<readonly Contracted[]> {
  const done: Contracted[] = [];
  const files = await readAllMigrations(options.folder);
  await workOnTargets(options, files, async ({ sql, target, set, files, journal, locks }) => {
    // It has to fit the files before anything is done.
    pendingOf(target.name, files, journal);
    const newest = journal.findLast(({ success, phase }) => success && phase === 'contract');
    const migration = newest && files[newest.version - 1];
    if (!migration?.rollback) return;
    const { onWait } = options;
    await runRollback(sql, {
      ...{ target, journal: set.journal, migration, toolVersion: '', locks, onWait },
    });
    done.push({ target: target.name, name: migration.name });
    options.onDone?.(target.name, migration);
  });
  return done;
}
