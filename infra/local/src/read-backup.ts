/**
 * Makes a data folder of a backup: unpacked beside its place, verified byte by byte, and put there in one
 * step. Nothing of a backup is used before all of it is verified.
 */
import {
  chownSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
} from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { extract } from 'tar';
import * as v from 'valibot';
import { readJsonFile } from './atomic-file.ts';
import {
  type BackupManifest,
  BackupManifestSchema,
  type BackupOptions,
  MANIFEST,
} from './backup-manifest.ts';
import { compareVersions, ownVersion } from './data-version.ts';
import { describeFile } from './folder-contents.ts';
import { LocalStackError, messageOf } from './local-stack-error.ts';
import type { SystemUser } from './postgres-user.ts';
import { identify } from './process/process-identity.ts';

/**
 * @param owner who is to own PostgreSQL's files, when not this user
 * @throws LocalStackError when `path` holds something, the file is no whole backup, or it is of a newer
 *   version; nothing is left behind then
 */
export async function readBackup(
  source: string,
  path: string,
  owner: SystemUser | undefined,
  options: BackupOptions = {},
): Promise<BackupManifest> {
  const file = resolve(source);
  const target = resolve(path);
  if (!existsSync(file) || !statSync(file).isFile()) {
    throw new LocalStackError('data-folder', `There is no file ${file}.`);
  }
  assertFree(target);
  let aside: string | undefined;
  try {
    mkdirSync(dirname(target), { recursive: true });
    removeAbandoned(target);
    aside = mkdtempSync(`${asidePrefix(target)}${process.pid}-`);
    const manifest = await readManifest(file, aside);
    await unpack(file, aside, manifest, options);
    await verify(file, aside, manifest, options);
    rmSync(join(aside, MANIFEST));
    giveTo(owner, join(aside, 'postgres'));
    assertFree(target);
    // Takes the place of an empty folder; of one that holds something by now it does not.
    renameSync(aside, target);
    return manifest;
  } catch (error) {
    if (aside !== undefined) rmSync(aside, { recursive: true, force: true });
    if (error instanceof LocalStackError) throw error;
    throw isSystemError(error) ? notMade(target, error) : unusable(file, messageOf(error));
  }
}

function assertFree(target: string): void {
  if (lstatSync(target, { throwIfNoEntry: false }) === undefined) return;
  if (!statSync(target).isDirectory()) {
    throw new LocalStackError('data-folder', `${target} is a file. Name a folder with --data.`);
  }
  if (readdirSync(target).length === 0) return;
  throw new LocalStackError(
    'data-folder',
    `${target} is not empty, and nothing is written over. Name another folder with --data.`,
  );
}

const asidePrefix = (target: string) => join(dirname(target), `.${basename(target)}.restore-`);

/** What a killed restore to the same place left. */
function removeAbandoned(target: string): void {
  const prefix = basename(asidePrefix(target));
  for (const name of readdirSync(dirname(target))) {
    if (!name.startsWith(prefix)) continue;
    const [, pid] = /^(\d+)-[A-Za-z0-9]+$/.exec(name.slice(prefix.length)) ?? [];
    if (pid === undefined || identify(Number(pid)) !== undefined) continue;
    rmSync(join(dirname(target), name), { recursive: true, force: true });
  }
}

const FormatSchema = v.object({ v: v.pipe(v.number(), v.minValue(2)) });

async function readManifest(file: string, aside: string): Promise<BackupManifest> {
  await extract({ file, cwd: aside, strict: true }, [MANIFEST]);
  const path = join(aside, MANIFEST);
  const manifest = readJsonFile(path, BackupManifestSchema);
  if (manifest === undefined) {
    throw readJsonFile(path, FormatSchema) === undefined
      ? unusable(file, 'it does not begin with a backup.json of this format')
      : new LocalStackError(
          'data-folder',
          `${file} is of a form that a newer version writes. Restore it with that version.`,
        );
  }
  const { version } = manifest;
  const own = ownVersion();
  if (version === null || compareVersions(version, own) !== 'newer') return manifest;
  throw new LocalStackError(
    'data-folder',
    `The backup was made by a newer version (${version.product}, with ${version.migrations.global} + ${version.migrations.tenant} migrations; this is ${own.product}, which knows ${own.migrations.global} + ${own.migrations.tenant}). Restore it with that version.`,
  );
}

/** Only what the manifest names comes onto the disk. */
async function unpack(
  file: string,
  aside: string,
  manifest: BackupManifest,
  { onProgress, signal }: BackupOptions,
): Promise<void> {
  const sizes = new Map(manifest.files.map(({ path, bytes }) => [path, bytes]));
  const folders = new Set(manifest.folders);
  let [files, bytes] = [0, 0];
  let foreign: string | undefined;
  const isNamed = (path: string, type: string): boolean => {
    if (type === 'Directory') return folders.has(path.replace(/\/$/, ''));
    const size = sizes.get(path);
    if (size === undefined || !/^(Old)?File$/.test(type)) return path === MANIFEST;
    files += 1;
    bytes += size;
    onProgress?.({ step: 'unpacking', files, bytes });
    return true;
  };
  await extract({
    ...{ file, cwd: aside, strict: true, preservePaths: false },
    filter: (path, entry) => {
      if (signal?.aborted === true || foreign !== undefined) return false;
      if ('type' in entry && isNamed(path, entry.type)) return true;
      foreign = path;
      return false;
    },
  });
  assertWanted(signal);
  if (foreign === undefined) return;
  throw unusable(file, `it holds ${foreign}, which backup.json does not name`);
}

async function verify(
  file: string,
  root: string,
  { files, folders }: BackupManifest,
  { onProgress, signal }: BackupOptions,
): Promise<void> {
  const missing = [...folders, ...files.map(({ path }) => path)].find(
    (path) => !existsSync(join(root, path)),
  );
  if (missing !== undefined) throw unusable(file, `${missing} is missing`);
  let bytes = 0;
  for (const [at, { path, sha256 }] of files.entries()) {
    assertWanted(signal);
    const actual = await describeFile(root, path);
    if (actual.sha256 !== sha256)
      throw unusable(file, `${path} has other bytes than were backed up`);
    bytes += actual.bytes;
    onProgress?.({ step: 'verifying', files: at + 1, bytes });
  }
}

function assertWanted(signal: AbortSignal | undefined): void {
  if (signal?.aborted !== true) return;
  throw new LocalStackError('interrupted', 'The restore was interrupted. Nothing is left of it.');
}

function giveTo(owner: SystemUser | undefined, folder: string): void {
  if (owner === undefined || !existsSync(folder)) return;
  for (const entry of ['', ...readdirSync(folder, { recursive: true, encoding: 'utf8' })]) {
    chownSync(join(folder, entry), owner.uid, owner.gid);
  }
}

/** Of a file system, such as a full disk: it says nothing about the backup. */
function isSystemError(error: unknown): error is Error {
  return error instanceof Error && 'syscall' in error;
}

function notMade(target: string, error: Error): LocalStackError {
  return new LocalStackError(
    'data-folder',
    `${target} could not be made: ${error.message}. Nothing was restored. Make room, or name another folder with --data; its parent must let you create folders.`,
  );
}

function unusable(file: string, why: string): LocalStackError {
  return new LocalStackError(
    'data-folder',
    `${file} is no whole backup: ${why}. Nothing was restored.`,
  );
}
