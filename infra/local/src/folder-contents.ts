/** What of a data folder goes into a backup. Reads names only; `describeFile` reads one file. */
import { createHash } from 'node:crypto';
import { createReadStream, lstatSync, readdirSync, type Stats, statSync } from 'node:fs';
import { join } from 'node:path';
import { type BackupManifest, MANIFEST } from './backup-manifest.ts';
import { LocalStackError } from './local-stack-error.ts';

/** What is made anew at each start, or belongs to the process that runs. */
const LEFT_OUT: ReadonlySet<string> = new Set([
  MANIFEST,
  'backups',
  'built',
  'console',
  'logs',
  'stack.json',
  'supervisor.lock',
  'upgrade.json',
  'postgres/postmaster.pid',
  'postgres/postmaster.opts',
]);

export interface FolderContents {
  /** Relative paths, each before what is in it. */
  readonly folders: readonly string[];
  readonly files: readonly string[];
}

/**
 * A part's folder may be a link to another disk (`evidence`): it is followed.
 * @throws LocalStackError for any other link, socket or device: a backup without it would not be whole
 */
export function folderContents(root: string): FolderContents {
  const folders: string[] = [];
  const files: string[] = [];
  const visit = (inner: string): void => {
    for (const name of readdirSync(join(root, inner)).toSorted()) {
      const path = inner === '' ? name : `${inner}/${name}`;
      // `.part`: half-written objects that nothing refers to.
      if (LEFT_OUT.has(path) || name.endsWith('.part')) continue;
      const found = lookAt(root, path);
      if (found.isFile()) files.push(path);
      else if (found.isDirectory()) {
        folders.push(path);
        visit(path);
      } else throw notWhole(root, path);
    }
  };
  visit('');
  return { folders, files };
}

function lookAt(root: string, path: string): Stats {
  const found = lstatSync(join(root, path));
  return found.isSymbolicLink() && !path.includes('/') ? statSync(join(root, path)) : found;
}

function notWhole(root: string, path: string): LocalStackError {
  return new LocalStackError(
    'data-folder',
    `${join(root, path)} is neither a file nor a folder, so a backup would lack what it stands for. Put what it leads to in its place, or remove it.`,
  );
}

/** Size and SHA-256 of one file. */
export async function describeFile(
  root: string,
  path: string,
): Promise<BackupManifest['files'][number]> {
  const hash = createHash('sha256');
  let bytes = 0;
  for await (const chunk of createReadStream(join(root, path)) as AsyncIterable<Buffer>) {
    hash.update(chunk);
    bytes += chunk.length;
  }
  return { path, bytes, sha256: hash.digest('hex') };
}
