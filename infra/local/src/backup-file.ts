/**
 * A backup of a data folder as one file: a gzipped tar archive that begins with `backup.json`, which names
 * every file with its SHA-256. Nothing of it is used before all of it is verified.
 */
import { createHash } from 'node:crypto';
import {
  chmodSync,
  createReadStream,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
} from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { create, extract } from 'tar';
import * as v from 'valibot';
import { readJsonFile, writeFileAtomically } from './atomic-file.ts';
import type { DataFolder } from './data-folder.ts';
import { compareVersions, DataVersionSchema, ownVersion, readDataVersion } from './data-version.ts';
import { LocalStackError, messageOf } from './local-stack-error.ts';

const count = v.pipe(v.number(), v.integer(), v.minValue(0));
const ManifestSchema = v.object({
  v: v.literal(1),
  /** Of the data folder; null when it is of a time before versions were kept. */
  version: v.nullable(DataVersionSchema),
  createdAt: v.string(),
  /** Relative paths; empty folders matter to PostgreSQL. */
  folders: v.array(v.string()),
  files: v.array(v.object({ path: v.string(), bytes: count, sha256: v.string() })),
});
export type BackupManifest = v.InferOutput<typeof ManifestSchema>;

const MANIFEST = 'backup.json';
/** What is made anew at each start, or belongs to the process that runs. */
const LEFT_OUT: ReadonlySet<string> = new Set([
  MANIFEST,
  'backups',
  'built',
  'console',
  'logs',
  'stack.json',
  'supervisor.lock',
  'postgres/postmaster.pid',
  'postgres/postmaster.opts',
]);

export type OnBackupProgress = (told: {
  readonly step: 'reading' | 'packing' | 'unpacking' | 'verifying';
  readonly files: number;
  readonly bytes: number;
}) => void;

export interface Backup {
  readonly file: string;
  readonly bytes: number;
  readonly manifest: BackupManifest;
}

/**
 * Writes the backup of a folder that nobody uses. The file appears when it is whole, for its owner only.
 * @throws LocalStackError when the file is there already, or something can not be read or written
 */
export async function writeBackup(
  folder: DataFolder,
  target: string,
  onProgress: OnBackupProgress = () => undefined,
): Promise<Backup> {
  const file = resolve(target);
  if (existsSync(file)) {
    throw new LocalStackError('data-folder', `${file} is there already. Name another file.`);
  }
  const aside = `${file}.${process.pid}.part`;
  const manifestFile = join(folder.path, MANIFEST);
  try {
    mkdirSync(dirname(file), { recursive: true });
    const { folders, paths } = listFolder(folder.path);
    const files: BackupManifest['files'] = [];
    let bytes = 0;
    for (const path of paths) {
      files.push(await describe(folder.path, path));
      bytes += files.at(-1)?.bytes ?? 0;
      onProgress({ step: 'reading', files: files.length, bytes });
    }
    const manifest: BackupManifest = {
      v: 1,
      version: readDataVersion(folder) ?? null,
      createdAt: new Date().toISOString(),
      folders,
      files,
    };
    writeFileAtomically(manifestFile, JSON.stringify(manifest), 0o600);
    onProgress({ step: 'packing', files: files.length, bytes });
    const options = {
      file: aside,
      cwd: folder.path,
      gzip: { level: 3 },
      noDirRecurse: true,
      strict: true,
    };
    await create(options, [MANIFEST, ...folders, ...paths]);
    chmodSync(aside, 0o600);
    renameSync(aside, file);
    return { file, bytes: statSync(file).size, manifest };
  } catch (error) {
    rmSync(aside, { force: true });
    if (error instanceof LocalStackError) throw error;
    throw new LocalStackError('data-folder', `The backup was not written: ${messageOf(error)}`);
  } finally {
    rmSync(manifestFile, { force: true });
  }
}

/**
 * Unpacks a backup beside `path`, verifies it, and puts it there in one step.
 * @throws LocalStackError when `path` holds something, the file is no whole backup, or it is of a newer
 *   version; nothing is left behind then
 */
export async function readBackup(
  source: string,
  path: string,
  onProgress: OnBackupProgress = () => undefined,
): Promise<BackupManifest> {
  const file = resolve(source);
  const target = resolve(path);
  if (!existsSync(file)) throw new LocalStackError('data-folder', `There is no file ${file}.`);
  if (existsSync(target) && readdirSync(target).length > 0) {
    throw new LocalStackError(
      'data-folder',
      `${target} is not empty, and nothing is written over. Name another folder with --data.`,
    );
  }
  const aside = join(dirname(target), `.${basename(target)}.${process.pid}.restore`);
  rmSync(aside, { recursive: true, force: true });
  try {
    mkdirSync(aside, { recursive: true, mode: 0o700 });
    await unpack(file, aside, [MANIFEST]);
    const manifest = readJsonFile(join(aside, MANIFEST), ManifestSchema);
    if (!manifest) throw unusable(file, 'it does not begin with a backup.json of this format');
    assertNotNewer(manifest);
    onProgress({ step: 'unpacking', files: manifest.files.length, bytes: 0 });
    await unpack(file, aside);
    await verify(file, aside, manifest, onProgress);
    rmSync(join(aside, MANIFEST));
    rmSync(target, { recursive: true, force: true });
    renameSync(aside, target);
    return manifest;
  } catch (error) {
    rmSync(aside, { recursive: true, force: true });
    if (error instanceof LocalStackError) throw error;
    throw unusable(file, messageOf(error));
  }
}

function assertNotNewer({ version }: BackupManifest): void {
  if (version === null || compareVersions(version, ownVersion()) !== 'newer') return;
  throw new LocalStackError(
    'data-folder',
    `The backup was made by a newer version (${version.product}, with ${version.migrations.tenant} migrations of workspaces; this one knows ${ownVersion().migrations.tenant}). Restore it with that version.`,
  );
}

function unusable(file: string, why: string): LocalStackError {
  return new LocalStackError(
    'data-folder',
    `${file} is no whole backup: ${why}. Nothing was restored.`,
  );
}

async function unpack(file: string, cwd: string, only?: readonly string[]): Promise<void> {
  await extract(
    {
      ...{ file, cwd, strict: true, preservePaths: false },
      // Links and devices are in no backup.
      filter: (_path, entry) => 'type' in entry && /^(File|OldFile|Directory)$/.test(entry.type),
    },
    only === undefined ? [] : [...only],
  );
}

async function verify(
  file: string,
  root: string,
  { files, folders }: BackupManifest,
  onProgress: OnBackupProgress,
): Promise<void> {
  const found = listFolder(root);
  const known = new Set(files.map(({ path }) => path));
  const foreign = found.paths.find((path) => !known.has(path));
  if (foreign !== undefined)
    throw unusable(file, `it holds ${foreign}, which backup.json does not name`);
  const missing = folders.find((path) => !found.folders.includes(path));
  if (missing !== undefined) throw unusable(file, `the folder ${missing} is missing`);
  let bytes = 0;
  for (const [at, { path, sha256 }] of files.entries()) {
    if (!existsSync(join(root, path))) throw unusable(file, `${path} is missing`);
    const actual = await describe(root, path);
    if (actual.sha256 !== sha256)
      throw unusable(file, `${path} has other bytes than were backed up`);
    bytes += actual.bytes;
    onProgress({ step: 'verifying', files: at + 1, bytes });
  }
}

/** Relative paths of what a backup holds, each folder before what is in it. */
function listFolder(root: string): { readonly folders: string[]; readonly paths: string[] } {
  const folders: string[] = [];
  const paths: string[] = [];
  const visit = (inner: string) => {
    for (const name of readdirSync(join(root, inner)).toSorted()) {
      const path = inner === '' ? name : `${inner}/${name}`;
      if (LEFT_OUT.has(path) || name.endsWith('.part')) continue;
      const stat = lstatSync(join(root, path));
      if (stat.isDirectory()) {
        folders.push(path);
        visit(path);
      } else if (stat.isFile()) paths.push(path);
    }
  };
  visit('');
  return { folders, paths };
}

async function describe(root: string, path: string): Promise<BackupManifest['files'][number]> {
  const hash = createHash('sha256');
  let bytes = 0;
  for await (const chunk of createReadStream(join(root, path)) as AsyncIterable<Buffer>) {
    hash.update(chunk);
    bytes += chunk.length;
  }
  return { path, bytes, sha256: hash.digest('hex') };
}
