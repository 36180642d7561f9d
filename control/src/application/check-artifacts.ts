/** Reads artifacts again that the log names: each is there, and its bytes are those of its digest. */
import { toHex } from '@portarium/contracts/digest';
import type { WorkspaceId } from '@portarium/contracts/ids';
import { WATCH_LIMITS } from '@portarium/contracts/limits';
import type { Context } from './context.ts';
import { isDisposed } from './is-disposed.ts';
import type { NamedArtifact, WatchFinding } from './ports/watch-store.ts';
import { InfraError, type ReadTransaction } from './ports/workspace-store.ts';

type ArtifactContext = Pick<Context, 'sealerStore' | 'objects'>;

/**
 * Has the catalogue read what the log has gained.
 * @returns false when an entry can not be read: verification says which, and what is behind it is not known
 */
export async function catchUp(
  { catalogue }: Pick<Context, 'catalogue'>,
  workspace: WorkspaceId,
): Promise<boolean> {
  try {
    await catalogue.catchUp(workspace);
    return true;
  } catch (error) {
    if (error instanceof InfraError && error.retryable) throw error;
    return false;
  }
}

/** Artifacts from a place in the order of digests that nobody foresees; all of them where there are few. */
export async function drawArtifacts(
  tx: ReadTransaction,
  limit: number = WATCH_LIMITS.artifactsPerDay,
): Promise<readonly NamedArtifact[]> {
  const start = `sha256:${toHex(crypto.getRandomValues(new Uint8Array(32)))}`;
  const drawn = await tx.namedArtifacts(start, limit);
  if (drawn.length === limit) return drawn;
  const first = await tx.namedArtifacts('', limit - drawn.length);
  return [...drawn, ...first.filter(({ digest }) => digest <= start)];
}

/** @throws InfraError when the store is away: that says nothing about an artifact */
export async function checkArtifacts(
  context: ArtifactContext,
  workspace: WorkspaceId,
  artifacts: readonly NamedArtifact[],
): Promise<readonly WatchFinding[]> {
  const findings: WatchFinding[] = [];
  for (const artifact of artifacts) {
    const finding = await checkArtifact(context, workspace, artifact);
    if (finding) findings.push(finding);
  }
  return findings;
}

async function checkArtifact(
  { sealerStore, objects }: ArtifactContext,
  workspace: WorkspaceId,
  { digest, seq }: NamedArtifact,
): Promise<WatchFinding | undefined> {
  try {
    if (await objects.get(workspace, digest)) return undefined;
  } catch (error) {
    if (!(error instanceof InfraError) || error.retryable) throw error;
    return { rule: 'artifact.digest', subject: digest, seq, message: error.message };
  }
  if (await sealerStore.read(workspace, (tx) => isDisposed(tx, digest, seq))) return undefined;
  const message = `names ${digest}, which is not in the evidence store`;
  return { rule: 'artifact.missing', subject: digest, seq, message };
}
