/** Makes a data folder of a backup, as `up` wants it. */
import type { BackupManifest, BackupOptions } from './backup-manifest.ts';
import { dataFolderAt, prepareDataFolder } from './data-folder.ts';
import { ensurePostgresUser } from './postgres-user.ts';
import { readBackup } from './read-backup.ts';

/** @throws LocalStackError as {@link readBackup} */
export async function restoreStack(
  file: string,
  dataDir: string,
  options: BackupOptions = {},
): Promise<BackupManifest> {
  const folder = dataFolderAt(dataDir);
  const manifest = await readBackup(file, folder.path, ensurePostgresUser(), options);
  prepareDataFolder(folder);
  return manifest;
}
