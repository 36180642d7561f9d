/** Stores the egress calls that a host reports, each once; a denial is an evidence entry of its own. */
import { canonicalText } from '@portarium/contracts/canonical-json';
import type { EgressCall } from '@portarium/contracts/internal-api';
import { actorOf, type Caller } from './context.ts';
import { failure, type Result, success } from './failure.ts';
import type { ActionRecord, AttemptRecord } from './ports/records.ts';
import type { WriteTransaction } from './ports/workspace-store.ts';

/** A repeat must say what the first report said. */
export async function recordCalls(
  tx: WriteTransaction,
  caller: Caller,
  action: ActionRecord,
  attempt: AttemptRecord,
  calls: readonly EgressCall[],
): Promise<Result<null>> {
  const fresh = await tx.insertCalls(action.id, attempt.id, calls);
  const repeats = calls.filter((call) => !fresh.includes(call));
  if (repeats.length > 0) {
    const stored = new Map(
      (await tx.listCalls(action.id))
        .filter((call) => call.attempt === attempt.id)
        .map(({ record: known }) => [known.call, canonicalText(known)]),
    );
    const changed = repeats.find((call) => stored.get(call.call) !== canonicalText(call));
    if (changed)
      return failure('conflict', `Call ${changed.call} was reported before with other content.`);
  }
  for (const call of fresh.filter((candidate) => candidate.verdict === 'denied')) {
    tx.append({
      type: 'egress.denied',
      actor: actorOf(caller),
      subject: { action: action.id, attempt: attempt.id },
      data: {
        attempt: attempt.id,
        call: call.call,
        method: call.method,
        host: call.host,
        port: call.port,
        path: call.path,
        reason: call.reason ?? 'no reason was given',
        requestDigest: call.requestDigest,
        bytesOut: call.bytesOut,
        bytesIn: call.bytesIn,
        ms: Math.round(call.ms),
        ...(call.layer === undefined ? {} : { layer: call.layer }),
        ...(call.rule === undefined ? {} : { rule: call.rule }),
        ...(call.address === undefined ? {} : { address: call.address }),
      },
      trace: action.trace,
    });
  }
  return success(null);
}
