/**
 * Writes a data folder into one file: a gzipped tar archive that begins with `backup.json`. The file is
 * its owner's alone from the first byte on, and has its name only when it is whole and on the disk.
 */
import { randomBytes } from 'node:crypto';
import {
  accessSync,
  closeSync,
  constants,
  existsSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readdirSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
} from 'node:fs';
import { basename, dirname, join, resolve, sep } from 'node:path';
import { create } from 'tar';
import { writeFileAtomically } from './atomic-file.ts';
import { type BackupManifest, type BackupOptions, MANIFEST } from './backup-manifest.ts';
import type { DataFolder } from './data-folder.ts';
import { readDataVersion } from './data-version.ts';
import { describeFile, folderContents } from './folder-contents.ts';
import { LocalStackError, messageOf } from './local-stack-error.ts';
import { identify } from './process/process-identity.ts';

export interface Backup {
  /** Absolute path. */
  readonly file: string;
  readonly bytes: number;
  readonly manifest: BackupManifest;
}

/**
 * @param folder one that nobody uses
 * @throws LocalStackError when the file is there already, or something can not be read or written
 */
export async function writeBackup(
  folder: DataFolder,
  target: string,
  options: BackupOptions = {},
): Promise<Backup> {
  const file = resolve(target);
  assertBackupTarget(folder, file);
  const aside = `${file}.${process.pid}.${randomBytes(6).toString('hex')}.part`;
  try {
    mkdirSync(dirname(file), { recursive: true });
    removeAbandoned(file);
    closeSync(openSync(aside, 'wx', 0o600));
    const { manifest, paths } = await describeFolder(folder, options);
    await pack(folder, aside, manifest, paths, options);
    flush(aside);
    renameSync(aside, file);
    flush(dirname(file));
    return { file, bytes: statSync(file).size, manifest };
  } catch (error) {
    rmSync(aside, { force: true });
    if (error instanceof LocalStackError) throw error;
    throw new LocalStackError(
      'data-folder',
      `The backup ${file} was not written: ${messageOf(error)}. ${folder.path} is as it was.`,
    );
  }
}

/** @throws LocalStackError when that file can not be the backup: before anything is stopped for it */
export function assertBackupTarget(folder: DataFolder, target: string): void {
  const file = resolve(target);
  if (existsSync(file)) {
    throw new LocalStackError('data-folder', `${file} is there already. Name another file.`);
  }
  const where = nearestExisting(dirname(file));
  try {
    accessSync(where, constants.W_OK);
  } catch (error) {
    throw new LocalStackError(
      'data-folder',
      `${file} can not be written: ${messageOf(error)}. Name a file in a folder that you may write.`,
    );
  }
  const within = (parent: string) => isWithin(realPath(file), realPath(parent));
  if (within(folder.path) && !within(folder.backups)) {
    throw new LocalStackError(
      'data-folder',
      `${file} lies in the data folder itself, and would be in the next backup. Name a file outside of ${folder.path}.`,
    );
  }
}

const isWithin = (path: string, parent: string) => path.startsWith(`${parent}${sep}`);

function nearestExisting(path: string): string {
  return existsSync(path) ? path : nearestExisting(dirname(path));
}

/** With links followed as far as the path exists. */
function realPath(path: string): string {
  if (existsSync(path)) return realpathSync(path);
  return join(realPath(dirname(path)), basename(path));
}

async function describeFolder(
  folder: DataFolder,
  { onProgress, signal }: BackupOptions,
): Promise<{ readonly manifest: BackupManifest; readonly paths: readonly string[] }> {
  const contents = folderContents(folder.path);
  const files: BackupManifest['files'] = [];
  let bytes = 0;
  for (const path of contents.files) {
    assertWanted(signal);
    const described = await describeFile(folder.path, path);
    files.push(described);
    bytes += described.bytes;
    onProgress?.({ step: 'reading', files: files.length, bytes });
  }
  const version = readDataVersion(folder) ?? null;
  const createdAt = new Date().toISOString();
  const folders = [...contents.folders];
  return {
    manifest: { v: 1, version, createdAt, folders, files },
    paths: [...folders, ...contents.files],
  };
}

async function pack(
  folder: DataFolder,
  aside: string,
  manifest: BackupManifest,
  paths: readonly string[],
  { onProgress, signal }: BackupOptions,
): Promise<void> {
  const manifestFile = join(folder.path, MANIFEST);
  const sizes = new Map(manifest.files.map((file) => [file.path, file.bytes]));
  let [files, bytes] = [0, 0];
  const filter = (path: string): boolean => {
    if (signal?.aborted === true) return false;
    const size = sizes.get(path);
    if (size !== undefined) {
      files += 1;
      bytes += size;
      onProgress?.({ step: 'packing', files, bytes });
    }
    return true;
  };
  try {
    writeFileAtomically(manifestFile, JSON.stringify(manifest), 0o600);
    await create(
      {
        ...{ file: aside, mode: 0o600, cwd: folder.path, filter },
        // Links are those of folders, which the list has been through.
        ...{ gzip: { level: 3 }, noDirRecurse: true, follow: true, strict: true },
      },
      [MANIFEST, ...paths],
    );
    assertWanted(signal);
  } finally {
    rmSync(manifestFile, { force: true });
  }
}

function assertWanted(signal: AbortSignal | undefined): void {
  if (signal?.aborted !== true) return;
  throw new LocalStackError('interrupted', 'The backup was interrupted. Nothing is left of it.');
}

/** What a killed backup to the same file left. */
function removeAbandoned(file: string): void {
  for (const name of readdirSync(dirname(file))) {
    if (!name.startsWith(`${basename(file)}.`)) continue;
    const [, pid] = /^\.(\d+)\.[0-9a-f]{12}\.part$/.exec(name.slice(basename(file).length)) ?? [];
    if (pid !== undefined && identify(Number(pid)) === undefined) {
      rmSync(join(dirname(file), name), { force: true });
    }
  }
}

function flush(path: string): void {
  const opened = openSync(path, 'r');
  try {
    fsyncSync(opened);
  } finally {
    closeSync(opened);
  }
}
