/**
 * Puts a backup of a workspace back, in one transaction: complete or as it was. Tiers B and C get their schema anew beside
 * the old one, which goes with the commit; in tier A there may be no row of the workspace. Nothing is decided about its log
 * here: the Control Plane looks at it again before its next entry.
 */

import { COMMIT_CHANNEL } from '../append-entries.ts';
import { connect, type Sql, type TransactionSql } from '../connect.ts';
import { CREATE_JOURNAL } from '../migrations/journal.ts';
import type { MigrationFiles } from '../migrations/migration-files.ts';
import { MIGRATION_FOLDERS } from '../migrations/migration-files.ts';
import { inScratchDatabase, runText } from '../migrations/scratch-database.ts';
import { type MigrationTarget, sqlFor } from './migration-target.ts';
import { ProvisionError } from './provision.ts';
import { type RestoredLog, verifyRestored } from './verify-restored.ts';
import {
  type BackupSummary,
  checkBackup,
  columnsOf,
  copyIn,
  type WorkspacePlace,
} from './workspace-backup.ts';

export interface Restored extends RestoredLog {
  readonly backup: BackupSummary;
}

/**
 * Restores into a database that is there for it alone, verifies the log, and leaves nothing.
 * @throws ProvisionError when the file is no whole backup, or of another schema
 */
export async function drill(
  ownerUrl: string,
  files: MigrationFiles,
  file: string,
): Promise<Restored> {
  const backup = await checkBackup(file);
  assertFits(backup, files);
  return inScratchDatabase(ownerUrl, async (sql) => {
    for (const folder of MIGRATION_FOLDERS) {
      for (const migration of files[folder]) {
        if (migration.phase === 'expand') await runText(sql, migration, migration.sql);
      }
    }
    const { workspace } = backup;
    await sql.begin((tx) => copyIn(tx, 'portarium', { file, workspace }));
    return { backup, ...(await verifyRestored(sql, 'portarium', workspace)) };
  });
}

/**
 * @param replace whether what is there now may go
 * @throws ProvisionError with what stands in the way; nothing was changed then
 */
export async function restoreWorkspace(
  instanceUrl: string,
  place: WorkspacePlace & { readonly target: MigrationTarget },
  files: MigrationFiles,
  { file, replace }: { readonly file: string; readonly replace: boolean },
): Promise<Restored> {
  const backup = await checkBackup(file);
  assertFits(backup, files);
  const { workspace, tier, target } = place;
  if (backup.workspace !== workspace) {
    throw new ProvisionError(`${file} is of ${backup.workspace}, not of ${workspace}`);
  }
  if (backup.tier !== tier) {
    throw new ProvisionError(
      `${file} is of tier ${backup.tier}, and ${workspace} is of tier ${tier}`,
    );
  }
  if (tier !== 'A' && !replace) {
    throw new ProvisionError(`${workspace} is there; say --replace to put the backup in its place`);
  }
  const sql = connect(target.ownerUrl, { max: 1, name: 'portarium-restore' });
  try {
    const log = await sql.begin(async (tx) => {
      await tx.unsafe(`SET LOCAL lock_timeout = '5s'; SET LOCAL statement_timeout = 0`);
      if (tier === 'A') await beginShared(tx, workspace);
      else await makeAnew(tx, target, files);
      await copyIn(tx, target.schema, { file, workspace });
      const found = await verifyRestored(tx, target.schema, workspace);
      if (found.problems.length > 0) {
        throw new ProvisionError(
          `the log in ${file} does not verify, so nothing was restored:\n${found.problems.join('\n')}`,
        );
      }
      if (tier !== 'A') await tx.unsafe(`DROP SCHEMA ${beside(target)} CASCADE`);
      return found;
    });
    await tellReplicas(instanceUrl, workspace);
    return { backup, ...log };
  } catch (error) {
    if ((error as { code?: string }).code !== '55P03') throw error;
    throw new ProvisionError(
      `${workspace} is in use: somebody’s transaction did not end within 5 s; try again`,
    );
  } finally {
    await sql.end({ timeout: 5 });
  }
}

function assertFits({ schemaVersion, product }: BackupSummary, files: MigrationFiles): void {
  const own = files.tenant.filter(({ phase }) => phase === 'expand').at(-1)?.version ?? 0;
  if (own === schemaVersion) return;
  throw new ProvisionError(
    `the backup is of schema version ${schemaVersion} (release ${product}), this release has ${own}: restore it with that release, then upgrade`,
  );
}

async function beginShared(tx: TransactionSql, workspace: string): Promise<void> {
  const [row] = await tx`SELECT FROM portarium.log_heads WHERE workspace_id = ${workspace}`;
  if (!row) {
    await tx`
      INSERT INTO portarium.workspaces (id, name, tenancy_tier, created_at)
      VALUES (${workspace}, ${workspace}, 'A', now()) ON CONFLICT DO NOTHING`;
    return;
  }
  throw new ProvisionError(
    `${workspace} shares its tables with others and has rows in them, and a log is never taken away: restore the whole instance, or restore into one that does not have it`,
  );
}

const beside = ({ schema }: Pick<MigrationTarget, 'schema'>) => `${schema}_before`;

/** The tables of the target as its files make them. Whoever reads the old ones is waited for. */
async function makeAnew(
  tx: TransactionSql,
  target: MigrationTarget,
  files: MigrationFiles,
): Promise<void> {
  const { schema, runtimeRole, destroyRole } = target;
  await tx.unsafe(`
    ALTER SCHEMA ${schema} RENAME TO ${beside(target)};
    CREATE SCHEMA ${schema} AUTHORIZATION portarium_schema;
    GRANT USAGE ON SCHEMA ${schema} TO ${runtimeRole}, ${destroyRole};
    SET LOCAL ROLE portarium_schema; SET LOCAL search_path = ${schema};`);
  const own = schema === 'portarium';
  if (own) await tx.unsafe(CREATE_JOURNAL);
  for (const { files: folder } of target.sets) {
    for (const { phase, sql } of files[folder]) {
      if (phase === 'expand') await tx.unsafe(sqlFor(target, sql));
    }
  }
  await tx.unsafe('RESET ROLE');
  if (!own) return;
  // What the instance has in every database, beside the workspace's own rows.
  for (const table of ['migration_journal', 'workspaces', 'api_keys', 'outbox', 'dispatch_queue']) {
    const columns = (await columnsOf(tx, schema, table)).join(', ');
    await tx.unsafe(
      `INSERT INTO ${schema}.${table} (${columns}) SELECT ${columns} FROM ${beside(target)}.${table}`,
    );
  }
}

/** Every replica looks at the log anew before its next entry. */
async function tellReplicas(instanceUrl: string, workspace: string): Promise<void> {
  const sql: Sql = connect(instanceUrl, { max: 1, name: 'portarium-restore' });
  try {
    await sql`SELECT pg_notify(${COMMIT_CHANNEL}, ${JSON.stringify({ w: workspace, a: [], restored: true })})`;
  } finally {
    await sql.end({ timeout: 5 });
  }
}
