/**
 * Which version a data folder is of: `version.json`, written when it is new and whenever a stack on it has
 * become ready. The number of migrations decides what is older and what is newer; where it is the same, the
 * product's version does.
 */
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import * as v from 'valibot';
import { readJsonFile, writeFileAtomically } from './atomic-file.ts';
import type { DataFolder } from './data-folder.ts';
import { REPOSITORY_ROOT, readVersions } from './repository.ts';

const count = v.pipe(v.number(), v.integer(), v.minValue(0));

export const DataVersionSchema = v.object({
  product: v.string(),
  migrations: v.object({ global: count, tenant: count }),
});
export type DataVersion = v.InferOutput<typeof DataVersionSchema>;

/** What this clone makes of a data folder. */
export function ownVersion(): DataVersion {
  const filesOf = (part: string) =>
    readdirSync(join(REPOSITORY_ROOT, 'migrations', part)).filter((name) => name.endsWith('.sql'));
  const [global, tenant] = [filesOf('global').length, filesOf('tenant').length];
  return { product: readVersions().product, migrations: { global, tenant } };
}

/** @returns undefined for a folder that was never ready, or was so before versions were kept */
export function readDataVersion(folder: DataFolder): DataVersion | undefined {
  return readJsonFile(folder.version, DataVersionSchema);
}

export function writeDataVersion(folder: DataFolder): void {
  writeFileAtomically(folder.version, `${JSON.stringify(ownVersion())}\n`, 0o600);
}

export type Age = 'new' | 'older' | 'same' | 'newer';

/** How the folder stands to this clone; `new` when no database is in it. */
export function ageOf(folder: DataFolder): Age {
  if (!existsSync(join(folder.postgres, 'PG_VERSION'))) return 'new';
  const version = readDataVersion(folder);
  return version === undefined ? 'older' : compareVersions(version, ownVersion());
}

/** One that is newer in any migration is newer. */
export function compareVersions(of: DataVersion, own: DataVersion): Exclude<Age, 'new'> {
  const differences = (['global', 'tenant'] as const).map(
    (part) => of.migrations[part] - own.migrations[part],
  );
  if (differences.some((difference) => difference > 0)) return 'newer';
  if (differences.some((difference) => difference < 0)) return 'older';
  const [ours, theirs] = [numbersOf(own.product), numbersOf(of.product)];
  const at = theirs.findIndex((number, index) => number !== ours[index]);
  if (at === -1) return 'same';
  return (theirs[at] ?? 0) > (ours[at] ?? 0) ? 'newer' : 'older';
}

/** Major, minor and patch; a pre-release counts as its release. */
function numbersOf(product: string): readonly number[] {
  const [, ...numbers] = /^(\d+)\.(\d+)\.(\d+)/.exec(product) ?? [];
  return numbers.map(Number);
}
