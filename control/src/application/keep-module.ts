/**
 * The module of an action is kept from each request that names it on, not only from its upload on, and under the
 * class of the action. The store is not asked at each request.
 */
import type { Digest } from '@portarium/contracts/digest';
import type { Artifact } from '@portarium/contracts/evidence-entry';
import type { WorkspaceId } from '@portarium/contracts/ids';
import type { RetentionClass } from '@portarium/contracts/retention-class';
import { keepArtifact } from './keep-artifact.ts';
import type { Clock } from './ports/clock.ts';
import type { ObjectStore } from './ports/object-store.ts';
import { InfraError } from './ports/workspace-store.ts';

/** @throws InfraError when the store does not have it, or does not keep it */
export type KeepModule = (
  workspace: WorkspaceId,
  digest: Digest,
  retention: RetentionClass,
) => Promise<Artifact>;

/** For so long a request adds nothing to what the store keeps: less than a hundredth of the shortest class. */
const AGAIN_MS = 6 * 60 * 60 * 1_000;
/** Modules that are remembered; one that is not is read and kept once more. */
const MOST = 10_000;

export function createModuleKeeper(context: {
  readonly objects: ObjectStore;
  readonly clock: Clock;
}): KeepModule {
  const kept = new Map<string, { readonly untilMs: number; readonly module: Promise<Artifact> }>();

  async function keep(workspace: WorkspaceId, digest: Digest, retention: RetentionClass) {
    const bytes = await context.objects.get(workspace, digest);
    if (!bytes) {
      throw new InfraError(`the evidence store lacks the module ${digest}`, { retryable: false });
    }
    return keepArtifact(context, workspace, bytes, { mediaType: 'application/wasm', retention });
  }

  return (workspace, digest, retention) => {
    const key = `${workspace}/${digest}/${retention}`;
    const now = context.clock.nowMs();
    const known = kept.get(key);
    if (known && now < known.untilMs) return known.module;
    const module = keep(workspace, digest, retention);
    kept.delete(key);
    kept.set(key, { untilMs: now + AGAIN_MS, module });
    module.catch(() => kept.delete(key));
    const [oldest] = kept.keys();
    if (kept.size > MOST && oldest !== undefined) kept.delete(oldest);
    return module;
  };
}
