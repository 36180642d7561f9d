/**
 * Applies Expands to everything that an instance has: the global tables, the shared ones of tier A, and each workspace of
 * tiers B and C, the first of these alone (the canary), the others at once. A run that is cut off is resumed by the next
 * one: what the journals lack is what is left.
 */
import { connect, type Sql } from '../connect.ts';
import type { MigrationSet, MigrationTarget } from '../tenancy/migration-target.ts';
import { CREATE_JOURNAL, type Journals, type Pending, pendingOf, readJournals } from './journal.ts';
import { isElsewhere, isWorkspace, listTargets, type TargetChoice } from './list-targets.ts';
import { type Migration, type MigrationFiles, readAllMigrations } from './migration-files.ts';
import { missingTarget, noteFailure, runMigration } from './run-migration.ts';
import { openTargetLocks, type TargetLocks } from './target-lock.ts';

export interface Progress {
  readonly done: number;
  readonly total: number;
  readonly failed: number;
  /** What was just looked at, and the files that were applied to it. */
  readonly target: string;
  readonly applied: readonly { readonly migration: Migration; readonly ms: number }[];
  readonly error?: string;
}

export interface MigrateOptions extends TargetChoice {
  /** Of the files. */
  readonly folder: string;
  readonly toolVersion: string;
  /** Targets at once; 4 when left out. */
  readonly parallel?: number;
  /** Failed targets after which no other is begun; 1 when left out. */
  readonly maxFailures?: number;
  readonly onProgress?: (progress: Progress) => void;
  /** Until a target that another run works on counts as failed, in milliseconds; a minute when left out. */
  readonly lockWaitMs?: number;
  /** Told what a target waits for: another run, or a lock of its tables that is tried again. */
  readonly onWait?: (target: string, what: string) => void;
}

export interface Outcome {
  readonly applied: readonly { readonly target: string; readonly migration: Migration }[];
  readonly failed: readonly { readonly target: string; readonly error: string }[];
  /** Targets that were not begun. */
  readonly left: readonly string[];
}

const PARALLEL = 4;

/** Applies what is pending. @throws MigrationError when nothing could be begun */
export async function migrateTargets(options: MigrateOptions): Promise<Outcome> {
  const files = await readAllMigrations(options.folder);
  const sql = connect(options.ownerUrl, { max: 1, name: 'portarium-migrate' });
  const locks = openTargetLocks(options.ownerUrl, locking(options));
  try {
    const run = new FanOut(options, files, { sql, locks });
    const shared = (await listTargets(sql, options)).filter(({ name }) => !isWorkspace(name));
    await run.inTurn(shared);
    // What the global files make is where the others are named.
    const workspaces = (await listTargets(sql, options)).filter(({ name }) => isWorkspace(name));
    if (run.failed.length > 0) run.left.push(...workspaces);
    else await run.fanOut(workspaces, shared.length);
    const { applied, failed, left } = run;
    return { applied, failed, left: left.map(({ name }) => name) };
  } finally {
    await Promise.all([sql.end({ timeout: 5 }), locks.close()]);
  }
}

const locking = ({ lockWaitMs, onWait }: Pick<MigrateOptions, 'lockWaitMs' | 'onWait'>) => ({
  waitMs: lockWaitMs,
  onWait: onWait && ((target: string, holder: string) => onWait(target, `waits for ${holder}`)),
});

/** What a target is worked on with; both are in the database that has it. */
interface Connections {
  readonly sql: Sql;
  readonly locks: TargetLocks;
}

/** One run over many targets: what it did so far, and whether it may go on. */
class FanOut {
  readonly applied: Outcome['applied'][number][] = [];
  readonly failed: Outcome['failed'][number][] = [];
  readonly left: MigrationTarget[] = [];
  private readonly options: MigrateOptions;
  private readonly files: MigrationFiles;
  private readonly main: Connections;
  private journals: Journals = new Map();
  private done = 0;
  private total = 0;

  constructor(options: MigrateOptions, files: MigrationFiles, main: Connections) {
    this.options = options;
    this.files = files;
    this.main = main;
  }

  /** One after the other, until the first that fails. */
  async inTurn(targets: readonly MigrationTarget[]): Promise<void> {
    this.total += targets.length;
    this.journals = await readJournals(this.main.sql);
    for (const target of targets) {
      if (this.failed.length > 0) this.left.push(target);
      else await this.migrate(target, this.main);
    }
  }

  /** The first alone, then the others at once. */
  async fanOut(targets: readonly MigrationTarget[], before: number): Promise<void> {
    this.total = before + targets.length;
    this.journals = await readJournals(this.main.sql);
    const queue = [...targets];
    const [canary] = queue.splice(0, 1);
    if (canary) await this.migrate(canary, this.main);
    const lane = async () => {
      const sql = connect(this.options.ownerUrl, { max: 1, name: 'portarium-migrate' });
      try {
        for (let next = this.next(queue); next; next = this.next(queue)) {
          await this.migrate(next, { sql, locks: this.main.locks });
        }
      } finally {
        await sql.end({ timeout: 5 });
      }
    };
    const lanes = Math.min(this.options.parallel ?? PARALLEL, queue.length);
    await Promise.all(Array.from({ length: lanes }, lane));
    this.left.push(...queue);
  }

  private next(queue: MigrationTarget[]): MigrationTarget | undefined {
    const { maxFailures = 1 } = this.options;
    return this.failed.length < maxFailures ? queue.shift() : undefined;
  }

  private async migrate(target: MigrationTarget, connections: Connections): Promise<void> {
    const applied: { migration: Migration; ms: number }[] = [];
    const { toolVersion, onWait } = this.options;
    let error: string | undefined;
    try {
      await onOwn(target, this.options, connections, async (own) => {
        const known = isElsewhere(target) ? await ownJournals(own.sql) : this.journals;
        await expand(own, target, known, {
          ...{ toolVersion, onWait, files: this.files },
          onApplied: (migration, ms) => applied.push({ migration, ms }),
        });
      });
    } catch (cause) {
      error = (missingTarget(target, cause) ?? (cause as Error)).message;
      this.failed.push({ target: target.name, error });
    }
    this.done += 1;
    this.applied.push(...applied.map(({ migration }) => ({ target: target.name, migration })));
    this.options.onProgress?.({
      ...{ done: this.done, total: this.total, failed: this.failed.length },
      ...{ target: target.name, applied, ...(error === undefined ? {} : { error }) },
    });
  }
}

/** A workspace with a database of its own needs connections to that. */
async function onOwn(
  target: MigrationTarget,
  options: Pick<MigrateOptions, 'ownerUrl' | 'lockWaitMs' | 'onWait'>,
  connections: Connections,
  work: (own: Connections) => Promise<void>,
): Promise<void> {
  if (target.ownerUrl === options.ownerUrl) return work(connections);
  const sql = connect(target.ownerUrl, { max: 1, name: 'portarium-migrate' });
  const locks = openTargetLocks(target.ownerUrl, locking(options));
  try {
    await work({ sql, locks });
  } finally {
    await Promise.all([sql.end({ timeout: 5 }), locks.close()]);
  }
}

interface ExpandOptions extends Pick<MigrateOptions, 'toolVersion'> {
  readonly onWait?: MigrateOptions['onWait'] | undefined;
  readonly files: MigrationFiles;
  readonly onApplied?: (migration: Migration, ms: number) => void;
}

/** Every pending Expand of one target, in order. One that is up to date costs nothing. */
async function expand(
  { sql, locks }: Connections,
  target: MigrationTarget,
  known: Journals,
  { files, toolVersion, onWait, onApplied }: ExpandOptions,
): Promise<void> {
  const pending = (journals: Journals) =>
    target.sets.map((set) => ({ set, expand: pendingIn(target, set, files, journals).expand }));
  if (pending(known).every(({ expand }) => expand.length === 0)) return;
  await locks.hold(target, async (waited) => {
    for (const { set, expand } of pending(waited ? await readJournals(sql) : known)) {
      for (const migration of expand) {
        const run = { target, journal: set.journal, migration, toolVersion, locks, onWait };
        try {
          const ms = await runMigration(sql, run);
          if (ms !== undefined) onApplied?.(migration, ms);
        } catch (error) {
          await noteFailure(sql, run);
          throw error;
        }
      }
    }
  });
}

/** @throws MigrationError when journal and files do not fit together */
function pendingIn(
  target: MigrationTarget,
  set: MigrationSet,
  files: MigrationFiles,
  journals: Journals,
): Pending {
  return pendingOf(target.name, files[set.files], journals.get(set.journal) ?? []);
}

async function ownJournals(sql: Sql): Promise<Journals> {
  await sql.unsafe(`SET ROLE portarium_schema; ${CREATE_JOURNAL} RESET ROLE;`);
  return readJournals(sql);
}

/** Applies every pending Expand to a target whose schema or database has just been made. */
export async function migrateTarget(
  target: MigrationTarget,
  { folder, toolVersion }: Pick<MigrateOptions, 'folder' | 'toolVersion'>,
): Promise<void> {
  const files = await readAllMigrations(folder);
  const sql = connect(target.ownerUrl, { max: 1, name: 'portarium-migrate' });
  const locks = openTargetLocks(target.ownerUrl);
  try {
    const [{ journal } = { journal: '' }] = target.sets;
    const known = isElsewhere(target) ? await ownJournals(sql) : await readJournals(sql, journal);
    await expand({ sql, locks }, target, known, { files, toolVersion });
  } finally {
    await Promise.all([sql.end({ timeout: 5 }), locks.close()]);
  }
}
