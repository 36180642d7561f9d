/**
 * Leave to send one call: the Control Plane matches the request against contract and budgets on its
 * own, makes the intent durable, and only then hands out the idempotency key and the credential. One
 * host may ask again for what it already asked; an older attempt may not ask at all.
 */
import { digestOfJson } from '@portarium/contracts/digest';
import {
  decideEgress,
  type EgressRequest,
  idempotencyOf,
  type MatchedRules,
  ruleName,
  SAFE_METHODS,
} from '@portarium/contracts/egress-rule';
import type { AttemptErrorCode } from '@portarium/contracts/errors';
import type { EgressCall, IntentResponse, IntentSchema } from '@portarium/contracts/internal-api';
import { PLATFORM_LIMITS } from '@portarium/contracts/limits';
import { type OutboundRequest, parseRequest } from '@portarium/contracts/outbound-request';
import type { Ticket } from '@portarium/contracts/ticket';
import { MAX_SHOWN_PATH } from '@portarium/contracts/verify-contract';
import type { InferOutput } from 'valibot';
import { requestTimeoutMs } from './claim-attempt.ts';
import type { Caller, Context } from './context.ts';
import { countRates } from './count-rates.ts';
import { failure, type Result, success } from './failure.ts';
import type { FixedAction } from './fixed-actions.ts';
import { type CredentialGrant, grantCredential, stillHolds } from './grant-credential.ts';
import { extendLease, type Held, hold } from './hold-attempt.ts';
import { bodiesOf, knownJournal, namesBodies } from './judge-calls.ts';
import { keepWithheld } from './keep-withheld.ts';
import { maySendAgain } from './merge-calls.ts';
import { overBudget } from './over-budget.ts';
import { timeText } from './ports/clock.ts';
import type { JournalRecord } from './ports/journal-store.ts';
import type { WriteTransaction } from './ports/workspace-store.ts';
import { ownBody, recordCalls, tell } from './record-calls.ts';

export type Intent = InferOutput<typeof IntentSchema>;

type Refusal = Extract<IntentResponse, { status: 'refused' }>;

/** What the Control Plane read out of the request by itself. */
interface Matched {
  readonly request: OutboundRequest;
  readonly rules: MatchedRules;
  readonly rule: string;
  readonly write: boolean;
}

export async function intendCall(
  context: Context,
  caller: Caller,
  ticket: Ticket,
  intent: Intent,
): Promise<Result<IntentResponse>> {
  const bodies = await bodiesOf(intent);
  if (!bodies.ok) return bodies;
  const action = await context.fixedActions.find(ticket.workspace, ticket.action);
  if (!action) return failure('not-found', `There is no action ${ticket.action}.`);
  // The contract of an action never changes, so it may be matched before the row is locked.
  const matched = await match(action, intent);
  if (!matched.ok) return matched;
  const found = matched.value;
  if ('status' in found) {
    return context.store.submit(ticket.workspace, async (tx) => {
      const held = await hold(tx, ticket, action);
      return held.ok ? success(found) : held;
    });
  }
  if (action.dryRun) await keepWithheld(context, ticket, action, intent.calls, bodies.value);
  const grant = await grantCredential(context, ticket.workspace, action, found);
  const key = await context.idempotencyKeys.keyOf(action.id, intent.call);
  const idempotency = idempotencyOf(found.rules);
  const outcome = await context.store.submit(
    ticket.workspace,
    async (tx): Promise<Result<Refusal | undefined>> => {
      const [held, known, changed] = await Promise.all([
        hold(tx, ticket, action),
        knownJournal(tx, ticket.action, intent.bodyDigest !== null || namesBodies(intent)),
        unusable(tx, action, found, grant),
      ]);
      if (!held.ok) return held;
      const own = ownBody(action, known, intent, bodies.value);
      if (!own.ok) return own;
      const [recorded] = await Promise.all([
        recordCalls(tx, caller, held.value, known, intent.calls, bodies.value),
        extendLease(context, tx, ticket),
      ]);
      if (!recorded.ok) return recorded;
      const problem = changed ?? beyondBudget(action, recorded.value, intent, found);
      if (problem) return success(problem);
      const { attempt } = held.value;
      const told = { caller, action, attempt, journal: recorded.value };
      const refusal = await record(context, tx, told, intent, found, grant);
      if (refusal) return success(refusal);
      for (const [digest, bytes] of own.value) await tx.putBody(action.id, digest, bytes);
      return success(undefined);
    },
  );
  if (!outcome.ok) return outcome;
  if (outcome.value) return success(outcome.value);
  return success({
    status: 'send',
    // Counted from before the host asked, so it ends before the lease that this intent extended.
    sendWithinMs: PLATFORM_LIMITS.leaseMs,
    timeoutMs: requestTimeoutMs(action),
    ...(found.write && idempotency ? { idempotency: { header: idempotency.header, key } } : {}),
    ...(grant.kind === 'secret' ? { credential: grant.credential } : {}),
  });
}

function refused(code: AttemptErrorCode, message: string, layer?: string): Refusal {
  return { status: 'refused', code, message, ...(layer === undefined ? {} : { layer }) };
}

/** Counts the call against its rates. @returns when it has to wait, and for how long */
async function overRate(
  tx: WriteTransaction,
  { plugin }: FixedAction,
  { rules }: Matched,
): Promise<Refusal | undefined> {
  const over = await countRates(tx, plugin, rules);
  if (!over) return undefined;
  const { message, retryAfterMs } = over;
  return { ...refused('limit.rate', message, 'rate'), retryAfterMs };
}

/** The request as the Control Plane reads it, or why it may not be sent. */
async function match(action: FixedAction, intent: Intent): Promise<Result<Matched | Refusal>> {
  const parsed = parseRequest({
    method: intent.method,
    url: intent.url,
    headers: intent.headers,
    body: new Uint8Array(),
  });
  if (!parsed.ok) return success(refused('egress.denied', parsed.reason, 'request'));
  const { request } = parsed;
  const target: EgressRequest = request.target;
  if (SAFE_METHODS.has(target.method) && (intent.bodyDigest !== null || intent.bodyBytes > 0)) {
    return success(refused('egress.denied', `${target.method} carries a body`, 'request'));
  }
  const decision = decideEgress(action.contract, action.effect, target);
  if (!decision.allowed) {
    return success(refused('egress.denied', decision.reason, decision.layer));
  }
  const rule = ruleName(decision.rules);
  const requestDigest = await digestOfJson({
    method: target.method,
    url: request.url,
    headers: request.headers,
    bodyDigest: intent.bodyDigest,
    rule,
  });
  if (requestDigest !== intent.requestDigest) {
    return failure('input.invalid', 'The request digest is not that of the request.', {
      errors: [{ pointer: '/requestDigest', message: `expected ${requestDigest}` }],
    });
  }
  const write = !SAFE_METHODS.has(target.method);
  if (write && action.dryRun) {
    return success(refused('egress.denied', 'a dry run sends no writes', 'request'));
  }
  return success({ request, rules: decision.rules, rule, write });
}

/** What may have changed since the attempt began. */
async function unusable(
  tx: WriteTransaction,
  action: FixedAction,
  { rule }: Matched,
  grant: CredentialGrant,
): Promise<Refusal | undefined> {
  if (!(await tx.isPluginActive(action.plugin, action.version))) {
    return refused('plugin.quarantined', `${action.plugin}@${action.version} is quarantined`);
  }
  if (grant.kind === 'refused') return refused(grant.code, grant.message, 'credential');
  if (grant.kind === 'secret' && !(await stillHolds(tx, grant))) {
    const message = `the credential of rule ${rule} changed a moment ago`;
    return refused('credential.unavailable', message, 'credential');
  }
  return undefined;
}

/** The budgets of the attempt and of both rules, with this call among the others on record. */
function beyondBudget(
  action: FixedAction,
  journal: readonly JournalRecord[],
  { call, bodyBytes }: Intent,
  { request, rule }: Matched,
): Refusal | undefined {
  const others = journal.flatMap(({ record }) => (record.call === call ? [] : [record]));
  const bytesOut = headBytes(request) + bodyBytes;
  const next = { verdict: 'open', rule, bytesOut, bytesIn: 0 } as const;
  const over = overBudget(action, [...others, next]);
  return over === undefined ? undefined : refused('limit.egress', over, 'budget');
}

/** Who asks, about what, and what is known of it by then. */
interface Told extends Held<FixedAction> {
  readonly caller: Caller;
  readonly journal: readonly JournalRecord[];
}

/** Makes the intent durable. @returns why it may not be sent, if so */
async function record(
  context: Context,
  tx: WriteTransaction,
  { caller, action, attempt, journal }: Told,
  intent: Intent,
  matched: Matched,
  grant: CredentialGrant,
): Promise<Refusal | undefined> {
  const { request, rules, rule, write } = matched;
  const nowMs = context.clock.nowMs();
  const at = timeText(nowMs);
  const idempotency = write ? idempotencyOf(rules) : undefined;
  const known = journal[intent.call];
  if (!known && intent.call !== journal.length) {
    return refused('journal.diverged', `call ${intent.call} follows call ${journal.length - 1}`);
  }
  const target = request.target;
  const credential = grant.kind === 'secret' ? { credential: grant.credential.id } : {};
  const open: EgressCall = {
    call: intent.call,
    method: target.method,
    scheme: target.scheme,
    host: target.host,
    port: target.port,
    path: target.path.slice(0, MAX_SHOWN_PATH),
    verdict: 'open',
    rule,
    address: intent.address,
    requestDigest: intent.requestDigest,
    ...(intent.bodyDigest === null ? {} : { requestBodyDigest: intent.bodyDigest }),
    ...credential,
    bytesOut: headBytes(request) + intent.bodyBytes,
    bytesIn: 0,
    ms: 0,
  };
  const more = { idempotencyKeyed: idempotency !== undefined };
  if (!known) {
    const over = await overRate(tx, action, matched);
    if (over) return over;
    const until = nowMs + (idempotency?.retentionHours ?? 0) * 60 * 60 * 1000;
    const keyed = idempotency ? { header: idempotency.header, until: timeText(until) } : null;
    const fresh = { attempt: attempt.id, record: open, write, keyed, intendedAt: at };
    await tx.insertRecords(action.id, [{ ...fresh, intendedBy: attempt.id, released: false }]);
    if (write) tell(tx, caller, action, attempt, 'egress.intended', open, more);
    return undefined;
  }
  if (known.record.requestDigest !== intent.requestDigest) {
    return refused('journal.diverged', `call ${intent.call} is another request than recorded`);
  }
  if (known.record.verdict !== 'open') {
    return refused('journal.diverged', `call ${intent.call} was answered before`);
  }
  // The same attempt asks again because the first acknowledgement was lost: it has not sent.
  const same = known.intendedBy === attempt.id;
  if (write && !same && !maySendAgain(known, at)) {
    return refused('outcome.unknown', `call ${intent.call} was sent and never answered`);
  }
  if (same) return undefined;
  const over = await overRate(tx, action, matched);
  if (over) return over;
  await tx.resendRecord(action.id, intent.call, attempt.id);
  if (write) tell(tx, caller, action, attempt, 'egress.intended', open, { ...more, resend: true });
  return undefined;
}

/** Path and headers count against the budget as the body does: each can carry data out. */
function headBytes({ path, headers }: OutboundRequest): number {
  return headers.reduce((sum, [name, value]) => sum + name.length + value.length, path.length);
}
