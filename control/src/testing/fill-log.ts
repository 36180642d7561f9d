/** Entries of a log for tests, many at a time. */
import type { WorkspaceId } from '@portarium/contracts/ids';
import { type Context, SYSTEM_ACTOR } from '../application/context.ts';

/** Entries of one transaction. */
const AT_ONCE = 200;

/** Appends `count` entries that nothing depends on. */
export async function fillLog(
  { store }: Pick<Context, 'store'>,
  workspace: WorkspaceId,
  count: number,
  note = 'filled',
): Promise<void> {
  for (let left = count; left > 0; left -= AT_ONCE) {
    await store.submit(workspace, async (tx) => {
      for (let i = 0; i < Math.min(AT_ONCE, left); i++) {
        tx.append({
          type: 'key.created',
          actor: SYSTEM_ACTOR,
          subject: {},
          data: { note, i: left - i },
          trace: null,
        });
      }
    });
  }
}
