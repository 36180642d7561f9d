/**
 * The background work of the Control Plane: events to the bus, checkpoints over the logs and their
 * verification, workflows that a crash left unstarted, and the reconciler. Each loop goes on after any failure and says so in the log.
 */

import { getLogger } from '@logtape/logtape';
import type { WorkspaceId } from '@portarium/contracts/ids';
import { INSTANCE_WORKSPACE } from '@portarium/contracts/ids';
import { PLATFORM_LIMITS, WATCH_LIMITS } from '@portarium/contracts/limits';
import type { Context } from './application/context.ts';
import { lookAtAction } from './application/look-action.ts';
import { timeText } from './application/ports/clock.ts';
import { LogFrozenError } from './application/ports/workspace-store.ts';
import { reconcile, viewReconciliation } from './application/reconcile.ts';
import {
  DISPATCH_AGE_MS,
  deliverDispatch,
  reviveStalledIn,
} from './application/reconcile-workflows.ts';
import { resumeRotation } from './application/rotate-log-key.ts';
import { sealLog } from './application/seal-log.ts';
import { appendCutOff } from './application/try-module.ts';
import { watchLog } from './application/watch-log.ts';
import type { Composed } from './compose.ts';
import type { EventPublisher } from './infrastructure/nats/publisher.ts';
import type { Sql } from './infrastructure/postgres/connect.ts';
import {
  asOnlyRelay,
  markPublished,
  type OutboxEvent,
  unpublished,
} from './infrastructure/postgres/outbox.ts';
import { inOwnDatabases } from './infrastructure/postgres/tenancy/own-databases.ts';

const log = getLogger(['portarium', 'relay']);

const POLL_MS = 1_000;
const SEAL_MS = 1_000;
const FULL_SEAL_MS = 30_000;
const SWEEP_MS = 2_000;
/** Between two looks for approvals that are out of time and actions that nobody runs. */
const LOOK_MS = 5_000;
/** Between two looks for idempotency keys, token buckets and uploads that are past their time. */
const FORGET_MS = 10 * 60_000;
/** Unused for so long, a token bucket has been full for most of it. */
const FORGET_RATES_MS = 60 * 60_000;
/** Until verification and reconciliation are cut off when the relay stops. */
const WATCHERS_STOP_MS = 3_000;
const BATCH = 500;

export interface Relay {
  stop(): Promise<void>;
}

export function startRelay(
  parts: Pick<Composed, 'context' | 'sql' | 'places' | 'publisher' | 'signals'>,
): Relay {
  const { context, signals } = parts;
  const dirty = new Set<WorkspaceId>();
  const unverified = new Set<WorkspaceId>();
  let pending = false;
  let wake: () => void = () => {};
  const unsubscribe = signals.onCommit((workspace) => {
    dirty.add(workspace);
    unverified.add(workspace);
    pending = true;
    wake();
  });
  const stopped = Promise.withResolvers<void>();
  const sleeper = (ms: number) => async () => {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const over = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, ms);
    });
    await Promise.race([over, stopped.promise]);
    clearTimeout(timer);
  };
  const nextCommit = () =>
    new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, pending ? 0 : POLL_MS);
      wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  let lastFullSeal = 0;
  let lastFullVerification = Number.NEGATIVE_INFINITY;
  const loops = [
    loop(
      'publish',
      () => {
        pending = false;
        return publishAll(parts);
      },
      nextCommit,
    ),
    loop(
      'seal',
      async () => {
        if (context.clock.nowMs() - lastFullSeal >= FULL_SEAL_MS) {
          for (const workspace of await everyLog(context)) dirty.add(workspace);
          lastFullSeal = context.clock.nowMs();
          await resumeRotation(context);
        }
        for (const workspace of [...dirty]) {
          dirty.delete(workspace);
          await sealLog(context, workspace).catch((error) => {
            // One log's trouble must not keep the others unsigned. A frozen one is looked at with all.
            if (!(error instanceof LogFrozenError)) dirty.add(workspace);
            log.warn('{workspace} is not sealed: {reason}', { workspace, reason: String(error) });
          });
        }
      },
      sleeper(SEAL_MS),
    ),
    // Each for itself: what one can not do must not keep the others waiting.
    loop('sweep', () => sweep(context), sleeper(SWEEP_MS)),
    loop('expire', () => expireApprovals(context), sleeper(LOOK_MS)),
    loop('revive', () => reviveStalled(context), sleeper(LOOK_MS)),
    loop(
      'forget',
      async () => {
        await context.rateTokens.forget(FORGET_RATES_MS);
        await forgetIdempotencyKeys(context);
        await forgetCandidates(context);
      },
      sleeper(FORGET_MS),
    ),
  ];
  // Each may be cut off anywhere, and goes on there.
  const watchers = [
    loop(
      'verify',
      async () => {
        const nowMs = context.clock.nowMs();
        if (nowMs - lastFullVerification >= WATCH_LIMITS.verifyIdleEveryMs) {
          for (const workspace of await everyLog(context)) unverified.add(workspace);
          lastFullVerification = nowMs;
        }
        await forEach([...unverified], async (workspace) => {
          unverified.delete(workspace);
          if (context.stopping.aborted) return;
          // A failure of the store is no finding: it is looked at again with all.
          if (await watchLog(context, workspace)) unverified.add(workspace);
        });
      },
      sleeper(WATCH_LIMITS.verifyEveryMs),
    ),
    loop(
      'reconcile',
      async () => {
        await forEach(await everyLog(context), async (workspace) => {
          if (context.stopping.aborted) return;
          const { ranAt } = await viewReconciliation(context, workspace);
          const sinceMs = context.clock.nowMs() - Date.parse(ranAt ?? '');
          // Another replica may have been here.
          if (!(sinceMs < WATCH_LIMITS.reconcileEveryMs / 2)) await reconcile(context, workspace);
        });
      },
      sleeper(WATCH_LIMITS.reconcileEveryMs),
    ),
  ];
  return {
    async stop() {
      unsubscribe();
      for (const each of [...loops, ...watchers]) each.stop();
      wake();
      stopped.resolve();
      const watched = Promise.all(watchers.map((each) => each.done));
      await Promise.all([...loops.map((each) => each.done), atMost(watched, WATCHERS_STOP_MS)]);
    },
  };
}

/** Resolves with `work`, or when it has taken too long. */
async function atMost(work: Promise<unknown>, ms: number): Promise<void> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const over = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, ms);
  });
  await Promise.race([work, over]);
  clearTimeout(timer);
}

function loop(
  name: string,
  work: () => Promise<void>,
  pause: () => Promise<void>,
): { stop(): void; done: Promise<void> } {
  let running = true;
  const done = (async () => {
    while (running) {
      try {
        await work();
      } catch (error) {
        log.warn('{loop} failed and goes on: {reason}', { loop: name, reason: String(error) });
      }
      if (running) await pause();
    }
  })();
  return {
    stop: () => {
      running = false;
    },
    done,
  };
}

/** Publishes everything that waits, each workspace in the order of its log. */
export async function publishAll({
  sql,
  places,
  publisher,
}: Pick<Composed, 'sql' | 'places' | 'publisher'>): Promise<void> {
  await asOnlyRelay(sql, async () => {
    await publishFrom(sql, publisher);
    // A workspace with a database of its own has its outbox there.
    await inOwnDatabases(sql, places, (own) => publishFrom(own, publisher));
  });
}

async function publishFrom(sql: Sql, publisher: EventPublisher): Promise<void> {
  for (;;) {
    const events = await unpublished(sql, BATCH);
    if (events.length === 0) return;
    for (const [workspace, own] of byWorkspace(events)) {
      for (const event of own) await publisher.publish(event.subject, event.id, event.envelope);
      await markPublished(sql, workspace, own.at(-1)?.seq ?? -1);
    }
  }
}

function byWorkspace(events: readonly OutboxEvent[]): Map<string, OutboxEvent[]> {
  const groups = new Map<string, OutboxEvent[]>();
  for (const event of events) {
    const group = groups.get(event.workspace) ?? [];
    group.push(event);
    groups.set(event.workspace, group);
  }
  return groups;
}

/** Delivers what was committed and never reached Temporal: workflows to start, wake-ups to tell. */
export async function sweep(context: Context, olderThanMs = DISPATCH_AGE_MS): Promise<void> {
  const due = await context.directory.dueDispatches(olderThanMs);
  // An outage delays nothing: what waits is told when Temporal is back.
  if (due.length > 0) await context.dispatcher.ping();
  await forEach(due, (each) => deliverDispatch(context, each));
}

/** Does the work for each item, whatever becomes of the others, and says what failed. */
async function forEach<T>(items: readonly T[], work: (item: T) => Promise<void>): Promise<void> {
  for (const item of items) {
    try {
      await work(item);
    } catch (error) {
      log.warn('{item} is left for later: {reason}', {
        item: JSON.stringify(item),
        reason: String(error),
      });
    }
  }
}

/** Ends approvals that are out of time, whether or not their workflows ask. */
export async function expireApprovals(context: Context): Promise<void> {
  const at = timeText(context.clock.nowMs());
  await forEach(await context.directory.listWorkspaces(), async ({ id: workspace }) => {
    const overdue = await context.store.read(workspace, (tx) => tx.overdueApprovals(at, BATCH));
    await forEach(overdue, async (action) => {
      await lookAtAction(context, workspace, action);
    });
  });
}

/** The reconciler's quickest check, for every workspace: actions that should be running and stand still. */
export async function reviveStalled(context: Context, stalledMs?: number): Promise<void> {
  await forEach(await context.directory.listWorkspaces(), ({ id }) =>
    reviveStalledIn(context, id, stalledMs),
  );
}

/** Every log of the instance, its own first. */
async function everyLog(context: Pick<Context, 'directory'>): Promise<readonly WorkspaceId[]> {
  return [INSTANCE_WORKSPACE, ...(await context.directory.listWorkspaces()).map(({ id }) => id)];
}

/** Modules of uploads that a stop of the Control Plane cut off; that a host may have tried them is on record then. */
export async function forgetCandidates(context: Context): Promise<void> {
  await forEach(await context.directory.listWorkspaces(), async ({ id }) => {
    await context.store.submit(id, async (tx) => {
      for (const candidate of await tx.forgetCandidates()) appendCutOff(tx, candidate);
    });
  });
}

/** Forgets idempotency keys after `idempotencyHours`; a request with one of them is a new one then. */
export async function forgetIdempotencyKeys(context: Context): Promise<void> {
  const before = timeText(
    context.clock.nowMs() - PLATFORM_LIMITS.idempotencyHours * 60 * 60 * 1000,
  );
  await forEach(await context.directory.listWorkspaces(), async ({ id }) => {
    await context.store.submit(id, (tx) => tx.forgetIdempotencyKeys(before));
  });
}
