/**
 * What an upload, or the approval it waited for, does to the version that runs. Whoever uploads a version
 * means it to run; but not against weights that somebody gave, and not when it comes before the one that
 * runs, or would if it were not quarantined: an old version that is brought back may have been left for
 * a reason. Then somebody chooses it.
 */
import type { KeyId } from '@portarium/contracts/ids';
import { compareVersions } from '@portarium/contracts/semantic-version';
import { wouldRun } from './plugin-approval.ts';
import type { PluginRecord } from './ports/records.ts';
import type { WriteTransaction } from './ports/workspace-store.ts';

/**
 * To be called under the lock of the plugin's versions, once the version may run.
 * @param runs what ran just before; undefined when nothing did
 */
export async function takeOver(
  tx: WriteTransaction,
  { name, version, createdAt }: PluginRecord,
  runs: PluginRecord | undefined,
  { by, at }: { readonly by: KeyId; readonly at: string },
): Promise<void> {
  const chosen = await tx.currentVersion(name);
  if (chosen?.weights) return;
  const stands = runs ?? (await wouldRun(tx, name));
  if (stands && compareVersions(version, stands.version) < 0) {
    // Without a choice the newest upload would run.
    if (!chosen) {
      await tx.putCurrentVersion(name, { version: stands.version, weights: null }, by, at);
    }
    return;
  }
  // What somebody chose since the upload stays.
  if (chosen?.chosenAt && chosen.chosenAt <= createdAt) {
    await tx.putCurrentVersion(name, { version, weights: null }, by, at);
  }
}
