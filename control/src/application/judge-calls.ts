/**
 * Whether a host's report of egress calls can be true: against contract, budgets and limits of the
 * action, and against what is on record. Pure, so it is asked before anything is stored for a report.
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
import type { ActionId, AttemptId } from '@portarium/contracts/ids';
import type { EgressCall, HeartbeatSchema } from '@portarium/contracts/internal-api';
import { recordCharacters } from '@portarium/contracts/journal-artifact';
import { PLATFORM_LIMITS } from '@portarium/contracts/limits';
import { parseRequest } from '@portarium/contracts/outbound-request';
import { requestDigest } from '@portarium/contracts/request-digest';
import { MAX_SHOWN_PATH, ShownContract } from '@portarium/contracts/verify-contract';
import type { InferOutput } from 'valibot';
import { type Failure, failure, type Result, success } from './failure.ts';
import type { FixedAction } from './fixed-actions.ts';
import { type Merged, mergeCalls } from './merge-calls.ts';
import { overBudget } from './over-budget.ts';
import type { JournalRecord } from './ports/journal-store.ts';
import type { ReadTransaction } from './ports/workspace-store.ts';

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

/** What a report comes to, once it holds. */
export interface JudgedCalls extends Merged {
  /** Bodies that are not kept yet. */
  readonly fresh: ReadonlyMap<Digest, Uint8Array>;
}

/** @returns what the report adds, or why it is refused: nothing of it may be stored then */
export async function judgeCalls(
  action: FixedAction,
  attempt: AttemptId,
  known: KnownJournal,
  calls: readonly EgressCall[],
  bodies: ReadonlyMap<Digest, Uint8Array>,
): Promise<Result<JudgedCalls>> {
  const merged = mergeCalls(known.journal, attempt, calls);
  if (!merged.ok) return merged;
  const { journal, added, answered } = merged.value;
  const beyond =
    tooLong(action, journal) ??
    beyondContract(action, added) ??
    (await notWithheld(action, added)) ??
    beyondBudget(action, merged.value);
  if (beyond) return beyond;
  const fresh = freshBodies(action, known.kept, [...added, ...answered], bodies);
  return fresh.ok ? success({ ...merged.value, fresh: fresh.value }) : fresh;
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
