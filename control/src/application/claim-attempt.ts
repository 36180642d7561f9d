/**
 * A sandbox host claims an action. One transaction re-checks what may have changed, ends an attempt
 * whose lease lapsed, raises the fence, and hands out the order. Orders come from here, never from Temporal.
 */
import { type ActionOrder, ActionOrderSchema } from '@portarium/contracts/action-order';
import { toBase64 } from '@portarium/contracts/base64';
import { digestOf } from '@portarium/contracts/digest';
import type { ClaimRequest, WorkOrder } from '@portarium/contracts/internal-api';
import { type ActionState, isSettled } from '@portarium/contracts/life-cycle';
import { PLATFORM_LIMITS } from '@portarium/contracts/limits';
import { exampleAnswers } from '@portarium/contracts/manifest';
import { encodeInput } from '@portarium/contracts/operation-value';
import { leadsTo } from '@portarium/contracts/verify-life-cycle';
import * as v from 'valibot';
import { makeOrder } from './action-order.ts';
import { contractDigest, currentDigest } from './approval-statement.ts';
import { actorOf, type Caller, type Context } from './context.ts';
import { endAttempt, failAction } from './end-attempt.ts';
import { failure, type Result, success } from './failure.ts';
import { maySendAgain, openWrite } from './merge-calls.ts';
import type { ApprovalRecord } from './ports/approval-store.ts';
import { timeText } from './ports/clock.ts';
import type { JournalRecord } from './ports/journal-store.ts';
import type { ActionRecord, AttemptRecord, PluginRecord } from './ports/records.ts';
import type { WriteTransaction } from './ports/workspace-store.ts';
import { entryOf } from './read-entries.ts';
import { type StoredJournal, storeJournal } from './store-journal.ts';
import { expireApproval, isOverdue, voidApproval, voidUnused } from './void-approval.ts';

export type Claim =
  | { readonly status: 'run'; readonly order: WorkOrder }
  | { readonly status: 'finished'; readonly state: string };

type Taken =
  | {
      readonly status: 'run';
      readonly action: ActionRecord;
      readonly attempt: AttemptRecord;
      readonly plugin: PluginRecord;
      readonly journal: readonly JournalRecord[];
    }
  | { readonly status: 'finished'; readonly state: string };

export async function claimAttempt(
  context: Context,
  caller: Caller,
  request: ClaimRequest,
): Promise<Result<Claim>> {
  const stored = await storeOfLost(context, request);
  const taken = await context.store.submit(request.workspace, (tx) =>
    take(context, caller, tx, request, stored),
  );
  if (!taken.ok) return taken;
  if (taken.value.status === 'finished') return success(taken.value);
  const order = await orderOf(context, caller, request, taken.value);
  return success({ status: 'run', order });
}

/** The journal of an attempt that this claim may find lost, stored before the entry that names it. */
async function storeOfLost(
  context: Context,
  { workspace, action: id }: ClaimRequest,
): Promise<StoredJournal | undefined> {
  const lost = await context.store.read(workspace, async (tx) => {
    const last = (await tx.listAttempts(id)).at(-1);
    if (!last || last.verdict !== null) return undefined;
    if (Date.parse(last.leaseUntil) > context.clock.nowMs()) return undefined;
    return { action: await tx.findAction(id), journal: await tx.listJournal(id) };
  });
  return lost && storeJournal(context, workspace, lost.action, lost.journal);
}

async function take(
  context: Context,
  caller: Caller,
  tx: WriteTransaction,
  request: ClaimRequest,
  stored: StoredJournal | undefined,
): Promise<Result<Taken>> {
  const action = await tx.lockAction(request.action);
  if (!action) return failure('not-found', `The workspace has no action ${request.action}.`);
  if (action.state !== 'dispatched' && action.state !== 'running') {
    return success({ status: 'finished', state: action.state });
  }
  const ended = await endedByLog(tx, action);
  if (ended) return success({ status: 'finished', state: ended });
  const nowMs = context.clock.nowMs();
  const at = timeText(nowMs);
  const attempts = await tx.listAttempts(action.id);
  const journal = await tx.listJournal(action.id);
  const open = openWrite(journal);
  const last = attempts.at(-1);
  if (last && last.verdict === null) {
    const leftMs = Date.parse(last.leaseUntil) + (open ? afterLeaseMs(action) : 0) - nowMs;
    if (leftMs > 0) {
      return failure(
        'attempt.busy',
        `Attempt ${last.id} holds its lease for another ${leftMs} ms.`,
        { extensions: { retryAfterMs: leftMs } },
      );
    }
    const error = { code: 'host.lost', message: `the lease of ${last.host} lapsed` };
    await endAttempt(tx, action, last, { verdict: 'lost', at, error }, { journal, stored });
  }
  const fail = async (code: string, message: string): Promise<Result<Taken>> => {
    await voidUnused(tx, action, at, message);
    const state = await failAction(tx, action, journal, { at, error: { code, message } });
    return success({ status: 'finished', state });
  };
  if (open && !maySendAgain(open, at)) {
    return fail('outcome.unknown', `call ${open.record.call} was sent and never answered`);
  }
  if (attempts.length >= PLATFORM_LIMITS.attempts) {
    return fail('attempts.exhausted', `${attempts.length} attempts were lost`);
  }
  const plugin = await tx.findPlugin(action.plugin, action.version);
  if (plugin?.state !== 'active') {
    return fail('plugin.quarantined', `${action.plugin}@${action.version} is quarantined`);
  }
  const approval = await useApproval(context, tx, request, action, journal);
  if (typeof approval === 'string') return success({ status: 'finished', state: approval });
  const altered = await alteration(request, action, plugin);
  if (altered !== undefined) return fail('order.altered', altered);
  const notAfter = attempts.length === 0 ? approval?.executeBefore : undefined;
  const attempt = await startAttempt(context, caller, tx, request, action, notAfter);
  return success({ status: 'run', action, attempt, plugin, journal });
}

/** The state of an action whose row goes on, and whose newest entry says that nothing follows: the row is older. */
async function endedByLog(
  tx: WriteTransaction,
  { id, dryRun }: ActionRecord,
): Promise<ActionState | undefined> {
  const last = await tx.lastEntry(id);
  if (!last) return undefined;
  const state = leadsTo(entryOf(last.bytes), dryRun);
  return state && isSettled(state) ? state : undefined;
}

/** How long after its lease a host could still be busy with a write that it was let send. */
export function afterLeaseMs(action: ActionRecord): number {
  return requestTimeoutMs(action) + PLATFORM_LIMITS.takeoverSlackMs;
}

/** From the first byte of an egress call to its last. */
export function requestTimeoutMs({ limits }: Pick<ActionRecord, 'limits'>): number {
  return Math.min(PLATFORM_LIMITS.egressTimeoutMs, limits.wallMs);
}

/**
 * An action that people had to approve runs only as what they approved, and on one approval only once.
 * @returns the state in which that ends the action, or the approval that lets it run
 */
async function useApproval(
  context: Context,
  tx: WriteTransaction,
  request: ClaimRequest,
  action: ActionRecord,
  journal: readonly JournalRecord[],
): Promise<string | ApprovalRecord | undefined> {
  if (action.tier !== 'human-approve' || action.dryRun) return undefined;
  const nowMs = context.clock.nowMs();
  const at = timeText(nowMs);
  const approval = await tx.approvalOf(action.id);
  if (approval && action.state === 'dispatched' && isOverdue(approval, nowMs)) {
    await expireApproval(tx, action, approval, at);
    return 'expired';
  }
  const refuse = async (reason: string): Promise<string> => {
    if (approval) await voidApproval(tx, action, approval, at, reason);
    const error = { code: 'approval.void', message: reason };
    return failAction(tx, action, journal, { at, error });
  };
  if (approval?.state !== 'granted') return refuse('no approval of this action is granted');
  const digest = await currentDigest(tx, request.workspace, action, approval.executeBefore);
  if (digest !== approval.digest) return refuse('what would run is no longer what was approved');
  const first = action.state === 'dispatched' && approval.consumedAt === null;
  if (first && !(await tx.consumeApproval(approval.id, at))) {
    throw new Error(`approval ${approval.id} was used under the lock of its action`);
  }
  if (!first && approval.consumedAt === null) return refuse('the action runs without its approval');
  return approval;
}

/** How the action's row is not what its order was made from, if so. */
async function alteration(
  { workspace }: ClaimRequest,
  action: ActionRecord,
  plugin: PluginRecord,
): Promise<string | undefined> {
  if ((await contractDigest(action.contract)) !== action.contractDigest) {
    return 'the stored contract is not the one that was requested';
  }
  const operation = plugin.manifest.operations.find(({ name }) => name === action.operation);
  if (!operation || plugin.digest !== action.pluginDigest) {
    return 'the stored plugin is not the one that was requested';
  }
  const { order, bytes } = makeOrder(workspace, action, plugin, operation);
  const same = action.orderDigest === null || (await digestOf(bytes)) === action.orderDigest;
  return same && order.operation.effect === action.effect
    ? undefined
    : 'the stored action is not the one that was requested';
}

async function startAttempt(
  context: Context,
  caller: Caller,
  tx: WriteTransaction,
  request: ClaimRequest,
  action: ActionRecord,
  notAfter: string | undefined,
): Promise<AttemptRecord> {
  const nowMs = context.clock.nowMs();
  const attempt: AttemptRecord = {
    id: context.ids.next('attempt'),
    action: action.id,
    fence: action.fence + 1,
    host: caller.key.name,
    isolation: request.isolation,
    engine: request.engine,
    leaseUntil: timeText(nowMs + PLATFORM_LIMITS.leaseMs),
    startedAt: timeText(nowMs),
    finishedAt: null,
    verdict: null,
    error: null,
    usage: null,
  };
  await tx.insertAttempt(attempt);
  await tx.updateAction(action.id, { state: 'running', fence: attempt.fence });
  tx.append({
    type: 'attempt.started',
    actor: actorOf(caller),
    subject: { action: action.id, attempt: attempt.id, plugin: action.pluginDigest },
    data: {
      attempt: attempt.id,
      host: attempt.host,
      isolation: attempt.isolation,
      engine: attempt.engine,
      fence: attempt.fence,
    },
    trace: action.trace,
    ...(notAfter === undefined ? {} : { notAfter }),
  });
  return attempt;
}

async function orderOf(
  context: Context,
  caller: Caller,
  request: ClaimRequest,
  { action, attempt, plugin, journal }: Extract<Taken, { status: 'run' }>,
): Promise<WorkOrder> {
  const input = await context.objects.get(request.workspace, action.inputDigest);
  const fixed = await fixedOrder(context, request, action, plugin);
  if (!input) throw new Error(`action ${action.id} lost its input`);
  const ticket = await context.tickets.issue({
    v: 1,
    iss: context.signer.origin(request.workspace),
    aud: caller.key.name,
    workspace: request.workspace,
    action: action.id,
    attempt: attempt.id,
    fence: attempt.fence,
    plugin: action.pluginDigest,
    inputDigest: action.inputDigest,
    contractDigest: action.contractDigest,
    limits: action.limits,
    seed: action.seed,
    startTime: action.createdAt,
    // The lease decides; the ticket only has to outlive the longest attempt and its last report.
    exp: Math.ceil((Date.parse(attempt.startedAt) + action.limits.wallMs) / 1000) + 300,
  });
  return {
    ticket,
    attempt: attempt.id,
    fence: attempt.fence,
    leaseMs: PLATFORM_LIMITS.leaseMs,
    heartbeatMs: PLATFORM_LIMITS.heartbeatMs,
    plugin: { name: plugin.name, version: plugin.version, digest: plugin.digest },
    moduleDigest: fixed.moduleDigest,
    operation: fixed.operation,
    input: toBase64(input),
    config: fixed.config,
    seed: fixed.seed,
    startTime: fixed.startTime,
    ...(action.trace === null ? {} : { trace: action.trace }),
    journal: journal.map(({ record }) => record),
    contract: fixed.contract,
    limits: fixed.limits,
    ...(plugin.manifest.isolation === undefined ? {} : { isolation: plugin.manifest.isolation }),
    ...(action.dryRun ? { dryRun: dryRunOf(action, plugin, input) } : {}),
  };
}

/** What the writes of a dry run are answered with, and which credentials would go with them. */
function dryRunOf(
  { operation: name, credentials }: ActionRecord,
  { manifest }: PluginRecord,
  input: Uint8Array,
): NonNullable<WorkOrder['dryRun']> {
  const operation = manifest.operations.find((one) => one.name === name);
  if (!operation) throw new Error(`the plugin lost its operation ${name}`);
  const isInput = (example: unknown) => {
    const encoded = encodeInput(operation, example);
    return 'bytes' in encoded && Buffer.from(encoded.bytes).equals(input);
  };
  return {
    answers: [...exampleAnswers(operation, isInput)],
    credentials: credentials.map(({ slot, id }) => ({ slot, id })),
  };
}

/** The order that was fixed at the request, from the bytes that the evidence names. */
async function fixedOrder(
  context: Context,
  { workspace }: ClaimRequest,
  action: ActionRecord,
  plugin: PluginRecord,
): Promise<ActionOrder> {
  if (action.orderDigest === null) {
    // Requested before orders were kept: it is made from the same rows.
    const operation = plugin.manifest.operations.find(({ name }) => name === action.operation);
    if (!operation) throw new Error(`action ${action.id} lost its operation`);
    return makeOrder(workspace, action, plugin, operation).order;
  }
  const bytes = await context.objects.get(workspace, action.orderDigest);
  if (!bytes) throw new Error(`action ${action.id} lost its order`);
  return v.parse(ActionOrderSchema, JSON.parse(new TextDecoder().decode(bytes)));
}
