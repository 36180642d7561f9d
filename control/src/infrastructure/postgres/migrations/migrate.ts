/** Brings a database up to this release: roles and schema where they are missing, then every pending Expand. */

import { type MigrateOptions, migrateTargets } from './migrate-targets.ts';
import type { Migration } from './migration-files.ts';
import { MigrationError } from './migration-files.ts';
import { prepare } from './prepare.ts';

export interface UpgradeOptions
  extends Pick<MigrateOptions, 'ownerUrl' | 'folder' | 'toolVersion' | 'onProgress'> {
  readonly runtimeUrl: string;
}

/**
 * @returns the migrations that this call applied
 * @throws MigrationError with the first target that failed, and what is left
 */
export async function migrate(
  options: UpgradeOptions,
): Promise<readonly { readonly target: string; readonly migration: Migration }[]> {
  await prepare(options.ownerUrl, options.runtimeUrl);
  const { applied, failed, left } = await migrateTargets(options);
  const [first] = failed;
  if (!first) return applied;
  const more =
    left.length === 0 ? '' : `; ${left.length} targets are left: portarium migrate apply`;
  throw new MigrationError(`${first.error}${more}`);
}
