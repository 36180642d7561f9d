/**
 * Before a start on a folder of an older version: one backup of how it was, kept until the upgrade has
 * ended. `upgrade.json` names it meanwhile, so that starts that fail again and again make no others, which
 * would push the one of before out.
 */
import { existsSync, readdirSync, rmSync } from 'node:fs';
import { basename, join } from 'node:path';
import * as v from 'valibot';
import { readJsonFile, writeFileAtomically } from './atomic-file.ts';
import type { OnBackupProgress } from './backup-manifest.ts';
import type { DataFolder } from './data-folder.ts';
import { ageOf, readDataVersion, writeDataVersion } from './data-version.ts';
import { LocalStackError, messageOf } from './local-stack-error.ts';
import type { OnProgress } from './progress.ts';
import { readVersions } from './repository.ts';
import { writeBackup } from './write-backup.ts';

/** Backups that upgrades leave behind; older ones go. */
const KEPT = 3;
const TELL_EVERY_MS = 2_000;

const UpgradeSchema = v.object({
  /** Name of the file in the folder of backups. */
  backup: v.pipe(v.string(), v.regex(/^before-[^/]+\.tar\.gz$/)),
});

/** The backup of an upgrade that was begun and did not end: an absolute path. */
export function unfinishedUpgrade(folder: DataFolder): string | undefined {
  const name = readJsonFile(folder.upgrade, UpgradeSchema)?.backup;
  if (name === undefined || !existsSync(join(folder.backups, name))) return undefined;
  return join(folder.backups, name);
}

/**
 * Refuses a folder of a newer version, and backs one of an older version up.
 * @returns the backup of before the upgrade, when the folder is upgraded by this start
 * @throws LocalStackError
 */
export async function beginUpgrade(
  folder: DataFolder,
  onProgress: OnProgress,
  signal?: AbortSignal,
): Promise<string | undefined> {
  const age = ageOf(folder);
  if (age === 'newer') throw newer(folder);
  // From now on a first start that is interrupted leaves a folder of this version, not one of unknown age.
  if (age === 'new') writeDataVersion(folder);
  if (age !== 'older') return undefined;
  const tell = (detail: string) => onProgress({ part: 'migrate', state: 'starting', detail });
  const before = unfinishedUpgrade(folder);
  if (before !== undefined) {
    tell(`an upgrade was begun and did not end; the backup of before it is ${before}`);
    return before;
  }
  const time = new Date().toISOString().replaceAll(/[:.]/g, '-');
  const file = join(folder.backups, `before-${readVersions().product}-${time}.tar.gz`);
  tell(
    `the folder is of an older version${nameOf(folder)}; backing it up to ${file} before the upgrade`,
  );
  await writeBackup(folder, file, { signal, onProgress: nowAndThen(tell) });
  writeFileAtomically(folder.upgrade, `${JSON.stringify({ backup: basename(file) })}\n`, 0o600);
  forgetOld(folder);
  return file;
}

/** The stack is ready: the folder is of this version now. */
export function endUpgrade(folder: DataFolder): void {
  writeDataVersion(folder);
  rmSync(folder.upgrade, { force: true });
}

/** What went wrong, and where the folder as it was before is. */
export function upgradeFailed(error: unknown, backup: string): unknown {
  if (!(error instanceof LocalStackError) || error.code === 'interrupted') return error;
  return new LocalStackError(
    error.code,
    `${messageOf(error)}\nThe upgrade of the data folder did not end. The next start goes on with it. The folder as it was before is in ${backup}: to go back, restore that into another folder (portarium restore ${backup} --data DIR) and start it with the version of before.`,
  );
}

function newer(folder: DataFolder): LocalStackError {
  return new LocalStackError(
    'data-folder',
    `${folder.path} was last used by a newer version${nameOf(folder)}, whose database this one (${readVersions().product}) does not know. Start it with that version, or restore a backup of before (${folder.backups}) into another folder.`,
  );
}

function nameOf(folder: DataFolder): string {
  const version = readDataVersion(folder);
  return version === undefined ? '' : ` (${version.product})`;
}

function nowAndThen(tell: (detail: string) => void): OnBackupProgress {
  let told = performance.now();
  return ({ step, files, bytes }) => {
    if (performance.now() - told < TELL_EVERY_MS) return;
    told = performance.now();
    tell(`backup: ${step}, ${files} files, ${Math.round(bytes / 1024 / 1024)} MiB`);
  };
}

function forgetOld(folder: DataFolder): void {
  const names = readdirSync(folder.backups).filter((name) => name.startsWith('before-'));
  // The folder's lock is ours: nobody writes there, so what is half is abandoned.
  const halves = names.filter((name) => name.endsWith('.part'));
  const whole = names.filter((name) => name.endsWith('.tar.gz'));
  const byTime = whole.toSorted((a, b) => timeOf(a).localeCompare(timeOf(b)));
  for (const name of [...halves, ...byTime.slice(0, -KEPT)]) rmSync(join(folder.backups, name));
}

const timeOf = (name: string) => /\d{4}-\d\d-\d\dT.*$/.exec(name)?.[0] ?? '';
