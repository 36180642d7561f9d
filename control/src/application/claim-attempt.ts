/**
 * A sandbox host claims an action. One transaction re-checks what may have changed, ends an attempt
 * whose lease lapsed, raises the fence, and hands out the order. Orders come from here, never from Temporal.
 */
import { toBase64 } from '@portarium/contracts/base64';
import type { ClaimRequest, WorkOrder } from '@portarium/contracts/internal-api';
import { PLATFORM_LIMITS } from '@portarium/contracts/limits';
import { actorOf, type Caller, type Context } from './context.ts';
import { endAction, endAttempt } from './end-attempt.ts';
import { failure, type Result, success } from './failure.ts';
import { timeText } from './ports/clock.ts';
import type { ActionRecord, AttemptRecord, PluginRecord } from './ports/records.ts';
import type { WriteTransaction } from './ports/workspace-store.ts';

export type Claim =
  | { readonly status: 'run'; readonly order: WorkOrder }
  | { readonly status: 'finished'; readonly state: string };

type Taken =
  | {
      readonly status: 'run';
      readonly action: ActionRecord;
      readonly attempt: AttemptRecord;
      readonly plugin: PluginRecord;
    }
  | { readonly status: 'finished'; readonly state: string };

export async function claimAttempt(
  context: Context,
  caller: Caller,
  request: ClaimRequest,
): Promise<Result<Claim>> {
  const taken = await context.store.submit(request.workspace, (tx) =>
    take(context, caller, tx, request),
  );
  if (!taken.ok) return taken;
  if (taken.value.status === 'finished') return success(taken.value);
  const order = await orderOf(context, caller, request, taken.value);
  return success({ status: 'run', order });
}

async function take(
  context: Context,
  caller: Caller,
  tx: WriteTransaction,
  request: ClaimRequest,
): Promise<Result<Taken>> {
  const action = await tx.lockAction(request.action);
  if (!action) return failure('not-found', `The workspace has no action ${request.action}.`);
  if (action.state !== 'dispatched' && action.state !== 'running') {
    return success({ status: 'finished', state: action.state });
  }
  const nowMs = context.clock.nowMs();
  const attempts = await tx.listAttempts(action.id);
  const last = attempts.at(-1);
  if (last && last.verdict === null) {
    const leftMs = Date.parse(last.leaseUntil) - nowMs;
    if (leftMs > 0) {
      return failure(
        'attempt.busy',
        `Attempt ${last.id} holds its lease for another ${leftMs} ms.`,
        { extensions: { retryAfterMs: leftMs } },
      );
    }
    const lost = { code: 'host.lost', message: `the lease of ${last.host} lapsed` };
    await endAttempt(tx, action, last, { verdict: 'lost', at: timeText(nowMs), error: lost });
  }
  if (attempts.length >= PLATFORM_LIMITS.attempts) {
    const error = { code: 'attempts.exhausted', message: `${attempts.length} attempts were lost` };
    await endAction(tx, action, { state: 'failed', error, at: timeText(nowMs) });
    return success({ status: 'finished', state: 'failed' });
  }
  const plugin = await tx.findPlugin(action.plugin, action.version);
  if (plugin?.state !== 'active') {
    const error = {
      code: 'plugin.quarantined',
      message: `${action.plugin}@${action.version} may not run`,
    };
    await endAction(tx, action, { state: 'failed', error, at: timeText(nowMs) });
    return success({ status: 'finished', state: 'failed' });
  }
  const attempt = await startAttempt(context, caller, tx, request, action);
  return success({ status: 'run', action, attempt, plugin });
}

async function startAttempt(
  context: Context,
  caller: Caller,
  tx: WriteTransaction,
  request: ClaimRequest,
  action: ActionRecord,
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
  });
  return attempt;
}

async function orderOf(
  context: Context,
  caller: Caller,
  request: ClaimRequest,
  { action, attempt, plugin }: Extract<Taken, { status: 'run' }>,
): Promise<WorkOrder> {
  const operation = plugin.manifest.operations.find(
    (candidate) => candidate.name === action.operation,
  );
  const input = await context.objects.get(request.workspace, action.inputDigest);
  if (!operation || !input) throw new Error(`action ${action.id} lost its operation or its input`);
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
  const config: Record<string, string> = {};
  for (const [name, entry] of Object.entries(plugin.manifest.config)) {
    if (entry.default !== undefined) config[name] = entry.default;
  }
  return {
    ticket,
    attempt: attempt.id,
    fence: attempt.fence,
    leaseMs: PLATFORM_LIMITS.leaseMs,
    heartbeatMs: PLATFORM_LIMITS.heartbeatMs,
    plugin: { name: plugin.name, version: plugin.version, digest: plugin.digest },
    moduleDigest: plugin.moduleDigest,
    operation: {
      name: operation.name,
      export: operation.export,
      effect: operation.effect,
      encoding: operation.encoding,
    },
    input: toBase64(input),
    config,
    contract: {
      plugin: [...action.contract.plugin],
      operator: [...action.contract.operator],
      networks: [...action.contract.networks],
      approval: [...action.contract.approval],
    },
    limits: action.limits,
  };
}
