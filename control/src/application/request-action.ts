/**
 * A caller asks for an action: validated, decided by policy, and stored with its evidence and its
 * event in one transaction. Dispatch follows the commit and is repeated by the sweeper.
 */
import { ORDER_MEDIA_TYPE } from '@portarium/contracts/action-order';
import { STATEMENT_MEDIA_TYPE } from '@portarium/contracts/approval-statement';
import type { JsonValue } from '@portarium/contracts/canonical-json';
import { type Digest, digestOf, digestOfJson } from '@portarium/contracts/digest';
import type { EgressContract } from '@portarium/contracts/egress-rule';
import type { Artifact } from '@portarium/contracts/evidence-entry';
import { type ActionId, ActionIdSchema, type WorkspaceId } from '@portarium/contracts/ids';
import { isFinal } from '@portarium/contracts/life-cycle';
import { type AttemptLimits, effectiveLimits, PLATFORM_LIMITS } from '@portarium/contracts/limits';
import { type Operation, PluginReferenceSchema } from '@portarium/contracts/manifest';
import { encodeInput } from '@portarium/contracts/operation-value';
import { retentionOf } from '@portarium/contracts/retention-class';
import * as v from 'valibot';
import { effectiveTier, initialState } from '../domain/initial-state.ts';
import { policyAttributes } from '../domain/policy-attributes.ts';
import { makeOrder } from './action-order.ts';
import { contractDigest, contractOf, credentialsOf } from './approval-statement.ts';
import { cancelLocked } from './cancel-action.ts';
import { actorOf, type Caller, type Context, SYSTEM_ACTOR } from './context.ts';
import { type Drawn, drawPlugin } from './draw-plugin.ts';
import { dryMark } from './dry-mark.ts';
import { excludedPeople } from './excluded-people.ts';
import { type Failure, failure, type Result, success } from './failure.ts';
import { keepArtifact } from './keep-artifact.ts';
import { insertApproval, planApproval } from './open-approval.ts';
import type { ApprovalRules } from './ports/approval-store.ts';
import { timeText } from './ports/clock.ts';
import type { PolicyDecision, PolicyQuestion } from './ports/outside.ts';
import type { ActionRecord, PluginRecord, PolicyRecord, SlotCredential } from './ports/records.ts';
import type { Regulation } from './ports/regulation-store.ts';
import type { ReadTransaction, WriteTransaction } from './ports/workspace-store.ts';
import { refusedBy } from './regulated-retention.ts';
import { submitAs } from './submit-as.ts';

const fields = v.strictObject({
  plugin: PluginReferenceSchema,
  operation: v.pipe(v.string(), v.maxLength(64)),
  input: v.unknown(),
  labels: v.optional(
    v.pipe(
      v.record(
        v.pipe(v.string(), v.regex(/^[a-z][a-z0-9._-]{0,62}$/)),
        v.pipe(v.string(), v.maxLength(256)),
      ),
      v.check(
        (labels) => Object.keys(labels).length <= PLATFORM_LIMITS.labels,
        `expected at most ${PLATFORM_LIMITS.labels} labels`,
      ),
    ),
    {},
  ),
  /** The action that this one takes the place of; one that still waits for approval is cancelled. */
  replaces: v.optional(ActionIdSchema),
  /** Runs it without its writes: they are recorded and answered from examples, and nobody has to agree. */
  dryRun: v.optional(v.boolean(), false),
});
export const RequestActionSchema = v.pipe(
  fields,
  v.forward(
    v.partialCheck(
      [['replaces'], ['dryRun']],
      ({ replaces, dryRun }) => replaces === undefined || !dryRun,
      'a dry run takes the place of nothing; leave it out',
    ),
    ['replaces'],
  ),
);
export type RequestAction = v.InferOutput<typeof RequestActionSchema>;

export const REQUEST_ROUTE = 'POST /actions';

export interface RequestedAction {
  readonly action: ActionRecord;
  /** The request repeated an earlier one by its Idempotency-Key. */
  readonly replayed: boolean;
}

interface Plan {
  readonly credentials: readonly SlotCredential[];
  readonly rules: ApprovalRules;
  /** People who may not approve it. */
  readonly excluded: readonly string[];
  readonly plugin: PluginRecord;
  /** What it was drawn from, if several versions share the plugin's actions. */
  readonly rollout: Drawn['rollout'];
  readonly operation: Operation;
  readonly contract: EgressContract;
  readonly limits: AttemptLimits;
  readonly regulation: Regulation;
  readonly policy: PolicyRecord;
  readonly input: Uint8Array;
  /** Whom policy is asked about. */
  readonly principal: PolicyQuestion['principal'];
}

/** @param of the waiting action that a dry run is of: it runs as that one would */
export async function requestAction(
  context: Context,
  caller: Caller,
  workspace: WorkspaceId,
  wanted: RequestAction,
  idempotencyKey: string | undefined,
  of?: ActionRecord,
): Promise<Result<RequestedAction>> {
  const requestDigest = await digestOfJson(requestOf(wanted, of));
  const repeat = await findRepeat(context, caller, workspace, requestDigest, idempotencyKey);
  if (repeat) return repeat;
  const id = context.ids.next('action');
  const drawnBy = idempotencyKey ?? id;
  const planned = await plan(context, caller, workspace, wanted, drawnBy, of);
  if (!planned.ok) return planned;
  const { plugin, operation, contract, policy, input, principal } = planned.value;
  const decision = context.policy.decide({
    workspace,
    policy,
    principal,
    plugin,
    operation,
    hosts: [...new Set(contract.plugin.map((rule) => rule.host))],
    dryRun: wanted.dryRun,
    attributes: policyAttributes(operation.input, wanted.input),
  });
  const unfit = await refusedBy(context, planned.value.regulation);
  if (unfit) return unfit;
  const useless = wanted.dryRun ? dryRunProblem(operation, decision) : undefined;
  if (useless) return useless;
  const inputDigest = await digestOf(input);
  const fresh = await newAction(context, caller, planned.value, wanted, decision, inputDigest);
  const asked = { ...fresh, id, ...(of ? { seed: of.seed, dryRunOf: of.id } : {}) };
  const { bytes: order } = makeOrder(workspace, asked, plugin, operation);
  const orderDigest = await digestOf(order);
  const action: ActionRecord = { ...asked, orderDigest };
  const approval =
    action.state === 'waiting-approval'
      ? await planApproval(context, workspace, action, planned.value.rules, planned.value.excluded)
      : undefined;
  // All of them are durable before the row that names them; none waits for another.
  const { retention } = action;
  const keep = (bytes: Uint8Array, mediaType: string) =>
    keepArtifact(context, workspace, bytes, { mediaType, retention });
  const [statement, ...artifacts] = await Promise.all([
    approval && keep(approval.statement, STATEMENT_MEDIA_TYPE),
    keep(input, 'application/octet-stream'),
    keep(order, ORDER_MEDIA_TYPE),
    context.keepModule(workspace, plugin.moduleDigest, retention),
  ]);
  const stored = await submitAs(context, caller, workspace, async (tx) => {
    // Refused before anything is claimed or changed: what is answered as a failure is committed too.
    const toReplace = wanted.replaces && (await tx.lockAction(wanted.replaces));
    const replaced = await replaceable(tx, caller, wanted.replaces, toReplace);
    if (!replaced.ok && !(await isRepeat(tx, caller, idempotencyKey))) return replaced;
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
    if (!replaced.ok) throw new Error('an idempotency key was free and held at once');
    if (replaced.value) await cancelReplaced(context, caller, tx, replaced.value);
    await tx.insertAction(action);
    if (hasWorkflow(action)) await tx.queueDispatch(action.id);
    const drawn = planned.value.rollout;
    appendRequest(tx, caller, action, { decision, idempotencyKey, drawn }, artifacts);
    if (approval && statement) await insertApproval(tx, action, approval.approval, statement);
    return success({ action, replayed: false });
  });
  if (stored.ok && !stored.value.replayed && hasWorkflow(action)) {
    await dispatch(context, workspace, action);
  }
  return stored;
}

/** What an idempotency key stands for; as it was before there were dry runs, when it is none. */
function requestOf({ dryRun, ...wanted }: RequestAction, of: ActionRecord | undefined): JsonValue {
  const dry = dryRun ? { dryRun, ...(of === undefined ? {} : { of: of.id }) } : {};
  return { ...wanted, ...dry } as JsonValue;
}

/** A dry run may not read what people, or a person alone, would have to agree to first. */
function dryRunProblem({ name, effect }: Operation, decision: PolicyDecision): Failure | undefined {
  if (decision.decision === 'deny') return undefined;
  const tier = effectiveTier(effect, decision.tier);
  if (tier === 'manual-only') {
    return failure(
      'conflict',
      `Policy leaves ${name} to a person: no plugin runs for it, dry or not.`,
    );
  }
  if (tier !== 'human-approve' || effect !== 'read') return undefined;
  return failure('conflict', `${name} only reads, and people have to agree before it does.`);
}

/** Whether Temporal has something to do for it: to run it, or to wait for a decision. */
function hasWorkflow({ state }: ActionRecord): boolean {
  return state === 'dispatched' || state === 'waiting-approval';
}

/** Starts the workflow now if Temporal is there; the sweeper does it later if not. */
async function dispatch(
  context: Context,
  workspace: WorkspaceId,
  { id, state }: ActionRecord,
): Promise<void> {
  try {
    await context.dispatcher.start(workspace, id, state !== 'dispatched');
    await context.directory.dispatched(workspace, id, null);
  } catch {
    // The row in the dispatch queue stays; the sweeper reports what it can not start.
  }
}

async function plan(
  context: Context,
  caller: Caller,
  workspace: WorkspaceId,
  wanted: RequestAction,
  drawnBy: string,
  of: ActionRecord | undefined,
): Promise<Result<Plan>> {
  const [name = '', version] = wanted.plugin.split('@');
  const draw = { workspace, plugin: name, key: drawnBy };
  const found = await context.store.read(workspace, async (tx) => {
    // Statements that do not wait for each other travel together.
    const [{ plugin, rollout }, grant, policy, rules, { limits }, regulation] = await Promise.all([
      version === undefined
        ? drawPlugin(tx, draw)
        : tx.findPlugin(name, version).then((one): Drawn => ({ plugin: one })),
      tx.findEgressGrant(name),
      tx.activePolicy(),
      tx.approvalRules(),
      tx.workspaceLimits(),
      tx.regulation(),
    ]);
    const [credentials, excluded, asker] = await Promise.all([
      plugin ? credentialsOf(tx, contractOf(plugin, grant)) : [],
      excludedPeople(tx, caller.key.id, plugin, grant),
      of && tx.findKeyPeople(of.requestedBy),
    ]);
    const known = plugin ? [plugin] : await tx.listVersions(name);
    // Once more under its lock: here so that what is refused leaves nothing in the evidence store.
    const { replaces } = wanted;
    const replaced = await replaceable(
      tx,
      caller,
      replaces,
      replaces && (await tx.findAction(replaces)),
    );
    const people = { excluded, asker, replaced };
    const settings = { policy, rules, limits, regulation };
    return { plugin, known, rollout, grant, ...settings, credentials, ...people };
  });
  const { plugin, known, rollout, grant, policy, rules, credentials, excluded, asker } = found;
  if (!found.replaced.ok) return found.replaced;
  if (plugin?.state !== 'active') return useless(wanted, plugin, known);
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
  const input = inputBytes(operation, wanted.input);
  if (!input.ok) return input;
  const limits = effectiveLimits(plugin.manifest.limits, found.limits);
  if (input.value.length > limits.inputBytes) {
    return failure(
      'body.too-large',
      `The input has ${input.value.length} bytes; this plugin takes ${limits.inputBytes} here.`,
    );
  }
  const contract = contractOf(plugin, grant, of?.contract.approval);
  // Policy is asked about who asked for the action, whoever asks for its dry run.
  const { owner, role } = asker ?? caller.key;
  return success({
    plugin,
    rollout,
    operation,
    contract,
    policy,
    rules,
    limits,
    regulation: found.regulation,
    credentials,
    excluded,
    input: input.value,
    principal: { id: of?.requestedBy ?? caller.key.id, owner, role },
  });
}

/** @param known the versions of the plugin, when none of them may run for an action that names none */
function useless(
  { plugin: wanted }: RequestAction,
  plugin: PluginRecord | undefined,
  known: readonly PluginRecord[],
): Failure {
  const about = (message: string) => ({ errors: [{ pointer: '/plugin', message }] });
  if (plugin && plugin.state !== 'quarantined') {
    const message = `${wanted} is ${plugin.state}`;
    return failure('plugin.not-approved', `${message}: nothing runs it.`, about(message));
  }
  if (plugin || (!wanted.includes('@') && known.length > 0)) {
    const message = plugin ? `${wanted} is quarantined` : `no version of ${wanted} may run`;
    return failure('plugin.quarantined', `${message}.`, about(message));
  }
  return failure('not-found', `The workspace has no plugin ${wanted}.`, about('no such plugin'));
}

/** @returns what the new action takes the place of, if that still waits; locked, and not changed yet */
async function replaceable(
  tx: ReadTransaction,
  caller: Caller,
  id: ActionId | undefined,
  replaced: ActionRecord | undefined,
): Promise<Result<ActionRecord | undefined>> {
  if (id === undefined) return success(undefined);
  const wrong = (message: string) =>
    failure('conflict', `The action ${id} can not be replaced: ${message}.`, {
      errors: [{ pointer: '/replaces', message }],
    });
  if (!replaced) return wrong('the workspace has no such action');
  const owner = (await tx.findKeyPeople(replaced.requestedBy))?.owner;
  if (owner !== caller.key.owner) return wrong('somebody else asked for it');
  if (replaced.state === 'waiting-approval') return success(replaced);
  if (replaced.state === 'succeeded') return wrong('it has succeeded; ask without replacing it');
  return isFinal(replaced.state) ? success(undefined) : wrong(`it is ${replaced.state}`);
}

/** The first request with this key has cancelled what it replaced; its repeat gets its answer. */
async function isRepeat(
  tx: ReadTransaction,
  caller: Caller,
  key: string | undefined,
): Promise<boolean> {
  if (key === undefined) return false;
  const holder = await tx.findIdempotencyHolder({
    principal: caller.key.id,
    route: REQUEST_ROUTE,
    key,
  });
  return holder !== undefined;
}

async function cancelReplaced(
  context: Context,
  caller: Caller,
  tx: WriteTransaction,
  replaced: ActionRecord,
): Promise<void> {
  const rationale = 'replaced by a new action';
  const reason = { by: caller.key.owner, rationale, voided: 'another action takes its place' };
  await cancelLocked(tx, replaced, timeText(context.clock.nowMs()), actorOf(caller), reason);
  await tx.queueDispatch(replaced.id, context.ids.randomHex(16));
}

/** The exact bytes that the guest will read. */
function inputBytes(operation: Operation, input: unknown): Result<Uint8Array> {
  const encoded = encodeInput(operation, input);
  if ('bytes' in encoded) return success(encoded.bytes);
  return failure('input.invalid', `The input does not match the schema of ${operation.name}.`, {
    errors: encoded.problems.map(({ pointer, message }) => ({
      pointer: `/input${pointer}`,
      message,
    })),
  });
}

async function newAction(
  context: Context,
  caller: Caller,
  { plugin, operation, contract, policy, limits, credentials }: Plan,
  wanted: RequestAction,
  decision: PolicyDecision,
  inputDigest: Digest,
): Promise<Omit<ActionRecord, 'id' | 'orderDigest'>> {
  const tier =
    decision.decision === 'allow' ? effectiveTier(operation.effect, decision.tier) : null;
  const createdAt = timeText(context.clock.nowMs());
  const denied = tier === null;
  return {
    state: denied ? 'denied' : initialState(tier, wanted.dryRun),
    tier,
    plugin: plugin.name,
    version: plugin.version,
    pluginDigest: plugin.digest,
    operation: operation.name,
    effect: operation.effect,
    inputDigest,
    contractDigest: await contractDigest(contract),
    contract,
    limits,
    seed: context.ids.randomHex(32),
    labels: wanted.labels,
    requestedBy: caller.key.id,
    policyVersion: policy.version,
    replaces: wanted.replaces ?? null,
    dryRun: wanted.dryRun,
    dryRunOf: null,
    credentials,
    retention: retentionOf(operation),
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
  told: {
    readonly decision: PolicyDecision;
    readonly idempotencyKey: string | undefined;
    readonly drawn: Drawn['rollout'];
  },
  artifacts: readonly Artifact[],
): void {
  const { decision, idempotencyKey, drawn } = told;
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
      ...(action.orderDigest === null ? {} : { orderDigest: action.orderDigest }),
      ...(action.replaces === null ? {} : { replaces: action.replaces }),
      ...dryMark(action),
      ...(action.dryRunOf === null ? {} : { dryRunOf: action.dryRunOf }),
      ...(idempotencyKey === undefined ? {} : { idempotencyKey }),
      ...(drawn === undefined ? {} : { rollout: drawn }),
    },
    artifacts,
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
