/**
 * A person says what came of an action: of one whose outcome is unknown after looking at the system, of
 * one that only a person may carry out after doing so.
 */
import type { ActionId, WorkspaceId } from '@portarium/contracts/ids';
import { assertTransition } from '@portarium/contracts/life-cycle';
import { PLATFORM_LIMITS } from '@portarium/contracts/limits';
import * as v from 'valibot';
import { readStory } from './action-story.ts';
import { RationaleSchema } from './cancel-action.ts';
import { afterLeaseMs } from './claim-attempt.ts';
import { actorOf, type Caller, type Context } from './context.ts';
import { deliverWake } from './deliver-wake.ts';
import { type Failure, failure, type Result, success } from './failure.ts';
import { timeText } from './ports/clock.ts';
import type { ActionRecord } from './ports/records.ts';
import type { WriteTransaction } from './ports/workspace-store.ts';
import { type Precondition, unmet } from './precondition.ts';
import { journalFollows } from './rows-follow.ts';
import { journalDigest, storeJournal } from './store-journal.ts';
import { submitAs } from './submit-as.ts';

export const ResolveActionSchema = v.strictObject({
  /** `dispatched`: it did not happen, send it again. */
  outcome: v.picklist(['succeeded', 'failed', 'dispatched']),
  rationale: RationaleSchema,
});
export type ResolveAction = v.InferOutput<typeof ResolveActionSchema>;

export async function resolveAction(
  context: Context,
  caller: Caller,
  workspace: WorkspaceId,
  id: ActionId,
  { outcome, rationale }: ResolveAction,
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
    const problem = await whyNot(tx, action, outcome, context.clock.nowMs());
    if (problem) return problem;
    assertTransition(action.state, outcome);
    const final = outcome !== 'dispatched';
    const at = timeText(context.clock.nowMs());
    await tx.updateAction(id, {
      state: outcome,
      ...(final ? { finishedAt: at } : {}),
      // What the attempt ended with stays with the attempt.
      ...(outcome === 'failed' ? {} : { error: null }),
    });
    if (!final) await tx.releaseRecords(id);
    const named = stored?.digest === (await journalDigest(await tx.listJournal(id)));
    if (final && named) await tx.dropBodies(id);
    tx.append({
      type: 'action.resolved',
      actor: actorOf(caller),
      subject: { action: id },
      data: { outcome, by: caller.key.owner, rationale },
      artifacts: final && named ? (stored?.artifacts ?? []) : [],
      trace: action.trace,
    });
    await tx.queueDispatch(id, wake);
    return success(null);
  });
  if (done.ok) deliverWake(context, workspace, id, wake);
  return done;
}

async function whyNot(
  tx: WriteTransaction,
  action: ActionRecord,
  outcome: ResolveAction['outcome'],
  nowMs: number,
): Promise<Failure | undefined> {
  const { id, state } = action;
  if (state !== 'outcome-unknown' && state !== 'waiting-manual') {
    return failure('conflict', `The action is ${state}; there is nothing to resolve.`);
  }
  if (outcome !== 'dispatched') return undefined;
  if (state === 'waiting-manual') {
    return failure('conflict', 'A person carries this action out; no sandbox ever does.');
  }
  if (!journalFollows(await tx.listJournal(id), await readStory(tx, id))) {
    const detail =
      'Calls that it made are lost from its journal, and would be made again; resolve it, and ask for a new action.';
    return failure('conflict', detail);
  }
  const attempts = await tx.listAttempts(id);
  if (attempts.length >= PLATFORM_LIMITS.attempts) {
    const detail = `All ${attempts.length} attempts are used up; resolve it, and ask for a new action.`;
    return failure('conflict', detail);
  }
  // A host whose attempt was cancelled under it may have leave to send for a while yet.
  const last = attempts.at(-1);
  const untilMs = Date.parse(last?.leaseUntil ?? '') + afterLeaseMs(action);
  if (last?.error?.code !== 'action.cancelled' || nowMs >= untilMs) return undefined;
  const retryAfterMs = untilMs - nowMs;
  const detail = `Its sandbox host may still be sending; look again in ${Math.ceil(retryAfterMs / 1000)} s.`;
  return failure('conflict', detail, { extensions: { retryAfterMs } });
}
