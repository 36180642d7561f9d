/**
 * The log of the instance repeats the journal of migrations. It is the Control Plane that tells, not whoever
 * migrates: an older database that was restored is migrated anew, and its log must be held against the
 * evidence store before it takes an entry.
 */
import { getLogger } from '@logtape/logtape';
import { INSTANCE_WORKSPACE } from '@portarium/contracts/ids';
import type { Context } from './context.ts';
import { InfraError, LogFrozenError } from './ports/workspace-store.ts';

const log = getLogger(['portarium', 'migrations']);

/** Once each, whatever is cut off. While the log takes no entry they wait for the next start. */
export async function tellMigrations({ store }: Pick<Context, 'store'>): Promise<void> {
  try {
    if (!(await store.read(INSTANCE_WORKSPACE, (tx) => tx.hasUntoldMigrations()))) return;
    await store.submit(INSTANCE_WORKSPACE, async (tx) => {
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
    log.warn('migrations are not told yet: {reason}', { reason: String(error) });
  }
}
