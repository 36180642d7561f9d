/** Legal holds: what they cover is not disposed of, whatever its retention, until somebody lifts them. */
import { getLogger } from '@logtape/logtape';
import type { HoldId, WorkspaceId } from '@portarium/contracts/ids';
import { type HoldScope, HoldScopeSchema } from '@portarium/contracts/legal-hold';
import * as v from 'valibot';
import { actorOf, type Caller, type Context } from './context.ts';
import { type Failure, failure, type Result, success } from './failure.ts';
import { timeText } from './ports/clock.ts';
import type { HoldRecord } from './ports/keep-store.ts';
import type { ReadTransaction } from './ports/workspace-store.ts';
import { settleHolds } from './settle-holds.ts';
import { submitAs } from './submit-as.ts';

const log = getLogger(['portarium', 'holds']);

/** Holds of a workspace that are not lifted. */
const MOST = 1_000;

const reason = v.pipe(v.string(), v.trim(), v.minLength(1), v.maxLength(2_000));

export const PlaceHoldSchema = v.strictObject({ scope: HoldScopeSchema, reason });
export const LiftHoldSchema = v.strictObject({ reason });

export interface PlacedHold extends HoldRecord {
  /** Artifacts that it covers by now. */
  readonly artifacts: number;
  /** Whether the store has its own hold on all of them; if not, the next change of holds goes on with it. */
  readonly inStore: boolean;
}

export function placeHold(
  context: Context,
  caller: Caller,
  workspace: WorkspaceId,
  wanted: v.InferOutput<typeof PlaceHoldSchema>,
): Promise<Result<PlacedHold>> {
  // A disposal under way has decided without this hold: it comes to its end first.
  return context.keepLock.hold(workspace, async () => {
    const hold = {
      id: context.ids.next('hold'),
      scope: plain(wanted.scope),
      reason: wanted.reason,
      placedBy: caller.key.id,
      placedAt: timeText(context.clock.nowMs()),
    };
    const placed = await submitAs(context, caller, workspace, async (tx) => {
      const unknown = await unknownScope(tx, hold.scope);
      if (unknown) return unknown;
      const open = (await tx.listHolds()).filter(({ lifted }) => lifted === null).length;
      if (open >= MOST) {
        return failure(
          'conflict',
          `The workspace has ${open} holds that are not lifted, the most there may be; lift some, or hold by plugin, person or time.`,
        );
      }
      await tx.insertHold(hold);
      tx.append({
        type: 'hold.placed',
        actor: actorOf(caller),
        subject: {},
        data: { hold: hold.id, scope: hold.scope, reason: hold.reason, by: caller.key.owner },
        trace: caller.trace,
      });
      return success(hold.id);
    });
    if (!placed.ok) return placed;
    const inStore = await settled(context, workspace);
    const artifacts = await context.catalogue.coveredBy(workspace, hold.id);
    return success({ ...hold, lifted: null, artifacts, inStore });
  });
}

export function liftHold(
  context: Context,
  caller: Caller,
  workspace: WorkspaceId,
  { id, reason }: { readonly id: HoldId; readonly reason: string },
): Promise<Result<PlacedHold>> {
  return context.keepLock.hold(workspace, async () => {
    const lifted = { by: caller.key.id, at: timeText(context.clock.nowMs()), reason };
    const done = await submitAs(context, caller, workspace, async (tx) => {
      const hold = await tx.findHold(id);
      if (!hold) return failure('not-found', `The workspace has no hold ${id}.`);
      if (!(await tx.liftHold(id, lifted))) {
        return failure('conflict', 'The hold is lifted already.');
      }
      tx.append({
        type: 'hold.lifted',
        actor: actorOf(caller),
        subject: {},
        data: { hold: id, scope: hold.scope, reason, by: caller.key.owner },
        trace: caller.trace,
      });
      return success({ ...hold, lifted });
    });
    if (!done.ok) return done;
    return success({ ...done.value, artifacts: 0, inStore: await settled(context, workspace) });
  });
}

/** The hold stands whatever becomes of the flags in the store. */
async function settled(context: Context, workspace: WorkspaceId): Promise<boolean> {
  try {
    await context.catalogue.catchUp(workspace);
    return await settleHolds(context, workspace);
  } catch (error) {
    log.warn('the holds of {workspace} are not all in the evidence store: {reason}', {
      ...{ workspace, reason: String(error) },
    });
    return false;
  }
}

/** Times in the one form that the log has. */
function plain(scope: HoldScope): HoldScope {
  if (scope.kind !== 'time') return scope;
  const { from, until } = scope;
  return {
    kind: 'time',
    from: timeText(Date.parse(from)),
    ...(until === undefined ? {} : { until: timeText(Date.parse(until)) }),
  };
}

/** A name that nothing bears would hold nothing, and nobody would know. */
async function unknownScope(tx: ReadTransaction, scope: HoldScope): Promise<Failure | undefined> {
  if (scope.kind === 'action' && !(await tx.findAction(scope.action))) {
    return failure('not-found', `The workspace has no action ${scope.action}.`);
  }
  if (scope.kind === 'plugin' && (await tx.listVersions(scope.plugin)).length === 0) {
    return failure('not-found', `The workspace has no plugin ${scope.plugin}.`);
  }
  return undefined;
}
