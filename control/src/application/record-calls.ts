/**
 * Stores what a host reports of an action's egress calls: records, and the bodies behind them. A denial
 * and the answer to a write are evidence entries of their own.
 */
import { fromBase64 } from '@portarium/contracts/base64';
import { type Digest, digestOf } from '@portarium/contracts/digest';
import {
  decideEgress,
  type MatchedRules,
  ratesOf,
  ruleName,
  SAFE_METHODS,
} from '@portarium/contracts/egress-rule';
import type { ActionId } from '@portarium/contracts/ids';
import type { EgressCall, HeartbeatSchema } from '@portarium/contracts/internal-api';
import { recordCharacters } from '@portarium/contracts/journal-artifact';
import { PLATFORM_LIMITS } from '@portarium/contracts/limits';
import { parseRequest } from '@portarium/contracts/outbound-request';
import { requestDigest } from '@portarium/contracts/request-digest';
import { MAX_SHOWN_PATH, ShownContract } from '@portarium/contracts/verify-contract';
import type { InferOutput } from 'valibot';
import { actorOf, type Caller } from './context.ts';
import { type Failure, failure, type Result, success } from './failure.ts';
import type { FixedAction } from './fixed-actions.ts';
import type { Held } from './hold-attempt.ts';
import { type Merged, mergeCalls } from './merge-calls.ts';
import { overBudget } from './over-budget.ts';
import type { JournalRecord } from './ports/journal-store.ts';
import type { AttemptRecord } from './ports/records.ts';
import type { ReadTransaction, WriteTransaction } from './ports/workspace-store.ts';

export type Report = InferOutput<typeof HeartbeatSchema>;

/** The bodies of a report by their digests; each is what its digest says. */
export async function bodiesOf(report: Report): Promise<Result<ReadonlyMap<Digest, Uint8Array>>> {
  const bodies = new Map<Digest, Uint8Array>();
  for (const { digest, bytes: text } of report.bodies) {
    const bytes = fromBase64(text);
    if (!bytes || (await digestOf(bytes)) !== digest) {
      return failure('input.invalid', `A body is not what its digest ${digest} says.`, {
        errors: [{ pointer: '/bodies', message: 'expected bytes that hash to their digest' }],
      });
    }
    bodies.set(digest, bytes);
  }
  return success(bodies);
}

/** Whether a report names bodies. */
export function namesBodies({ calls }: Pick<Report, 'calls'>): boolean {
  return calls.some(
    ({ responseDigest, request }) => responseDigest !== undefined || request?.bodyDigest != null,
  );
}

/** What is stored of an action's journal before a report. */
export interface KnownJournal {
  readonly journal: readonly JournalRecord[];
  /** Bodies that are kept, with their sizes. */
  readonly kept: ReadonlyMap<Digest, number>;
}

export async function knownJournal(
  tx: ReadTransaction,
  action: ActionId,
  /** Whether bodies that are kept already make a difference. */
  withBodies: boolean,
): Promise<KnownJournal> {
  const [journal, kept] = await Promise.all([
    tx.listJournal(action),
    withBodies ? tx.listBodies(action) : new Map(),
  ]);
  return { journal, kept };
}

/** @returns the action's journal with the report in it */
export async function recordCalls(
  tx: WriteTransaction,
  caller: Caller,
  { action, attempt }: Held<FixedAction>,
  known: KnownJournal,
  calls: readonly EgressCall[],
  bodies: ReadonlyMap<Digest, Uint8Array>,
): Promise<Result<readonly JournalRecord[]>> {
  const merged = mergeCalls(known.journal, attempt.id, calls);
  if (!merged.ok) return merged;
  const { journal, added, answered } = merged.value;
  const beyond =
    tooLong(action, journal) ??
    beyondContract(action, added) ??
    (await notWithheld(action, added)) ??
    beyondBudget(action, merged.value);
  if (beyond) return beyond;
  const fresh = freshBodies(action, known.kept, [...added, ...answered], bodies);
  if (!fresh.ok) return fresh;
  await Promise.all([
    ...[...fresh.value].map(([digest, bytes]) => tx.putBody(action.id, digest, bytes)),
    tx.insertRecords(action.id, added),
    ...answered.map(({ record }) => putAnswer(tx, action.id, record)),
  ]);
  for (const { record } of added) {
    if (record.verdict === 'denied') tell(tx, caller, action, attempt, 'egress.denied', record);
    if (record.verdict === 'withheld') tell(tx, caller, action, attempt, 'egress.withheld', record);
  }
  for (const { record, write } of answered) {
    if (write) tell(tx, caller, action, attempt, 'egress.answered', record);
  }
  return success(journal);
}

/** What no honest host goes beyond: its budget, and the denial that each attempt may end with. */
function tooLong(action: FixedAction, journal: readonly JournalRecord[]): Failure | undefined {
  const most = action.limits.egressCalls + PLATFORM_LIMITS.attempts;
  if (journal.length > most) {
    return failure('body.too-large', `The journal of ${action.id} has more than ${most} calls.`);
  }
  const characters = journal.reduce((sum, { record }) => sum + recordCharacters(record), 0);
  const { journalCharacters } = PLATFORM_LIMITS;
  if (characters <= journalCharacters) return undefined;
  return failure(
    'body.too-large',
    `The journal of ${action.id} has more than ${journalCharacters} characters.`,
  );
}

/** A host may not claim that something was allowed which the contract does not allow. */
function beyondContract(
  { contract }: FixedAction,
  added: readonly JournalRecord[],
): Failure | undefined {
  const shown = new ShownContract(contract);
  for (const { record } of added) {
    // A record that was reduced names no rule; a denial says why it was none.
    if (record.verdict === 'denied' || record.rule === undefined) continue;
    const problem = shown.problem(record);
    if (problem)
      return failure(
        'conflict',
        `Call ${record.call} is claimed as ${record.verdict}: ${problem}.`,
      );
    // What is new in a report had no leave, which rates and credentials ask for before anything is sent.
    const rules = shown.rules(record.rule);
    const unsent = record.verdict === 'failed' && record.sent === false;
    const left = record.verdict !== 'withheld' && !unsent;
    const why = rules && left ? needsLeave(rules) : undefined;
    if (why) return failure('conflict', `Call ${record.call} needed leave: its rule has a ${why}.`);
  }
  return undefined;
}

function needsLeave(rules: MatchedRules): string | undefined {
  if (ratesOf(rules).length > 0) return 'rate';
  return rules.plugin.credential === undefined ? undefined : 'credential';
}

/** What came of calls that had leave counts too: a host may not read more than it could have. */
function beyondBudget(
  action: FixedAction,
  { journal, added, answered }: Merged,
): Failure | undefined {
  if (added.length + answered.length === 0) return undefined;
  const over = overBudget(
    action,
    journal.map(({ record }) => record),
  );
  if (over === undefined) return undefined;
  return failure('conflict', `The journal of ${action.id} goes beyond a budget: ${over}.`);
}

/** A withheld write is believed of a dry run only, and when a real run would be let send it. */
async function notWithheld(
  { id, dryRun, contract, effect, credentials }: FixedAction,
  added: readonly JournalRecord[],
): Promise<Failure | undefined> {
  for (const { record } of added) {
    const { call, verdict, request, method } = record;
    if (verdict !== 'withheld') continue;
    const wrong = (why: string) => failure('conflict', `Call ${call} can not be withheld: ${why}.`);
    if (!dryRun || !request) return wrong(`${id} is no dry run`);
    const { url, headers, bodyDigest } = request;
    const parsed = parseRequest({ method, url, headers, body: new Uint8Array() });
    if (!parsed.ok) return wrong(parsed.reason);
    const { target } = parsed.request;
    const decision = decideEgress(contract, effect, target);
    if (!decision.allowed) return wrong(decision.reason);
    if (SAFE_METHODS.has(method)) return wrong('it is no write');
    const rule = ruleName(decision.rules);
    const digest = await requestDigest({ method, url, headers, bodyDigest, rule });
    const slot = decision.rules.plugin.credential;
    const same =
      digest === record.requestDigest &&
      rule === record.rule &&
      target.host === record.host &&
      target.scheme === record.scheme &&
      target.port === record.port &&
      target.path.slice(0, MAX_SHOWN_PATH) === record.path;
    if (!same) return wrong('its request is not the one that the record is about');
    const named = credentials.find((one) => one.slot === slot)?.id;
    if (record.credential !== named) return wrong('it names another credential than its rules');
  }
  return undefined;
}

async function putAnswer(
  tx: WriteTransaction,
  action: ActionId,
  record: EgressCall,
): Promise<void> {
  if (await tx.answerRecord(action, record)) return;
  throw new Error(`call ${record.call} of ${action} is not open under the action’s lock`);
}

/** A record is worth as much as its replay: the body behind it has to be there, or come with it. */
function freshBodies(
  action: FixedAction,
  kept: ReadonlyMap<Digest, number>,
  changed: readonly JournalRecord[],
  bodies: ReadonlyMap<Digest, Uint8Array>,
): Result<ReadonlyMap<Digest, Uint8Array>> {
  const fresh = new Map<Digest, Uint8Array>();
  const wanted = new Set(
    changed.flatMap(({ record: { responseDigest, request } }) =>
      [responseDigest, request?.bodyDigest].filter((digest) => digest != null),
    ),
  );
  let total = [...kept.values()].reduce((sum, size) => sum + size, 0);
  for (const digest of wanted) {
    if (kept.has(digest)) continue;
    const bytes = bodies.get(digest);
    if (!bytes) return failure('conflict', `The body ${digest} was not sent.`);
    total += bytes.length;
    if (total > mostBodyBytes(action)) return tooMany(action);
    fresh.set(digest, bytes);
  }
  for (const { record } of changed) {
    const { bodyDigest, bodyBytes = 0 } = record.request ?? {};
    const size = bodyDigest == null ? 0 : (fresh.get(bodyDigest)?.length ?? kept.get(bodyDigest));
    if (size === bodyBytes) continue;
    return failure('conflict', `The body of call ${record.call} does not have ${bodyBytes} bytes.`);
  }
  return success(fresh);
}

/** The body of a call that is to leave: what left is evidence even if no answer ever comes. */
export function ownBody(
  action: FixedAction,
  { kept }: KnownJournal,
  {
    bodyDigest: digest,
    bodyBytes,
  }: { readonly bodyDigest: Digest | null; readonly bodyBytes: number },
  bodies: ReadonlyMap<Digest, Uint8Array>,
): Result<ReadonlyMap<Digest, Uint8Array>> {
  if (digest === null) return success(new Map());
  const bytes = bodies.get(digest);
  const size = kept.get(digest) ?? bytes?.length;
  if (size === undefined) return failure('conflict', `The request body ${digest} was not sent.`);
  if (size !== bodyBytes) {
    return failure('input.invalid', `The request body has ${size} bytes, not ${bodyBytes}.`, {
      errors: [{ pointer: '/bodyBytes', message: `expected ${size}` }],
    });
  }
  if (kept.has(digest) || !bytes) return success(new Map());
  const total = [...kept.values()].reduce((sum, one) => sum + one, size);
  return total > mostBodyBytes(action) ? tooMany(action) : success(new Map([[digest, bytes]]));
}

/** What guests of all attempts may send and read, with room for one attempt that was lost. */
export function mostBodyBytes({ limits }: FixedAction): number {
  return 2 * (limits.egressBytesIn + limits.egressBytesOut);
}

/** One of the request and one of the response; twice, for calls that an attempt did not come to report. */
export function mostBodies(action: FixedAction): number {
  return 4 * action.limits.egressCalls;
}

export function tooMany(action: FixedAction) {
  return failure(
    'body.too-large',
    `The bodies of ${action.id} are more than ${mostBodies(action)}, or have more than ${mostBodyBytes(action)} bytes.`,
  );
}

/** Puts an entry about one call into the log. */
export function tell(
  tx: WriteTransaction,
  caller: Caller,
  action: FixedAction,
  attempt: AttemptRecord,
  type: 'egress.denied' | 'egress.intended' | 'egress.answered' | 'egress.withheld',
  call: EgressCall,
  more: Readonly<Record<string, unknown>> = {},
): void {
  const { rule, reason, layer, address, tlsPeerKeyHash } = call;
  const { status, requestBodyDigest, responseDigest, sent, credential } = call;
  const connection = { address, tlsPeerKeyHash };
  const digests = { requestBodyDigest, responseDigest };
  const known = { rule, layer, ...connection, status, ...digests, sent, credential };
  const { bodyDigest = null, bodyBytes = 0 } = call.request ?? {};
  tx.append({
    type,
    actor: actorOf(caller),
    subject: { action: action.id, attempt: attempt.id },
    data: {
      attempt: attempt.id,
      call: call.call,
      method: call.method,
      host: call.host,
      port: call.port,
      path: call.path,
      requestDigest: call.requestDigest,
      bytesOut: call.bytesOut,
      bytesIn: call.bytesIn,
      ms: call.ms,
      ...(type === 'egress.denied'
        ? { reason: reason ?? 'no reason was given' }
        : reason === undefined
          ? {}
          : { reason }),
      ...Object.fromEntries(Object.entries(known).filter(([, value]) => value !== undefined)),
      ...(type === 'egress.withheld' ? { dryRun: true } : {}),
      ...(bodyDigest === null ? {} : { bodyDigest }),
      ...more,
    },
    ...(bodyDigest === null
      ? {}
      : {
          artifacts: [
            {
              digest: bodyDigest,
              bytes: bodyBytes,
              mediaType: 'application/octet-stream',
              retention: 'compliance',
            },
          ],
        }),
    trace: action.trace,
  });
}
