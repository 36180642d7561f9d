/**
 * A person decides about exactly what would run. One transaction under the action's lock: so one
 * decision wins a race, and nothing is granted that is no longer what was shown.
 */
import { DigestSchema } from '@portarium/contracts/digest';
import type { EntryType } from '@portarium/contracts/evidence-entry';
import { NarrowingRulesSchema } from '@portarium/contracts/grantable-rules';
import type { ApprovalId, WorkspaceId } from '@portarium/contracts/ids';
import { type ActionState, assertTransition } from '@portarium/contracts/life-cycle';
import * as v from 'valibot';
import { quorumReached } from '../domain/approval-rules.ts';
import { currentDigest } from './approval-statement.ts';
import { cancelLocked, RationaleSchema } from './cancel-action.ts';
import { actorOf, type Caller, type Context, SYSTEM_ACTOR } from './context.ts';
import { deliverWake } from './deliver-wake.ts';
import { excludedPeople } from './excluded-people.ts';
import { type Failure, failure, type Result, success } from './failure.ts';
import { type Narrowing, planNarrowing } from './narrow-action.ts';
import { type ApprovalRecord, type ApprovalState, DECISIONS } from './ports/approval-store.ts';
import { timeText } from './ports/clock.ts';
import type { ActionRecord } from './ports/records.ts';
import type { ReadTransaction, WriteTransaction } from './ports/workspace-store.ts';
import { entryOf } from './read-entries.ts';
import { submitAs } from './submit-as.ts';
import { expireApproval, isOverdue } from './void-approval.ts';

export const DecideApprovalSchema = v.pipe(
  v.strictObject({
    decision: v.picklist(DECISIONS),
    rationale: RationaleSchema,
    /** Of what was shown; the decision is about nothing else. */
    digest: DigestSchema,
    /** With `approve`: the action may only make calls that match one of these rules as well. */
    egress: v.optional(NarrowingRulesSchema),
  }),
  v.forward(
    v.partialCheck(
      [['decision'], ['egress']],
      ({ decision, egress }) => egress === undefined || decision === 'approve',
      'only an approval can narrow what an action may reach',
    ),
    ['egress'],
  ),
);
export type DecideApproval = v.InferOutput<typeof DecideApprovalSchema>;

export async function decideApproval(
  context: Context,
  caller: Caller,
  workspace: WorkspaceId,
  id: ApprovalId,
  wanted: DecideApproval,
): Promise<Result<null>> {
  const wake = context.ids.randomHex(16);
  const found = await context.store.read(workspace, (tx) => tx.findApproval(id));
  if (!found) return failure('not-found', `The workspace has no approval ${id}.`);
  const planned = await narrowingOf(context, caller, workspace, found, wanted);
  if (!planned.ok) return planned;
  let moved = false;
  const done = await submitAs(context, caller, workspace, async (tx): Promise<Result<null>> => {
    moved = false;
    const action = await tx.lockAction(found.action);
    const approval = await tx.findApproval(id);
    if (!action || !approval) throw new Error(`approval ${id} lost its action`);
    const refused =
      (await mayNotDecide(tx, caller, action, approval)) ?? (await decidedByLog(tx, action));
    if (refused) return refused;
    if (wanted.digest !== approval.digest) {
      return failure('approval.stale', staleDetail(action, approval));
    }
    const at = timeText(context.clock.nowMs());
    const ended = await endedMeanwhile(context, tx, workspace, action, approval, at);
    if (ended) moved = true;
    else {
      const decided = await decide(tx, caller, { action, approval }, wanted, planned.value, at);
      if (!decided.ok) return decided;
      moved = decided.value;
    }
    if (moved) await tx.queueDispatch(action.id, wake);
    return ended ?? success(null);
  });
  if (moved) deliverWake(context, workspace, found.action, wake);
  return done;
}

/** What can be the newest entry of an action that waits for people. */
const WAITING: ReadonlySet<EntryType> = new Set<EntryType>([
  'action.requested',
  'policy.decided',
  'approval.requested',
  'approval.endorsed',
]);

/** An open approval of which the log tells more is a row that is older than the log. */
async function decidedByLog(
  tx: ReadTransaction,
  { id }: ActionRecord,
): Promise<Failure | undefined> {
  const last = await tx.lastEntry(id);
  const type = last && entryOf(last.bytes).type;
  if (type === undefined || WAITING.has(type)) return undefined;
  return failure(
    'conflict',
    `The newest entry of ${id} is ${type}: the database is older than its log. Cancel the action, and ask for a new one.`,
  );
}

function staleDetail({ contract }: ActionRecord, { digest }: ApprovalRecord): string {
  const why =
    contract.approval.length > 0
      ? 'Somebody who approved it narrowed what it may reach; look at it again. '
      : '';
  return `${why}The decision names another digest than ${digest}.`;
}

/** What the decision narrows; its artifacts are durable before the transaction that names them. */
async function narrowingOf(
  context: Context,
  caller: Caller,
  workspace: WorkspaceId,
  { id, action: asked }: ApprovalRecord,
  { egress, digest }: DecideApproval,
): Promise<Result<Narrowing | undefined>> {
  if (egress === undefined) return success(undefined);
  const found = await context.store.read(workspace, async (tx) => {
    const action = await tx.findAction(asked);
    const approval = await tx.findApproval(id);
    if (!action || !approval) throw new Error(`approval ${id} lost its action`);
    const plugin = await tx.findPlugin(action.plugin, action.version);
    const refused = await mayNotDecide(tx, caller, action, approval);
    return { action, approval, plugin, refused };
  });
  const { action, approval, plugin, refused } = found;
  if (refused) return refused;
  if (digest !== approval.digest) return failure('approval.stale', staleDetail(action, approval));
  if (!plugin) throw new Error(`action ${action.id} lost its plugin`);
  return planNarrowing(context, workspace, { action, approval, plugin }, egress);
}

/** Why this caller may not decide about the approval, whatever the decision is. */
export async function mayNotDecide(
  tx: ReadTransaction,
  caller: Caller,
  action: ActionRecord,
  approval: ApprovalRecord,
): Promise<Failure | undefined> {
  if (!approval.roles.includes(caller.key.role)) {
    return failure('auth.forbidden', `This approval asks for ${approval.roles.join(' or ')}.`);
  }
  const plugin = await tx.findPlugin(action.plugin, action.version);
  const grant = await tx.findEgressGrant(action.plugin);
  // Whoever had the same rule taken out and granted it anew since then is its author now.
  const now = await excludedPeople(tx, action.requestedBy, plugin, grant);
  if (approval.excluded.includes(caller.key.owner) || now.includes(caller.key.owner)) {
    return failure(
      'approval.excluded',
      `${caller.key.owner} asked for the action, or made the key, the plugin version or the grant.`,
    );
  }
  if (approval.state !== 'open') {
    return failure('approval.closed', `The approval is ${approval.state}.`);
  }
  return undefined;
}

/** Ends an approval that is out of time, or about something that would not run any more. */
async function endedMeanwhile(
  context: Context,
  tx: WriteTransaction,
  workspace: WorkspaceId,
  action: ActionRecord,
  approval: ApprovalRecord,
  at: string,
): Promise<Failure | undefined> {
  if (isOverdue(approval, context.clock.nowMs())) {
    await expireApproval(tx, action, approval, at);
    return failure('approval.closed', `Nobody decided before ${approval.decideBefore}.`);
  }
  const digest = await currentDigest(tx, workspace, action, approval.executeBefore);
  if (digest === approval.digest) return undefined;
  const voided = 'what would run is no longer what was asked for';
  const reason = { by: SYSTEM_ACTOR.id, rationale: voided, voided };
  await cancelLocked(tx, action, at, SYSTEM_ACTOR, reason);
  return failure(
    'approval.stale',
    'The plugin, its grant, a credential or the policy changed; the approval is void.',
  );
}

interface Step {
  readonly approval: ApprovalState;
  readonly action: ActionState;
  readonly entry: EntryType;
}

const STEPS: { readonly [D in DecideApproval['decision']]: Step } = {
  approve: { approval: 'granted', action: 'dispatched', entry: 'approval.granted' },
  deny: { approval: 'denied', action: 'denied', entry: 'approval.denied' },
  'request-changes': {
    approval: 'changes-requested',
    action: 'changes-requested',
    entry: 'approval.changes-requested',
  },
};

/** @returns whether the approval came to its end */
async function decide(
  tx: WriteTransaction,
  caller: Caller,
  asked: { readonly action: ActionRecord; readonly approval: ApprovalRecord },
  { decision, rationale }: DecideApproval,
  narrowing: Narrowing | undefined,
  at: string,
): Promise<Result<boolean>> {
  const { action } = asked;
  const approval = narrowing ? await narrow(tx, asked, narrowing) : asked.approval;
  const person = caller.key.owner;
  const { digest } = approval;
  const record = { person, key: caller.key.id, decision, digest, rationale, at };
  if (!(await tx.insertDecision(approval.id, record))) {
    return failure('conflict', `${person} has decided about this already.`);
  }
  const step = STEPS[decision];
  const decisions = await tx.listDecisions(approval.id);
  const closes = decision !== 'approve' || quorumReached(approval, decisions);
  tx.append({
    type: closes ? step.entry : 'approval.endorsed',
    actor: actorOf(caller),
    subject: { action: action.id, approval: approval.id },
    data: {
      approvalDigest: digest,
      quorum: approval.quorum,
      by: person,
      rationale,
      ...(narrowing && {
        narrows: narrowing.narrows,
        contractDigest: narrowing.action.contractDigest,
        orderDigest: narrowing.action.orderDigest,
        egress: narrowing.action.contract.approval.map((rule) => rule.id),
      }),
    },
    ...(narrowing && { artifacts: narrowing.artifacts }),
    trace: action.trace,
    notAfter: approval.decideBefore,
  });
  if (!closes) return success(false);
  if (!(await tx.moveApproval(approval.id, 'open', step.approval, at))) {
    throw new Error(`approval ${approval.id} changed under the lock of its action`);
  }
  assertTransition(action.state, step.action);
  await tx.updateAction(action.id, {
    state: step.action,
    ...(step.action === 'dispatched' ? {} : { finishedAt: at }),
  });
  return success(true);
}

/** Under the action's lock, where the approval still is what the narrowing was made from. */
async function narrow(
  tx: WriteTransaction,
  { action, approval }: { readonly action: ActionRecord; readonly approval: ApprovalRecord },
  { digest, statement, action: narrowed }: Narrowing,
): Promise<ApprovalRecord> {
  if (!(await tx.narrowApproval(approval.id, { digest, statement }))) {
    throw new Error(`approval ${approval.id} changed under the lock of its action`);
  }
  await tx.narrowAction(action.id, narrowed);
  return { ...approval, digest, statement };
}
