/** What a log signed last. */
import type { WorkspaceId } from '@portarium/contracts/ids';
import { LogFrozenError } from './ports/workspace-store.ts';
import { type SealContext, type SealOptions, sealLog } from './seal-log.ts';
import { newestStored } from './stored-log.ts';

export interface SignedCheckpoint {
  readonly size: number;
  /** The signed note. */
  readonly note: string;
  /** Why the database is not what was signed; undefined while it is. */
  readonly frozen: LogFrozenError | undefined;
}

/**
 * The newest checkpoint, over everything that is committed; undefined while the log is empty. Of a frozen log it
 * is the one in the evidence store: what the log said last, which the database contradicts.
 */
export async function signedCheckpoint(
  context: SealContext,
  workspace: WorkspaceId,
  options?: SealOptions,
): Promise<SignedCheckpoint | undefined> {
  try {
    const record = await sealLog(context, workspace, options);
    return record && { size: record.size, note: record.note, frozen: undefined };
  } catch (error) {
    if (!(error instanceof LogFrozenError)) throw error;
    const stored = await newestStored(context, workspace);
    if (!stored) throw error;
    return { size: stored.checkpoint.size, note: stored.note, frozen: error };
  }
}
