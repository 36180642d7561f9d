/**
 * Who may not decide about an action: nobody approves what they asked for, what a key asked for that
 * they made, or what runs a plugin version or a rule of theirs.
 */
import { type KeyId, KeyIdSchema } from '@portarium/contracts/ids';
import * as v from 'valibot';
import type { EgressGrantRecord, PluginRecord } from './ports/records.ts';
import type { ReadTransaction } from './ports/workspace-store.ts';

/** @param requestedBy the key that asked. @returns owners, each once, sorted */
export async function excludedPeople(
  tx: ReadTransaction,
  requestedBy: KeyId,
  plugin?: PluginRecord,
  grant?: EgressGrantRecord,
): Promise<readonly string[]> {
  const asked = await tx.findKeyPeople(requestedBy);
  const people = [asked?.owner, asked?.createdBy];
  for (const id of new Set([plugin?.uploadedBy, ...authorsOf(grant)])) {
    if (v.is(KeyIdSchema, id)) people.push((await tx.findKeyPeople(id as KeyId))?.owner);
  }
  return [...new Set(people)].filter((person) => typeof person === 'string').sort();
}

/** A grant that was made before authors were kept names only who changed it last. */
function authorsOf(grant: EgressGrantRecord | undefined): readonly string[] {
  if (!grant) return [];
  const authors = Object.values(grant.authors);
  return authors.length > 0 ? authors : [grant.changedBy];
}
