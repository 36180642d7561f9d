/** Units of a caller: a request's body may take its time, and its key may be revoked meanwhile. */
import type { WorkspaceId } from '@portarium/contracts/ids';
import type { Caller, Context } from './context.ts';
import { failure, type Result } from './failure.ts';
import { timeText } from './ports/clock.ts';
import type { WriteTransaction } from './ports/workspace-store.ts';

export type Unit<T> = (tx: WriteTransaction) => Promise<Result<T>>;

/** Commits `unit`, unless the caller's key is not live by then: then nothing is changed. */
export function submitAs<T>(
  context: Pick<Context, 'store' | 'clock'>,
  caller: Caller,
  workspace: WorkspaceId,
  unit: Unit<T>,
): Promise<Result<T>> {
  return context.store.submit(workspace, async (tx) => {
    const live = await tx.isKeyLive(caller.key.id, timeText(context.clock.nowMs()));
    if (!live) return failure('auth.invalid', 'The API key is unknown, expired or revoked.');
    return unit(tx);
  });
}
