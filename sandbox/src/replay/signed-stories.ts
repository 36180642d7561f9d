/** The signed entries of a bundle, action by action. What no checkpoint covers is left aside. */
import { BUNDLE_PATHS, BundleManifestSchema } from '@portarium/contracts/bundle-layout';
import { type Entry, leafHash } from '@portarium/contracts/evidence-entry';
import { readCanonical, readEntry } from '@portarium/contracts/verify-entries';
import { actionEntries, logEntries } from '@portarium/contracts/verify-files';
import { Findings } from '@portarium/contracts/verify-report';
import * as v from 'valibot';

export type BundleFiles = ReadonlyMap<string, Uint8Array>;

/**
 * Entries by action, each action's in the order of the log, actions in that of their first entry.
 * @param files of a bundle that was verified; findings are not collected again
 * @param signed how many entries of the log its checkpoint covers
 */
export async function signedStories(
  files: BundleFiles,
  signed: number,
): Promise<ReadonlyMap<string, readonly Entry[]>> {
  const manifest = readCanonical(files.get(BUNDLE_PATHS.manifest) ?? new Uint8Array());
  const parsed = v.parse(BundleManifestSchema, manifest.ok ? manifest.value : undefined);
  const seen = new Findings();
  const read = parsed.asked.action === undefined ? logEntries : actionEntries;
  const stories = new Map<string, Entry[]>();
  for (const { seq, bytes } of read(files, parsed, seen)) {
    const entry =
      seq < signed ? readEntry(bytes, seq, await leafHash(bytes), seen)?.entry : undefined;
    const action = entry?.subject.action;
    if (!entry || action === undefined) continue;
    const story = stories.get(action);
    if (story) story.push(entry);
    else stories.set(action, [entry]);
  }
  return stories;
}
