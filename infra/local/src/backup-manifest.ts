/** What stands at the beginning of a backup, `backup.json`: every file of it with its SHA-256. */
import { isAbsolute } from 'node:path';
import * as v from 'valibot';
import { DataVersionSchema } from './data-version.ts';

/** Name of the manifest in the archive. */
export const MANIFEST = 'backup.json';

const count = v.pipe(v.number(), v.integer(), v.minValue(0));
const inside = v.pipe(
  v.string(),
  v.nonEmpty(),
  v.check(
    (path) => !isAbsolute(path) && !path.split('/').includes('..'),
    'leads out of the folder',
  ),
);

export const BackupManifestSchema = v.object({
  v: v.literal(1),
  /** Of the data folder; null when it is of a time before versions were kept. */
  version: v.nullable(DataVersionSchema),
  createdAt: v.string(),
  /** Relative paths; empty folders matter to PostgreSQL. */
  folders: v.array(inside),
  files: v.array(
    v.object({ path: inside, bytes: count, sha256: v.pipe(v.string(), v.regex(/^[0-9a-f]{64}$/)) }),
  ),
});

export type BackupManifest = v.InferOutput<typeof BackupManifestSchema>;

/** How far a backup or a restore is. */
export type OnBackupProgress = (told: {
  readonly step: 'reading' | 'packing' | 'unpacking' | 'verifying';
  /** Files that this step is done with, and their bytes. */
  readonly files: number;
  readonly bytes: number;
}) => void;

export interface BackupOptions {
  readonly onProgress?: OnBackupProgress | undefined;
  /** Aborting ends it after the file that is under way; nothing is left of it. */
  readonly signal?: AbortSignal | undefined;
}
