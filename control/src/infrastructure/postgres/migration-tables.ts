/** The migration journal, as far as the log of the instance repeats it. */
import type {
  AppliedMigration,
  MigrationReads,
  MigrationWrites,
} from '../../application/ports/migration-journal.ts';
import type { TransactionSql } from './connect.ts';
import type { Row } from './rows.ts';

export function readMigrations(tx: TransactionSql): MigrationReads {
  return {
    async hasUntoldMigrations() {
      const rows = await tx`SELECT FROM migration_journal WHERE success AND NOT told LIMIT 1`;
      return rows.length > 0;
    },
  };
}

export function writeMigrations(tx: TransactionSql): MigrationWrites {
  return {
    async takeUntoldMigrations() {
      const rows = await tx`
        WITH taken AS (
          UPDATE migration_journal SET told = true WHERE success AND NOT told
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
