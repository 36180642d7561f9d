/**
 * What becomes of actions that entries tell more of than their rows know, after a log was recovered: nothing of them is
 * sent again. An end that the log tells is the row's end, too. What had not ended is cancelled, or, when a write of it was
 * intended, waits for a person.
 */
import { type Digest, DigestSchema } from '@portarium/contracts/digest';
import { type Entry, endsAction } from '@portarium/contracts/evidence-entry';
import type { ActionId, AttemptId, WorkspaceId } from '@portarium/contracts/ids';
import { type ActionState, isFinal, isSettled } from '@portarium/contracts/life-cycle';
import { stateOfStory } from '@portarium/contracts/state-of-story';
import * as v from 'valibot';
import { readStory } from './action-story.ts';
import { cancelLocked } from './cancel-action.ts';
import { type Context, SYSTEM_ACTOR } from './context.ts';
import { dryMark } from './dry-mark.ts';
import { endAction } from './end-attempt.ts';
import type { ApprovalState } from './ports/approval-store.ts';
import { timeText } from './ports/clock.ts';
import type { ActionRecord, AttemptError } from './ports/records.ts';
import type { WriteTransaction } from './ports/workspace-store.ts';
import { restoredActions } from './restored-actions.ts';
import { rowsFollow } from './rows-follow.ts';

const WHY = 'the database was restored from a backup that is older than its log';
const ERROR: AttemptError = { code: 'outcome.unknown', message: WHY };

/**
 * Under the lock of a log that is frozen still: its actions can not move.
 * @param from the first entry that the database had lost
 * @returns what to do in the transaction that thaws the log: ends that need an entry
 */
export async function settleRecovered(
  context: Context,
  workspace: WorkspaceId,
  from: number,
): Promise<(tx: WriteTransaction) => Promise<number>> {
  const open: ActionId[] = [];
  let settled = 0;
  for (const id of await restoredActions(context, workspace, from)) {
    const done = await context.sealerStore.submit(workspace, async (tx) => {
      const action = await tx.lockAction(id);
      // Without a row nobody can claim it.
      if (!action) return undefined;
      const entries = await readStory(tx, id);
      const state = stateOfStory(entries) ?? action.state;
      if (state === action.state && (await rowsFollow(tx, action, entries))) return undefined;
      await followStory(tx, action, state, entries);
      if (isFinal(state)) await tx.dropBodies(id);
      // Whatever waits for it looks at the row again.
      if (isSettled(state)) await tx.queueDispatch(id, context.ids.randomHex(16));
      return isSettled(state);
    });
    if (done === false) open.push(id);
    if (done) settled += 1;
  }
  return async (tx) => {
    const at = timeText(context.clock.nowMs());
    for (const id of open) {
      const action = await tx.lockAction(id);
      if (!action) continue;
      await endOpen(tx, action, await readStory(tx, id), at);
      await tx.queueDispatch(id, context.ids.randomHex(16));
    }
    return settled + open.length;
  };
}

/** Makes the rows of the action, its attempts and its approval what its entries say. */
async function followStory(
  tx: WriteTransaction,
  action: ActionRecord,
  state: ActionState,
  entries: readonly Entry[],
): Promise<void> {
  const last = entries.findLast(({ type, data }) => endsAction(type, data));
  const end = entries.findLast(({ type }) => type === `action.${state}`);
  const { outputDigest, error } = (end?.data ?? {}) as Partial<
    Pick<ActionRecord, 'outputDigest' | 'error'>
  >;
  const fences = entries
    .filter(({ type }) => type === 'attempt.started')
    .map(({ data }) => Number(data.fence));
  await tx.updateAction(action.id, {
    state,
    // Tickets of before the restore are void.
    fence: Math.max(action.fence, ...fences),
    ...(isFinal(state) && last ? { finishedAt: last.time } : {}),
    ...(outputDigest ? { outputDigest } : {}),
    ...(error ? { error } : {}),
  });
  await endAttempts(tx, action.id, entries);
  await moveApproval(tx, action.id, entries);
}

/** No attempt of before goes on, whatever its lease says. */
async function endAttempts(
  tx: WriteTransaction,
  id: ActionId,
  entries: readonly Entry[],
): Promise<void> {
  for (const attempt of await tx.listAttempts(id)) {
    if (attempt.verdict !== null) continue;
    const told = entries.find(
      ({ type, data }) => type === 'attempt.finished' && data.attempt === attempt.id,
    );
    const { verdict = 'lost', error } = (told?.data ?? {}) as {
      verdict?: 'succeeded' | 'failed' | 'lost';
      error?: AttemptError;
    };
    const at = told?.time ?? entries.at(-1)?.time ?? attempt.startedAt;
    await tx.finishAttempt(attempt.id, { verdict, at, ...(error ? { error } : {}) });
  }
}

const TOLD: { readonly [type: string]: ApprovalState } = {
  'approval.granted': 'granted',
  'approval.denied': 'denied',
  'approval.changes-requested': 'changes-requested',
  'approval.expired': 'expired',
  'approval.voided': 'voided',
};

/** So that nobody decides again about what was decided, and nothing runs again on what was used. */
async function moveApproval(
  tx: WriteTransaction,
  id: ActionId,
  entries: readonly Entry[],
): Promise<void> {
  const approval = await tx.approvalOf(id);
  if (!approval) return;
  const own = entries.filter(({ subject }) => subject.approval === approval.id);
  const digest = own.findLast(({ type }) => type.startsWith('approval.'))?.data.approvalDigest;
  if (isDigest(digest) && digest !== approval.digest) {
    // Somebody narrowed it. It ends below or has ended: nothing runs by its statement, which stays the older one.
    await tx.narrowApproval(approval.id, { digest, statement: approval.statement });
  }
  const grant = own.find(({ type }) => type === 'approval.granted');
  const used = entries.find(({ type }) => type === 'attempt.started');
  let { state } = approval;
  const move = async (to: ApprovalState, at: string) => {
    if (state !== to) await tx.moveApproval(approval.id, state, to, at);
    state = to;
  };
  if (grant && state === 'open') await move('granted', grant.time);
  if (grant && used && state === 'granted') await tx.consumeApproval(approval.id, used.time);
  const last = own.findLast(({ type }) => TOLD[type] !== undefined);
  if (last) await move(TOLD[last.type] ?? state, last.time);
}

/** An action that the log tells no end of: it does not go on from rows that are older than it. */
async function endOpen(
  tx: WriteTransaction,
  action: ActionRecord,
  entries: readonly Entry[],
  at: string,
): Promise<void> {
  const reason = { by: SYSTEM_ACTOR.id, rationale: WHY, voided: WHY };
  if (action.state !== 'running') return cancelLocked(tx, action, at, SYSTEM_ACTOR, reason);
  for (const attempt of unfinished(entries)) {
    // No journal: the rows of it are older than what the attempt did.
    tx.append({
      type: 'attempt.finished',
      actor: SYSTEM_ACTOR,
      subject: { action: action.id, attempt },
      data: { attempt, ...dryMark(action), verdict: 'lost', usage: {}, error: ERROR },
      trace: action.trace,
    });
  }
  const { by, rationale } = reason;
  const sent = entries.some(({ type }) => type === 'egress.intended');
  await endAction(tx, action, {
    ...{ at, by, rationale },
    ...(sent ? { state: 'outcome-unknown', error: ERROR } : { state: 'cancelled' }),
  });
}

function isDigest(value: unknown): value is Digest {
  return v.is(DigestSchema, value);
}

function unfinished(entries: readonly Entry[]): ReadonlySet<AttemptId> {
  const open = new Set<AttemptId>();
  for (const { type, data } of entries) {
    if (type === 'attempt.started') open.add(data.attempt as AttemptId);
    if (type === 'attempt.finished') open.delete(data.attempt as AttemptId);
  }
  return open;
}
