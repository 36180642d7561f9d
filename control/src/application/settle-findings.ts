/**
 * Keeps what was found until it is found no more, and tells each new finding once: by an entry in the log of
 * the instance, and in the workspace's own while that takes entries. The entries are events, too.
 */
import { getLogger } from '@logtape/logtape';
import { INSTANCE_WORKSPACE, type WorkspaceId } from '@portarium/contracts/ids';
import { WATCH_LIMITS } from '@portarium/contracts/limits';
import { type Context, SYSTEM_ACTOR } from './context.ts';
import { timeText } from './ports/clock.ts';
import type { KeptFinding, WatchFinding, WatchSource } from './ports/watch-store.ts';
import type { WorkspaceStore } from './ports/workspace-store.ts';

const log = getLogger(['portarium', 'watch']);

const TOLD_AS = {
  verification: 'evidence.verification-failed',
  reconciliation: 'reconciliation.left-over',
} as const satisfies Record<WatchSource, string>;

export type SettleContext = Pick<Context, 'store' | 'sealerStore' | 'clock' | 'watchMetrics'>;

const keyOf = ({ rule, subject }: WatchFinding) => `${rule} ${subject}`;

/**
 * @param looked whether a finding of before would have been found again; what was not looked at stays
 * @param state what the watcher wants to know next time; committed with the findings
 * @returns what is open now
 */
export async function settleFindings(
  context: SettleContext,
  workspace: WorkspaceId,
  source: WatchSource,
  result: {
    readonly found: readonly WatchFinding[];
    readonly looked: (finding: WatchFinding) => boolean;
    readonly state: unknown;
  },
): Promise<readonly KeptFinding[]> {
  const { looked, state } = result;
  const found = [...new Map(result.found.map((one) => [keyOf(one), one])).values()];
  const keys = new Set(found.map(keyOf));
  const at = timeText(context.clock.nowMs());
  // Not through the store that looks at the log first: a frozen log has findings as well.
  const open = await context.sealerStore.submit(workspace, async (tx) => {
    const before = await tx.watchFindings(source);
    const gone = before.filter((one) => looked(one) && !keys.has(keyOf(one)));
    await tx.dropFindings(source, gone);
    const known = new Set(before.map(keyOf));
    const fresh = found.filter((one) => !known.has(keyOf(one)));
    const kept = before.filter((one) => !gone.includes(one));
    await tx.putFindings(source, withRoom(kept, fresh), at);
    await tx.putWatchState(source, state);
    return tx.watchFindings(source);
  });
  context.watchMetrics.findings(source, workspace, open.length);
  const untold = open.filter(({ told }) => !told);
  if (untold.length === 0) return open;
  for (const { rule, subject, message } of untold) {
    log.error('{source} of {workspace}: {rule} {subject}: {message}', {
      ...{ source, workspace, rule, subject, message },
    });
  }
  // A crash in between tells them again: once more is better than never.
  if (await tell(context.store, workspace, source, untold)) {
    await context.sealerStore.submit(workspace, (tx) => tx.markTold(source, untold));
  }
  return open;
}

/** Each rule has its own room, so that none of them hides another, however many there are of it. */
function withRoom(
  kept: readonly WatchFinding[],
  fresh: readonly WatchFinding[],
): readonly WatchFinding[] {
  const counts = new Map<string, number>();
  const count = ({ rule }: WatchFinding) => {
    const now = (counts.get(rule) ?? 0) + 1;
    counts.set(rule, now);
    return now;
  };
  for (const one of kept) count(one);
  return fresh.filter((one) => count(one) <= WATCH_LIMITS.findings);
}

/** @returns whether some log says so now */
async function tell(
  store: WorkspaceStore,
  workspace: WorkspaceId,
  source: WatchSource,
  findings: readonly WatchFinding[],
): Promise<boolean> {
  const told = findings.slice(0, WATCH_LIMITS.toldFindings);
  const data = {
    workspace,
    findings: told.map(({ rule, subject, message, seq }) => ({
      ...{ rule, subject, message },
      ...(seq === undefined ? {} : { seq }),
    })),
    more: findings.length - told.length,
  };
  let anywhere = false;
  // The workspace's own log may be frozen, or be the one that is wrong.
  for (const where of new Set([workspace, INSTANCE_WORKSPACE])) {
    try {
      await store.submit(where, async (tx) => {
        tx.append({
          type: TOLD_AS[source],
          ...{ actor: SYSTEM_ACTOR, subject: {}, trace: null, data },
        });
      });
      anywhere = true;
    } catch (error) {
      log.warn('the log of {where} does not say so: {reason}', { where, reason: String(error) });
    }
  }
  return anywhere;
}
