/** Backs up the data folder of a stopped stack. */
import type { BackupOptions } from './backup-manifest.ts';
import { dataFolderAt } from './data-folder.ts';
import { ageOf } from './data-version.ts';
import { LocalStackError } from './local-stack-error.ts';
import { alreadyRunning, recordedSupervisor } from './process/folder-owner.ts';
import { tryLock } from './process/owned-lock.ts';
import { isAlive } from './process/process-identity.ts';
import { readStackFile } from './stack-file.ts';
import { type Backup, writeBackup } from './write-backup.ts';

/**
 * Nobody can start a stack there meanwhile.
 * @throws LocalStackError when a stack runs there (`already-running`), nothing was ever started there, or
 *   the file was not written
 */
export async function backupStack(
  dataDir: string,
  file: string,
  options: BackupOptions = {},
): Promise<Backup> {
  const folder = dataFolderAt(dataDir);
  if (ageOf(folder) === 'new') {
    throw new LocalStackError(
      'data-folder',
      `There is nothing to back up in ${folder.path}: no stack was started there.`,
    );
  }
  const lock = tryLock(folder.lock);
  if (!lock.ok) throw alreadyRunning(folder, lock.owner);
  try {
    const other = recordedSupervisor(folder);
    if (other !== undefined) throw alreadyRunning(folder, other);
    const left = readStackFile(folder.stack)?.processes.find(isAlive);
    if (left !== undefined) {
      throw new LocalStackError(
        'data-folder',
        `Process ${left.pid} (${left.part}) was left over by a killed supervisor and still uses the folder. End it with: portarium down --data ${folder.path}`,
      );
    }
    return await writeBackup(folder, file, options);
  } finally {
    lock.release();
  }
}
