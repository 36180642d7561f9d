/**
 * Logs repeat the journal of migrations: that of the instance, and those of workspaces with tables of their own. It is the
 * Control Plane that tells, not whoever migrates: an older database that was restored is migrated anew, and its log must
 * be held against the evidence store before it takes an entry.
 */
import { getLogger } from '@logtape/logtape';
import { INSTANCE_WORKSPACE, type WorkspaceId } from '@portarium/contracts/ids';
import type { Context } from './context.ts';
import { InfraError, LogFrozenError } from './ports/workspace-store.ts';

const log = getLogger(['portarium', 'migrations']);

/** Once each, whatever is cut off. While the log takes no entry they wait for the next start. */
export async function tellMigrations(
  { store }: Pick<Context, 'store'>,
  workspace: WorkspaceId = INSTANCE_WORKSPACE,
): Promise<void> {
  try {
    if (!(await store.read(workspace, (tx) => tx.hasUntoldMigrations()))) return;
    await store.submit(workspace, async (tx) => {
      for (const migration of await tx.takeUntoldMigrations()) {
        tx.append({
          type: 'migration.applied',
          actor: { kind: 'system', id: 'migrate' },
          subject: {},
          data: { ...migration },
          trace: null,
        });
      }
    });
  } catch (error) {
    if (!(error instanceof LogFrozenError || error instanceof InfraError)) throw error;
    log.warn('migrations of {workspace} are not told yet: {reason}', {
      ...{ workspace, reason: String(error) },
    });
  }
}

/**
 * The same for workspaces with tables of their own. Never rejects: one that does not answer keeps the others from nothing.
 * @param untold whose logs may lack something
 */
export async function tellWorkspaceMigrations(
  context: Pick<Context, 'store' | 'stopping'>,
  untold: () => Promise<readonly WorkspaceId[]>,
): Promise<void> {
  const later = (workspace: string, error: unknown) =>
    log.warn('migrations of {workspace} are not told yet: {reason}', {
      ...{ workspace, reason: String(error) },
    });
  const workspaces = await untold().catch((error) => {
    later('workspaces', error);
    return [];
  });
  for (const workspace of workspaces) {
    if (context.stopping.aborted) return;
    await tellMigrations(context, workspace).catch((error) => later(workspace, error));
  }
}
