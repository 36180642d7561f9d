/** Writes what an entry is about to name: durable before it is named, under the class that it is named with. */
import type { Artifact } from '@portarium/contracts/evidence-entry';
import type { WorkspaceId } from '@portarium/contracts/ids';
import type { RetentionClass } from '@portarium/contracts/retention-class';
import type { ObjectStore } from './ports/object-store.ts';

/** @throws InfraError when the store does not keep it */
export async function keepArtifact(
  { objects }: { readonly objects: Pick<ObjectStore, 'put'> },
  workspace: WorkspaceId,
  bytes: Uint8Array,
  named: { readonly mediaType: string; readonly retention: RetentionClass },
): Promise<Artifact> {
  const { mediaType, retention } = named;
  const digest = await objects.put(workspace, bytes, retention);
  return { digest, bytes: bytes.length, mediaType, retention };
}
