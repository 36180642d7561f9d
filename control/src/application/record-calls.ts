/**
 * Stores what a host reports of an action's egress calls: records, and the bodies behind them. A denial
 * and the answer to a write are evidence entries of their own.
 */
import type { Digest } from '@portarium/contracts/digest';
import type { ActionId } from '@portarium/contracts/ids';
import type { EgressCall } from '@portarium/contracts/internal-api';
import { actorOf, type Caller } from './context.ts';
import { failure, type Result, success } from './failure.ts';
import type { FixedAction } from './fixed-actions.ts';
import type { Held } from './hold-attempt.ts';
import { judgeCalls, type KnownJournal, mostBodyBytes, tooMany } from './judge-calls.ts';
import type { JournalRecord } from './ports/journal-store.ts';
import type { AttemptRecord } from './ports/records.ts';
import type { WriteTransaction } from './ports/workspace-store.ts';

/** @returns the action's journal with the report in it */
export async function recordCalls(
  tx: WriteTransaction,
  caller: Caller,
  { action, attempt }: Held<FixedAction>,
  known: KnownJournal,
  calls: readonly EgressCall[],
  bodies: ReadonlyMap<Digest, Uint8Array>,
): Promise<Result<readonly JournalRecord[]>> {
  const judged = await judgeCalls(action, attempt.id, known, calls, bodies);
  if (!judged.ok) return judged;
  const { journal, added, answered, fresh } = judged.value;
  await Promise.all([
    ...[...fresh].map(([digest, bytes]) => tx.putBody(action.id, digest, bytes)),
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

async function putAnswer(
  tx: WriteTransaction,
  action: ActionId,
  record: EgressCall,
): Promise<void> {
  if (await tx.answerRecord(action, record)) return;
  throw new Error(`call ${record.call} of ${action} is not open under the action’s lock`);
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
              retention: action.retention,
            },
          ],
        }),
    trace: action.trace,
  });
}
