/** Backs up and restores data folders, and an older one before it is upgraded. */
import { chownSync, existsSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import {
  type Backup,
  type BackupManifest,
  type OnBackupProgress,
  readBackup,
  writeBackup,
} from './backup-file.ts';
import { type DataFolder, dataFolderAt, prepareDataFolder } from './data-folder.ts';
import { ageOf, readDataVersion } from './data-version.ts';
import { LocalStackError } from './local-stack-error.ts';
import { ensurePostgresUser } from './postgres-user.ts';
import { alreadyRunning, recordedSupervisor } from './process/folder-owner.ts';
import { tryLock } from './process/owned-lock.ts';
import { isAlive } from './process/process-identity.ts';
import type { OnProgress } from './progress.ts';
import { readVersions } from './repository.ts';
import { readStackFile } from './stack-file.ts';

/** Backups that upgrades leave behind; older ones go. */
const KEPT_UPGRADES = 3;

/** @throws LocalStackError when a stack runs there, or nothing was ever started there */
export async function backupStack(
  dataDir: string,
  file: string,
  onProgress?: OnBackupProgress,
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
    return await writeBackup(folder, file, onProgress);
  } finally {
    lock.release();
  }
}

/** @throws LocalStackError as {@link readBackup}; the folder is as `up` wants it afterwards */
export async function restoreStack(
  file: string,
  dataDir: string,
  onProgress?: OnBackupProgress,
): Promise<BackupManifest> {
  const folder = dataFolderAt(dataDir);
  const manifest = await readBackup(file, folder.path, onProgress);
  prepareDataFolder(folder);
  const user = ensurePostgresUser();
  if (user !== undefined) {
    const entries = readdirSync(folder.postgres, { recursive: true, encoding: 'utf8' });
    for (const entry of ['', ...entries])
      chownSync(join(folder.postgres, entry), user.uid, user.gid);
  }
  return manifest;
}

/**
 * Before a start: refuses a folder of a newer version, and backs one of an older version up.
 * @throws LocalStackError
 */
export async function prepareUpgrade(folder: DataFolder, onProgress: OnProgress): Promise<void> {
  const age = ageOf(folder);
  if (age === 'newer') {
    throw new LocalStackError(
      'data-folder',
      `${folder.path} was last used by a newer version (${readDataVersion(folder)?.product}), whose database this one does not know. Start it with that version, or restore a backup of before (${folder.backups}).`,
    );
  }
  if (age !== 'older') return;
  const time = new Date().toISOString().replaceAll(/[:.]/g, '-');
  const file = join(folder.backups, `before-${readVersions().product}-${time}.tar.gz`);
  const detail = `the folder is of an older version; backing it up to ${file} before the upgrade`;
  onProgress({ part: 'migrate', state: 'starting', detail });
  await writeBackup(folder, file);
  forgetOldBackups(folder);
}

function forgetOldBackups(folder: DataFolder): void {
  if (!existsSync(folder.backups)) return;
  const ours = readdirSync(folder.backups).filter((name) => /^before-.*\.tar\.gz$/.test(name));
  const byTime = ours.toSorted((a, b) => timeOf(a).localeCompare(timeOf(b)));
  for (const name of byTime.slice(0, -KEPT_UPGRADES)) rmSync(join(folder.backups, name));
}

const timeOf = (name: string) => /\d{4}-\d\d-\d\dT.*$/.exec(name)?.[0] ?? '';
