/** Actions in PostgreSQL against workflows in Temporal: the former are the truth. */
import { getLogger } from '@logtape/logtape';
import type { ActionId, WorkspaceId } from '@portarium/contracts/ids';
import { PLATFORM_LIMITS, WATCH_LIMITS } from '@portarium/contracts/limits';
import type { Context } from './context.ts';
import { lookAtAction } from './look-action.ts';
import { timeText } from './ports/clock.ts';
import type { DueDispatch } from './ports/directory.ts';
import {
  CheckFailed,
  CheckRun,
  type Cursors,
  type ReconcileContext,
} from './reconciliation-run.ts';

const log = getLogger(['portarium', 'reconciler']);

/** Until what could not be delivered, although Temporal is there, is tried again. */
const POSTPONED_MS = 30_000;
/** A dispatch older than this was left behind; a younger one is still on its way. */
export const DISPATCH_AGE_MS = 3_000;

/**
 * Tells Temporal what was committed and never reached it. It is a delivery that waits in a queue, and leaves
 * no entry: what it brings about does.
 */
export async function deliverDispatch(
  { dispatcher, directory }: Pick<Context, 'dispatcher' | 'directory'>,
  { workspace, action, wake }: DueDispatch,
): Promise<void> {
  try {
    if (wake === null) await dispatcher.start(workspace, action, true);
    else await dispatcher.wake(workspace, action, wake);
  } catch (error) {
    await directory.postpone(workspace, action, wake, POSTPONED_MS);
    throw error;
  }
  await directory.dispatched(workspace, action, wake);
  log.info('told Temporal of {action}, which a crash or an outage had left behind', { action });
}

/** `dispatch.undelivered`: the workspace's part of the dispatch queue. */
export async function checkDispatches(run: CheckRun): Promise<void> {
  const { context, workspace } = run;
  const due = await context.directory.dueDispatches(DISPATCH_AGE_MS, workspace);
  run.looked = due.length;
  // An outage delays nothing: what waits is told when Temporal is back.
  if (due.length > 0) await context.dispatcher.ping();
  for (const each of due) {
    if (!run.dryRun) await deliverDispatch(context, each);
    run.repaired.push({ subject: each.action, repair: each.wake === null ? 'started' : 'woken' });
  }
}

/** Asks first whether Temporal is there, which is known sooner than that it does not answer. */
async function listRunning({ dispatcher }: Pick<Context, 'dispatcher'>) {
  await dispatcher.ping();
  return dispatcher.listRunning(WATCH_LIMITS.listedWorkflows);
}

/** `workflow.missing`: actions that go on, and nothing that makes them. @returns the next cursor */
export async function checkMissing(
  run: CheckRun,
  { openAfter }: Cursors,
): Promise<Partial<Cursors>> {
  const { context, workspace } = run;
  const before = timeText(context.clock.nowMs() - PLATFORM_LIMITS.stalledMs);
  const limit = WATCH_LIMITS.reconciledRows;
  const open = await context.store.read(workspace, (tx) =>
    tx.openActions(openAfter, before, limit),
  );
  run.looked = open.length;
  const running = await listRunning(context);
  for (const action of open) {
    if (!running.has(action)) await reviveAction(run, action);
  }
  return { openAfter: open.length < limit ? null : (open.at(-1) ?? null) };
}

/**
 * Looks at an action, which ends what is out of time, and starts its workflow when it has none. A stranger's
 * workflow under its id would never ask.
 */
export async function reviveAction(run: CheckRun, action: ActionId): Promise<void> {
  const { context, workspace } = run;
  if (!run.dryRun && (await lookAtAction(context, workspace, action)).next === 'over') return;
  if (await context.dispatcher.isRunning(action)) return;
  await run.repair(action, 'its workflow was started again', () =>
    context.dispatcher.start(workspace, action, true),
  );
}

/** The actions of a workspace that should be running and that no host has held for a while. */
export async function reviveStalledIn(
  context: ReconcileContext,
  workspace: WorkspaceId,
  stalledMs: number = PLATFORM_LIMITS.stalledMs,
): Promise<void> {
  const at = timeText(context.clock.nowMs());
  const run = new CheckRun(context, { workspace, check: 'workflow.missing', dryRun: false });
  const stalled = await context.store.read(workspace, (tx) => tx.stalledActions(at, stalledMs));
  for (const action of stalled) {
    await reviveAction(run, action).catch((error) =>
      log.warn('{action} is left for later: {reason}', { action, reason: String(error) }),
    );
  }
}

/** `workflow.left-over`: actions that are over, whose claims are all refused, and workflows that go on. */
export async function checkLeftOver(run: CheckRun): Promise<void> {
  const { context, workspace } = run;
  const running = await listRunning(context);
  const before = timeText(context.clock.nowMs() - WATCH_LIMITS.leftOverMs);
  const ended = await context.store.read(workspace, (tx) => tx.endedAmong([...running], before));
  // How many run of other workspaces is nobody's to know here.
  run.looked = ended.length;
  for (const action of ended) {
    if (!(await context.dispatcher.isRunning(action))) continue;
    await run.repair(action, 'its workflow was terminated', () =>
      context.dispatcher.terminate(action, 'the action has ended'),
    );
  }
  if (running.size >= WATCH_LIMITS.listedWorkflows) {
    throw new CheckFailed(
      `more than ${WATCH_LIMITS.listedWorkflows} workflows run; only so many were looked at`,
    );
  }
}

/** `attempt.lapsed`: attempts without an outcome that nobody takes over. */
export async function checkLapsed(run: CheckRun): Promise<void> {
  const { context, workspace } = run;
  const before = timeText(context.clock.nowMs() - WATCH_LIMITS.lapsedMs);
  const find = () =>
    context.store.read(workspace, (tx) => tx.lapsedAttempts(before, WATCH_LIMITS.reconciledRows));
  const lapsed = await find();
  run.looked = lapsed.length;
  if (!run.dryRun) {
    // Ends those that are out of time; the next claim takes the others over.
    for (const { action } of lapsed) await lookAtAction(context, workspace, action);
  }
  for (const { id, action, leaseUntil } of lapsed.length > 0 ? await find() : []) {
    run.leave(
      'attempt.lapsed',
      id,
      `the lease of this attempt of ${action} lapsed at ${leaseUntil}, and no host takes the action over`,
    );
  }
}
