/** Tries every Contract before it may run: contract, rollback, contract again, on a database made for it. */
import type { Sql } from '../connect.ts';
import {
  MIGRATION_FOLDERS,
  type Migration,
  MigrationError,
  type MigrationFiles,
} from './migration-files.ts';
import { catalogueOf, differenceOf, inScratchDatabase, runText } from './scratch-database.ts';

/**
 * @param wanted Contracts; none does nothing
 * @throws MigrationError with what a rollback does not put back
 */
export async function rehearse(
  ownerUrl: string,
  files: MigrationFiles,
  wanted: readonly Migration[],
): Promise<void> {
  if (wanted.length === 0) return;
  await inScratchDatabase(ownerUrl, async (sql) => {
    for (const file of inOrder(files)) {
      if (file.phase === 'expand') await runText(sql, file, file.sql);
    }
    await tryContracts(sql, files, wanted);
  });
}

/** Files as a new database takes them. */
export const inOrder = (files: MigrationFiles) =>
  MIGRATION_FOLDERS.flatMap((folder) => files[folder]);

/**
 * @param sql where every Expand is applied, and no Contract
 * @param wanted those that are tried; the others run once
 * @throws MigrationError with what a rollback does not put back
 */
export async function tryContracts(
  sql: Sql,
  files: MigrationFiles,
  wanted: readonly Migration[],
): Promise<void> {
  for (const file of inOrder(files)) {
    if (file.phase !== 'contract') continue;
    if (!wanted.includes(file)) {
      await runText(sql, file, file.sql);
      continue;
    }
    const before = await catalogueOf(sql);
    await runText(sql, file, file.sql);
    const after = await catalogueOf(sql);
    await runText(sql, file, file.rollback ?? '');
    same(file, 'its rollback does not put back what it took away', before, await catalogueOf(sql));
    await runText(sql, file, file.sql);
    same(file, 'it does something else after its rollback', after, await catalogueOf(sql));
  }
}

function same(
  { folder, name }: Migration,
  what: string,
  wanted: readonly string[],
  found: readonly string[],
): void {
  const lines = differenceOf(wanted, found);
  if (lines.length === 0) return;
  throw new MigrationError(`${folder}/${name}: ${what}:\n${lines.slice(0, 20).join('\n')}`);
}
