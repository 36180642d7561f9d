/** Somebody takes an action back. What an open write did is not known by that: then a person has to look. */
import type { Actor } from '@portarium/contracts/evidence-entry';
import type { ActionId, WorkspaceId } from '@portarium/contracts/ids';
import { ACTION_TRANSITIONS } from '@portarium/contracts/life-cycle';
import { PLATFORM_LIMITS } from '@portarium/contracts/limits';
import * as v from 'valibot';
import { actorOf, type Caller, type Context } from './context.ts';
import { deliverWake } from './deliver-wake.ts';
import { endAction, endAttempt } from './end-attempt.ts';
import { failure, type Result, success } from './failure.ts';
import { openWrite } from './merge-calls.ts';
import { timeText } from './ports/clock.ts';
import type { JournalRecord } from './ports/journal-store.ts';
import type { ActionRecord } from './ports/records.ts';
import type { ReadTransaction, WriteTransaction } from './ports/workspace-store.ts';
import { type Precondition, unmet } from './precondition.ts';
import { storeJournal } from './store-journal.ts';
import { submitAs } from './submit-as.ts';
import { voidApproval } from './void-approval.ts';

export const RationaleSchema = v.pipe(
  v.string(),
  v.maxLength(PLATFORM_LIMITS.rationaleCharacters),
  v.check((text) => text.trim() !== '', 'say why, in at least one word'),
);

export const CancelActionSchema = v.strictObject({ rationale: v.optional(RationaleSchema) });

interface Reason {
  readonly by: string;
  readonly rationale?: string;
  /** Why the approval is void; that the action was cancelled when left out. */
  readonly voided?: string;
}

export async function cancelAction(
  context: Context,
  caller: Caller,
  workspace: WorkspaceId,
  id: ActionId,
  { rationale }: v.InferOutput<typeof CancelActionSchema>,
  expected?: Precondition,
): Promise<Result<null>> {
  const wake = context.ids.randomHex(16);
  const before = await context.store.read(workspace, async (tx) => ({
    action: await tx.findAction(id),
    journal: await tx.listJournal(id),
  }));
  const stored = await storeJournal(context, workspace, before.action, before.journal);
  const done = await submitAs(context, caller, workspace, async (tx): Promise<Result<null>> => {
    const action = await tx.lockAction(id);
    if (!action) return failure('not-found', `The workspace has no action ${id}.`);
    const refused = unmet(expected, String((await tx.entryRange(id))?.to));
    if (refused) return refused;
    if (caller.key.role === 'agent' && !(await isOwn(tx, caller, action))) {
      return failure('auth.forbidden', 'An agent cancels what its own person’s keys asked for.');
    }
    if (!ACTION_TRANSITIONS[action.state].includes('cancelled')) {
      return failure(
        'conflict',
        `The action is ${action.state}; it can not be cancelled any more.`,
      );
    }
    const at = timeText(context.clock.nowMs());
    const reason = { by: caller.key.owner, ...(rationale === undefined ? {} : { rationale }) };
    const actor = actorOf(caller);
    if (action.state !== 'running') await cancelLocked(tx, action, at, actor, reason);
    else {
      const journal = await tx.listJournal(id);
      const open = (await tx.listAttempts(id)).find(({ verdict }) => verdict === null);
      if (open) {
        const error = { code: 'action.cancelled', message: `${caller.key.owner} cancelled it` };
        await endAttempt(tx, action, open, { verdict: 'lost', at, error }, { journal, stored });
      }
      await cancelRunning(tx, action, journal, at, actor, reason);
    }
    await tx.queueDispatch(id, wake);
    return success(null);
  });
  if (done.ok) deliverWake(context, workspace, id, wake);
  return done;
}

/** Whether a key of the caller’s person asked for it. */
export async function isOwn(
  tx: ReadTransaction,
  caller: Caller,
  { requestedBy }: ActionRecord,
): Promise<boolean> {
  return (await tx.findKeyPeople(requestedBy))?.owner === caller.key.owner;
}

/** Cancels an action that no host holds, and voids what was asked of people. */
export async function cancelLocked(
  tx: WriteTransaction,
  action: ActionRecord,
  at: string,
  actor: Actor,
  reason: Reason,
): Promise<void> {
  const approval = await tx.approvalOf(action.id);
  const { voided = 'the action was cancelled', ...said } = reason;
  if (approval) await voidApproval(tx, action, approval, at, voided);
  await endAction(tx, action, { state: 'cancelled', at, actor, ...said });
}

async function cancelRunning(
  tx: WriteTransaction,
  action: ActionRecord,
  journal: readonly JournalRecord[],
  at: string,
  actor: Actor,
  reason: Reason,
): Promise<void> {
  const open = openWrite(journal);
  if (!open) return endAction(tx, action, { state: 'cancelled', at, actor, ...reason });
  const { call, method, host } = open.record;
  const message = `cancelled while call ${call} (${method} ${host}) was not answered`;
  await endAction(tx, action, {
    state: 'outcome-unknown',
    at,
    actor,
    error: { code: 'outcome.unknown', message },
    ...reason,
  });
}
