/**
 * Applies Expands to everything that an instance has: the global tables, the shared ones of tier A, and each workspace of
 * tiers B and C, the first of these alone (the canary), the others at once. A run that is cut off is resumed by the next
 * one: what the journals lack is what is left.
 */
import { type WorkspaceId, WorkspaceIdSchema } from '@portarium/contracts/ids';
import * as v from 'valibot';
import { connect, type Sql } from '../connect.ts';
import {
  databaseTarget,
  type MigrationSet,
  type MigrationTarget,
  schemaTarget,
  sharedTargets,
} from '../tenancy/migration-target.ts';
import { CREATE_JOURNAL, type Journals, type Pending, pendingOf, readJournals } from './journal.ts';
import {
  MIGRATION_FOLDERS,
  type Migration,
  MigrationError,
  type MigrationFolder,
  readMigrations,
} from './migration-files.ts';
import { noteFailure, runMigration } from './run-migration.ts';

export type MigrationFiles = { readonly [F in MigrationFolder]: readonly Migration[] };

export async function readAllMigrations(root: string): Promise<MigrationFiles> {
  const [global, tenant] = await Promise.all(
    MIGRATION_FOLDERS.map((folder) => readMigrations(root, folder)),
  );
  return { global: global ?? [], tenant: tenant ?? [] };
}

export interface Progress {
  readonly done: number;
  readonly total: number;
  readonly failed: number;
  /** What was just looked at, and the files that were applied to it. */
  readonly target: string;
  readonly applied: readonly { readonly migration: Migration; readonly ms: number }[];
  readonly error?: string;
  /** A lock that was not had in time; it is tried again. */
  readonly waits?: string;
}

export interface MigrateOptions {
  readonly ownerUrl: string;
  /** Of the files. */
  readonly folder: string;
  readonly toolVersion: string;
  /** Targets at once; 4 when left out. */
  readonly parallel?: number;
  /** Failed targets after which no other is begun; 1 when left out. */
  readonly maxFailures?: number;
  /** The first workspace; the oldest when left out. */
  readonly canary?: string;
  /** `global`, `tenant`, `all` or the id of a workspace; all when left out. */
  readonly target?: string;
  readonly onProgress?: (progress: Progress) => void;
}

export interface Outcome {
  readonly applied: readonly { readonly target: string; readonly migration: Migration }[];
  readonly failed: readonly { readonly target: string; readonly error: string }[];
  /** Targets that were not begun. */
  readonly left: readonly string[];
}

const PARALLEL = 4;

/** Every target of the instance in the order of a run; `wanted` leaves the others out. */
export async function listTargets(
  sql: Sql,
  {
    ownerUrl,
    target: wanted = 'all',
    canary,
  }: Pick<MigrateOptions, 'ownerUrl' | 'target' | 'canary'>,
): Promise<readonly MigrationTarget[]> {
  const shared = sharedTargets(ownerUrl);
  if (wanted === 'global' || wanted === 'tenant') {
    return shared.filter(({ name }) => name === wanted);
  }
  const workspaces = await workspaceTargets(sql, ownerUrl);
  const first = canary === undefined ? undefined : workspaces.find(isOf(canary));
  if (canary !== undefined && !first) {
    throw new MigrationError(`there is no workspace ${canary} of tier B or C to begin with`);
  }
  const ordered = first ? [first, ...workspaces.filter((one) => one !== first)] : workspaces;
  if (wanted === 'all') return [...shared, ...ordered];
  const one = ordered.find(isOf(wanted.replace(/^workspace\//, '')));
  if (one) return [one];
  throw new MigrationError(
    `there is no target ${wanted}; name global, tenant, all, or a workspace of tier B or C`,
  );
}

const isOf =
  (workspace: string) =>
  ({ name }: MigrationTarget) =>
    name === `workspace/${workspace}`;

async function workspaceTargets(sql: Sql, ownerUrl: string): Promise<readonly MigrationTarget[]> {
  const [has] = await sql`
    SELECT FROM information_schema.columns
    WHERE table_schema = 'portarium' AND table_name = 'workspaces' AND column_name = 'state'`;
  if (!has) return [];
  const rows = await sql`
    SELECT id, tenancy_tier FROM portarium.workspaces
    WHERE tenancy_tier IN ('B', 'C') AND state <> 'deprovisioned' ORDER BY created_at, id`;
  return rows.flatMap(({ id, tenancy_tier: tier }) => {
    if (!v.is(WorkspaceIdSchema, id)) return [];
    const workspace = id as WorkspaceId;
    return [tier === 'B' ? schemaTarget(ownerUrl, workspace) : databaseTarget(ownerUrl, workspace)];
  });
}

/** Applies what is pending. @throws MigrationError when nothing could be begun */
export async function migrateTargets(options: MigrateOptions): Promise<Outcome> {
  const files = await readAllMigrations(options.folder);
  const sql = connect(options.ownerUrl, { max: 1, name: 'portarium-migrate' });
  const applied: Outcome['applied'][number][] = [];
  const failed: Outcome['failed'][number][] = [];
  try {
    // What the global files make is where the others are named.
    const whole = { ...options, files };
    let targets = await listTargets(sql, options);
    const maxFailures = options.maxFailures ?? 1;
    let done = 0;
    let journals = await readJournals(sql);
    const run = async (connection: Sql, target: MigrationTarget) => {
      const own: { migration: Migration; ms: number }[] = [];
      let error: string | undefined;
      try {
        const onApplied = (migration: Migration, ms: number) => own.push({ migration, ms });
        await expand(connection, target, journals, { ...whole, onApplied });
      } catch (cause) {
        error = (cause as Error).message;
        failed.push({ target: target.name, error });
      }
      done += 1;
      applied.push(...own.map(({ migration }) => ({ target: target.name, migration })));
      options.onProgress?.({
        ...{ done, total: targets.length, failed: failed.length, target: target.name },
        ...{ applied: own, ...(error === undefined ? {} : { error }) },
      });
    };
    const shared = targets.filter(
      ({ schema, name }) => schema === 'portarium' && !isWorkspace(name),
    );
    for (const target of shared) {
      await run(sql, target);
      if (failed.length > 0) break;
    }
    if (failed.length === 0 && shared.length > 0 && (options.target ?? 'all') === 'all') {
      targets = await listTargets(sql, options);
    }
    const workspaces = targets.filter(({ name }) => isWorkspace(name));
    journals = await readJournals(sql);
    const left =
      failed.length > 0
        ? workspaces
        : await fanOut(workspaces, run, {
            ...{ sql, parallel: options.parallel ?? PARALLEL, ownerUrl: options.ownerUrl },
            mayGoOn: () => failed.length < maxFailures,
          });
    return { applied, failed, left: left.map(({ name }) => name) };
  } finally {
    await sql.end({ timeout: 5 });
  }
}

const isWorkspace = (name: string) => name.startsWith('workspace/');

/** @returns what was not begun */
async function fanOut(
  targets: readonly MigrationTarget[],
  run: (sql: Sql, target: MigrationTarget) => Promise<void>,
  options: {
    readonly sql: Sql;
    readonly ownerUrl: string;
    readonly parallel: number;
    readonly mayGoOn: () => boolean;
  },
): Promise<readonly MigrationTarget[]> {
  const { ownerUrl, parallel, mayGoOn } = options;
  const queue = [...targets];
  const [canary] = queue.splice(0, 1);
  if (canary) await onOwn(options.sql, ownerUrl, canary, run);
  if (!mayGoOn()) return queue;
  const lane = async () => {
    const sql = connect(ownerUrl, { max: 1, name: 'portarium-migrate' });
    try {
      for (let next = mayGoOn() && queue.shift(); next; next = mayGoOn() && queue.shift()) {
        await onOwn(sql, ownerUrl, next, run);
      }
    } finally {
      await sql.end({ timeout: 5 });
    }
  };
  const lanes = Math.min(parallel, queue.length);
  await Promise.all(Array.from({ length: lanes }, lane));
  return queue;
}

/** A workspace with a database of its own needs a connection to that. */
async function onOwn(
  sql: Sql,
  ownerUrl: string,
  target: MigrationTarget,
  run: (sql: Sql, target: MigrationTarget) => Promise<void>,
): Promise<void> {
  if (target.ownerUrl === ownerUrl) return run(sql, target);
  const own = connect(target.ownerUrl, { max: 1, name: 'portarium-migrate' });
  try {
    await run(own, target);
  } finally {
    await own.end({ timeout: 5 });
  }
}

interface ExpandOptions extends Pick<MigrateOptions, 'toolVersion' | 'onProgress'> {
  readonly files: MigrationFiles;
  readonly onApplied?: (migration: Migration, ms: number) => void;
}

/** Every pending Expand of one target, in order. */
async function expand(
  sql: Sql,
  target: MigrationTarget,
  known: Journals,
  options: ExpandOptions,
): Promise<void> {
  const journals = isElsewhere(target) ? await ownJournals(sql) : known;
  for (const set of target.sets) {
    for (const migration of pendingIn(target, set, options.files, journals).expand) {
      const run = { target, journal: set.journal, migration, toolVersion: options.toolVersion };
      try {
        const ms = await runMigration(sql, run);
        if (ms !== undefined) options.onApplied?.(migration, ms);
      } catch (error) {
        await noteFailure(sql, run);
        throw error;
      }
    }
  }
}

/** @throws MigrationError when journal and files do not fit together */
export function pendingIn(
  target: MigrationTarget,
  set: MigrationSet,
  files: MigrationFiles,
  journals: Journals,
): Pending {
  return pendingOf(target.name, files[set.files], journals.get(set.journal) ?? []);
}

/** Whether the journal of the target is in a database of its own. */
export const isElsewhere = ({ sets, name }: MigrationTarget) =>
  isWorkspace(name) && sets.some(({ journal }) => journal === 'tenant');

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
  try {
    const known = isElsewhere(target) ? new Map() : await readJournals(sql);
    await expand(sql, target, known, { files, toolVersion });
  } finally {
    await sql.end({ timeout: 5 });
  }
}
