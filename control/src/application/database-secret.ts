/** The address of a workspace’s own database (tier C), login and all: a secret of the vault. */
import { idFromUuid, uuidOf, type WorkspaceId } from '@portarium/contracts/ids';
import type { Ids } from './ports/clock.ts';
import type { Vault } from './ports/vault.ts';
import { InfraError } from './ports/workspace-store.ts';

/** @returns the secret’s name, as a UUID */
export async function keepDatabaseUrl(
  { vault, ids }: { readonly vault: Vault; readonly ids: Ids },
  workspace: WorkspaceId,
  url: string,
): Promise<string> {
  const credential = ids.next('credential');
  await vault.put({ workspace, credential, version: 1 }, new TextEncoder().encode(url));
  return uuidOf(credential);
}

/** @throws InfraError when the vault does not have it */
export async function readDatabaseUrl(
  vault: Vault,
  workspace: WorkspaceId,
  secret: string,
): Promise<string> {
  const credential = idFromUuid('credential', secret);
  const bytes = await vault.get({ workspace, credential, version: 1 });
  if (bytes) return new TextDecoder().decode(bytes);
  throw new InfraError(`the vault lacks the address of the database of ${workspace}`, {
    retryable: false,
  });
}
