/**
 * A caller asks for an action: validated, decided by policy, and stored with its evidence and its
 * event in one transaction. Dispatch follows the commit and is repeated by the sweeper.
 */
import { canonicalBytes, type JsonValue } from '@portarium/contracts/canonical-json';
import { type Digest, digestOfJson } from '@portarium/contracts/digest';
import { contractStatement, type EgressContract } from '@portarium/contracts/egress-rule';
import type { ActionId, WorkspaceId } from '@portarium/contracts/ids';
import { validateJson } from '@portarium/contracts/json-schema';
import { effectiveLimits } from '@portarium/contracts/limits';
import { type Operation, PluginReferenceSchema } from '@portarium/contracts/manifest';
import * as v from 'valibot';
import { effectiveTier, initialState } from '../domain/initial-state.ts';
import { policyAttributes } from '../domain/policy-attributes.ts';
import { actorOf, type Caller, type Context, SYSTEM_ACTOR } from './context.ts';
import { failure, type Result, success } from './failure.ts';
import { timeText } from './ports/clock.ts';
import type { PolicyDecision } from './ports/outside.ts';
import type { ActionRecord, PluginRecord, PolicyRecord } from './ports/records.ts';
import type { ReadTransaction, WriteTransaction } from './ports/workspace-store.ts';

export const RequestActionSchema = v.strictObject({
  plugin: PluginReferenceSchema,
  operation: v.pipe(v.string(), v.maxLength(64)),
  input: v.unknown(),
  labels: v.optional(
    v.record(
      v.pipe(v.string(), v.regex(/^[a-z][a-z0-9._-]{0,62}$/)),
      v.pipe(v.string(), v.maxLength(256)),
    ),
    {},
  ),
});
export type RequestAction = v.InferOutput<typeof RequestActionSchema>;

export const REQUEST_ROUTE = 'POST /actions';

export interface RequestedAction {
  readonly action: ActionRecord;
  /** The request repeated an earlier one by its Idempotency-Key. */
  readonly replayed: boolean;
}

interface Plan {
  readonly plugin: PluginRecord;
  readonly operation: Operation;
  readonly contract: EgressContract;
  readonly policy: PolicyRecord;
  readonly input: Uint8Array;
}

export async function requestAction(
  context: Context,
  caller: Caller,
  workspace: WorkspaceId,
  wanted: RequestAction,
  idempotencyKey: string | undefined,
): Promise<Result<RequestedAction>> {
  const requestDigest = await digestOfJson(wanted);
  const repeat = await findRepeat(context, caller, workspace, requestDigest, idempotencyKey);
  if (repeat) return repeat;
  const planned = await plan(context, workspace, wanted);
  if (!planned.ok) return planned;
  const { plugin, operation, contract, policy, input } = planned.value;
  const decision = context.policy.decide({
    workspace,
    policy,
    principal: { id: caller.key.id, owner: caller.key.owner, role: caller.key.role },
    plugin,
    operation,
    hosts: [...new Set(contract.plugin.map((rule) => rule.host))],
    attributes: policyAttributes(operation.input, wanted.input),
  });
  const inputDigest = await context.objects.put(workspace, input, 'compliance');
  const action = await newAction(context, caller, planned.value, wanted, decision, inputDigest);
  const stored = await context.store.submit(workspace, async (tx) => {
    // The body may have taken its time; a key that was revoked meanwhile asks for nothing.
    if (!(await tx.isKeyLive(caller.key.id, timeText(context.clock.nowMs())))) {
      return failure('auth.invalid', 'The API key is unknown, expired or revoked.');
    }
    if (idempotencyKey !== undefined) {
      const holder = await tx.claimIdempotencyKey({
        principal: caller.key.id,
        route: REQUEST_ROUTE,
        key: idempotencyKey,
        requestDigest,
        action: action.id,
        at: action.createdAt,
      });
      if (holder) return repeated(tx, holder.requestDigest === requestDigest, holder.action);
    }
    await tx.insertAction(action);
    if (action.state === 'dispatched') await tx.queueDispatch(action.id);
    appendRequest(tx, caller, action, decision, input.length, idempotencyKey);
    return success({ action, replayed: false });
  });
  if (stored.ok && !stored.value.replayed && action.state === 'dispatched') {
    await dispatch(context, workspace, action.id);
  }
  return stored;
}

/** Starts the workflow now if Temporal is there; the sweeper does it later if not. */
async function dispatch(context: Context, workspace: WorkspaceId, action: ActionId): Promise<void> {
  try {
    await context.dispatcher.start(workspace, action);
    await context.directory.dispatched(action);
  } catch {
    // The row in the dispatch queue stays; the sweeper reports what it can not start.
  }
}

async function plan(
  context: Context,
  workspace: WorkspaceId,
  wanted: RequestAction,
): Promise<Result<Plan>> {
  const [name = '', version] = wanted.plugin.split('@');
  const found = await context.store.read(workspace, async (tx) => ({
    plugin: await tx.findPlugin(name, version),
    grant: await tx.findEgressGrant(name),
    policy: await tx.activePolicy(),
  }));
  const { plugin, grant, policy } = found;
  if (!plugin)
    return failure('not-found', `The workspace has no plugin ${wanted.plugin}.`, {
      errors: [{ pointer: '/plugin', message: 'no such plugin' }],
    });
  if (!policy) return failure('conflict', 'No policy is loaded, so nothing runs.');
  const operation = plugin.manifest.operations.find(
    (candidate) => candidate.name === wanted.operation,
  );
  if (!operation) {
    const names = plugin.manifest.operations.map((candidate) => candidate.name).join(', ');
    return failure(
      'not-found',
      `${plugin.name}@${plugin.version} has no operation ${wanted.operation}; it has ${names}.`,
      {
        errors: [{ pointer: '/operation', message: `expected one of ${names}` }],
      },
    );
  }
  const input = encodeInput(operation, wanted.input);
  if (!input.ok) return input;
  const limit = effectiveLimits(plugin.manifest.limits).inputBytes;
  if (input.value.length > limit) {
    return failure(
      'body.too-large',
      `The input has ${input.value.length} bytes; this plugin takes ${limit}.`,
    );
  }
  const contract: EgressContract = {
    plugin: plugin.manifest.egress,
    operator: grant?.rules ?? [],
    networks: grant?.networks ?? [],
    approval: [],
  };
  return success({ plugin, operation, contract, policy, input: input.value });
}

/** The exact bytes that the guest will read. */
function encodeInput(operation: Operation, input: unknown): Result<Uint8Array> {
  if (operation.encoding === 'json') {
    if (input === undefined)
      return failure('input.invalid', 'The field input is missing.', {
        errors: [{ pointer: '/input', message: 'this field is missing' }],
      });
    const violations = validateJson(operation.input, input);
    if (violations.length > 0) {
      return failure('input.invalid', `The input does not match the schema of ${operation.name}.`, {
        errors: violations.map(({ pointer, message }) => ({
          pointer: `/input${pointer}`,
          message,
        })),
      });
    }
    return success(canonicalBytes(input));
  }
  const wrong = (message: string) =>
    failure('input.invalid', `The input of ${operation.name} must be ${message}.`, {
      errors: [{ pointer: '/input', message: `expected ${message}` }],
    });
  if (typeof input !== 'string')
    return wrong(operation.encoding === 'text' ? 'a string' : 'a base64 string');
  if (operation.encoding === 'text') return success(new TextEncoder().encode(input));
  try {
    return success(Uint8Array.from(atob(input), (char) => char.charCodeAt(0)));
  } catch {
    return wrong('a base64 string');
  }
}

async function newAction(
  context: Context,
  caller: Caller,
  { plugin, operation, contract, policy }: Plan,
  wanted: RequestAction,
  decision: PolicyDecision,
  inputDigest: Digest,
): Promise<ActionRecord> {
  const tier =
    decision.decision === 'allow' ? effectiveTier(operation.effect, decision.tier) : null;
  const createdAt = timeText(context.clock.nowMs());
  const denied = tier === null;
  return {
    id: context.ids.next('action'),
    state: denied ? 'denied' : initialState(tier),
    tier,
    plugin: plugin.name,
    version: plugin.version,
    pluginDigest: plugin.digest,
    operation: operation.name,
    effect: operation.effect,
    inputDigest,
    contractDigest: await digestOfJson(contractStatement(contract) as JsonValue),
    contract,
    limits: effectiveLimits(plugin.manifest.limits),
    seed: context.ids.randomHex(32),
    labels: wanted.labels,
    requestedBy: caller.key.id,
    policyVersion: policy.version,
    fence: 0,
    outputDigest: null,
    error: null,
    trace: caller.trace,
    createdAt,
    finishedAt: denied ? createdAt : null,
  };
}

function appendRequest(
  tx: WriteTransaction,
  caller: Caller,
  action: ActionRecord,
  decision: PolicyDecision,
  inputBytes: number,
  idempotencyKey: string | undefined,
): void {
  tx.append({
    type: 'action.requested',
    actor: actorOf(caller),
    subject: { action: action.id, plugin: action.pluginDigest },
    data: {
      operation: action.operation,
      effect: action.effect,
      plugin: action.plugin,
      version: action.version,
      inputDigest: action.inputDigest,
      contractDigest: action.contractDigest,
      ...(idempotencyKey === undefined ? {} : { idempotencyKey }),
    },
    artifacts: [
      {
        digest: action.inputDigest,
        bytes: inputBytes,
        mediaType: 'application/octet-stream',
        retention: 'compliance',
      },
    ],
    trace: caller.trace,
  });
  tx.append({
    type: 'policy.decided',
    actor: SYSTEM_ACTOR,
    subject: { action: action.id },
    data: {
      decision: decision.decision,
      ...(action.tier === null ? {} : { tier: action.tier }),
      state: action.state,
      policyVersion: action.policyVersion,
      policies: decision.policies,
      reasons: decision.reasons,
    },
    trace: caller.trace,
  });
}

/** The answer to a repeated request, before anything about it is planned anew. */
async function findRepeat(
  context: Context,
  caller: Caller,
  workspace: WorkspaceId,
  requestDigest: Digest,
  key: string | undefined,
): Promise<Result<RequestedAction> | undefined> {
  if (key === undefined) return undefined;
  return context.store.read(workspace, async (tx) => {
    const holder = await tx.findIdempotencyHolder({
      principal: caller.key.id,
      route: REQUEST_ROUTE,
      key,
    });
    return holder && repeated(tx, holder.requestDigest === requestDigest, holder.action);
  });
}

async function repeated(
  tx: ReadTransaction,
  sameRequest: boolean,
  id: ActionId,
): Promise<Result<RequestedAction>> {
  if (!sameRequest)
    return failure(
      'idempotency.mismatch',
      'This Idempotency-Key was sent before with another body.',
    );
  const action = await tx.findAction(id);
  if (!action) throw new Error(`idempotency key names ${id}, which does not exist`);
  return success({ action, replayed: true });
}
