/** How far a log is verified, and what does not agree. */
import { INSTANCE_WORKSPACE, type WorkspaceId } from '@portarium/contracts/ids';
import * as v from 'valibot';
import type { Context } from './context.ts';
import type { LogFreeze } from './ports/log-store.ts';
import type { KeptFinding } from './ports/watch-store.ts';
import { type VerificationState, VerificationStateSchema } from './watch-log.ts';

/** `pending` before the first look. */
export type VerificationVerdict = 'pending' | 'verified' | 'failed';

export interface Verification {
  readonly state: VerificationVerdict;
  /** Entries in the log, and those that a checkpoint in the evidence store was found to sign. */
  readonly size: number;
  readonly verified: number;
  readonly progress: VerificationState;
  readonly frozen: LogFreeze | undefined;
  readonly findings: readonly KeptFinding[];
}

export function viewVerification(
  { store }: Pick<Context, 'store'>,
  workspace: WorkspaceId,
): Promise<Verification> {
  return store.read(workspace, async (tx) => {
    const progress = v.parse(VerificationStateSchema, (await tx.watchState('verification')) ?? {});
    const findings = await tx.watchFindings('verification');
    const state = findings.length > 0 ? 'failed' : progress.checkedAt ? 'verified' : 'pending';
    return {
      ...{ state, progress, findings },
      size: await tx.logSize(),
      verified: progress.verified,
      frozen: await tx.logFreeze(),
    };
  });
}

/** Workspaces in whose logs something was found; `_instance` is the log of the instance. */
export async function logsWithFindings({
  store,
  directory,
}: Pick<Context, 'store' | 'directory'>): Promise<readonly WorkspaceId[]> {
  const all = [INSTANCE_WORKSPACE, ...(await directory.listWorkspaces()).map(({ id }) => id)];
  const failed: WorkspaceId[] = [];
  for (const workspace of all) {
    const findings = await store.read(workspace, (tx) => tx.watchFindings('verification'));
    if (findings.length > 0) failed.push(workspace);
  }
  return failed;
}
