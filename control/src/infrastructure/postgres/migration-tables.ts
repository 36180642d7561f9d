/**
 * The migration journal, as far as logs repeat it: that of the instance its global and shared tables, that of a workspace
 * its own schema, or everything in its own database.
 */

import type { WorkspaceId } from '@portarium/contracts/ids';
import type {
  AppliedMigration,
  MigrationReads,
  MigrationWrites,
} from '../../application/ports/migration-journal.ts';
import { type Sql, type TransactionSql, toInfraError } from './connect.ts';
import type { Row } from './rows.ts';

/** The role that acts says whose rows are meant; row security keeps those of others out besides. */
const ofWhoeverActs = (tx: TransactionSql) => tx`
  success AND NOT told AND (target IN ('global', 'tenant') OR target = 'workspace/' || own_workspace())`;

export function readMigrations(tx: TransactionSql): MigrationReads {
  return {
    async hasUntoldMigrations() {
      const rows = await tx`SELECT FROM migration_journal WHERE ${ofWhoeverActs(tx)} LIMIT 1`;
      return rows.length > 0;
    },
  };
}

export function writeMigrations(tx: TransactionSql): MigrationWrites {
  return {
    async takeUntoldMigrations() {
      const rows = await tx`
        WITH taken AS (
          UPDATE migration_journal SET told = true WHERE ${ofWhoeverActs(tx)}
          RETURNING target, version, name, phase, checksum, finished_at, tool_version
        )
        SELECT target, version, name, phase, checksum, finished_at, tool_version FROM taken ORDER BY finished_at, target, version`;
      return rows.map(migrationOf);
    },
  };
}

function migrationOf(row: Row): AppliedMigration {
  return {
    target: row.target as string,
    version: Number(row.version),
    name: row.name as string,
    phase: row.phase as string,
    digest: `sha256:${row.checksum}`,
    toolVersion: row.tool_version as string,
    appliedAt: (row.finished_at as Date).toISOString(),
  };
}

/**
 * Active workspaces whose logs may lack migrations: of tier B those whose rows say so, of tier C all, whose rows are in
 * their own databases.
 */
export async function untoldWorkspaces(instance: Sql): Promise<readonly WorkspaceId[]> {
  const rows = await instance`
    SELECT w.id FROM workspaces w
    WHERE w.state = 'active' AND (w.tenancy_tier = 'C' OR (w.tenancy_tier = 'B' AND EXISTS (
      SELECT FROM migration_journal j WHERE j.target = 'workspace/' || w.id AND j.success AND NOT j.told)))
    ORDER BY w.id`.catch((error) => {
    throw toInfraError(error);
  });
  return rows.map(({ id }) => id as WorkspaceId);
}
