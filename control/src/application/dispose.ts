/**
 * Removes artifacts whose retention is over and that no legal hold covers. The order stands in the log, sealed into the
 * evidence store, before the first of them goes; what became of it is told after the last. Killed in between, the next
 * run ends it. Removes artifacts only: the log keeps their digests.
 */
import { type Digest, DigestSchema } from '@portarium/contracts/digest';
import type { WorkspaceId } from '@portarium/contracts/ids';
import type { KeptReason } from '@portarium/contracts/legal-hold';
import * as v from 'valibot';
import { actorOf, type Caller, type Context } from './context.ts';
import { type Result, success } from './failure.ts';
import { inTurns } from './in-turns.ts';
import type { DisposalOrder, DueArtifact } from './ports/catalogue.ts';
import { timeText } from './ports/clock.ts';
import { sealLog } from './seal-log.ts';
import { settleHolds } from './settle-holds.ts';
import { submitAs } from './submit-as.ts';

/** What one order names at most: its entry, and that of its end, have to stay below 65,535 bytes. */
const MOST = 400;
/** Requests to the store at once. */
const AT_ONCE = 8;

export const DisposeSchema = v.strictObject({
  /** Only says what would go. */
  dryRun: v.optional(v.boolean(), false),
  reason: v.pipe(v.string(), v.trim(), v.minLength(1), v.maxLength(2_000)),
  /** Artifacts that this call looks at, by ascending digest. */
  limit: v.optional(v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(MOST)), 100),
  /** Goes on above it: `next` of the answer before. */
  after: v.optional(DigestSchema),
});

/**
 * `due`: it would go. `hold`: a hold keeps it. `retention`: the store keeps it for longer than its entries say. `missing`:
 * it is not there, and nobody disposed of it: no order may excuse that.
 */
export type DisposalOutcome = 'due' | 'removed' | 'missing' | KeptReason;

export interface DisposalReport {
  readonly items: readonly (Omit<DueArtifact, 'held'> & { readonly outcome: DisposalOutcome })[];
  /** Artifacts of earlier orders that a run before had not come to. */
  readonly resumed: number;
  /** There may be more above it. */
  readonly next?: Digest;
}

type DisposeContext = Pick<
  Context,
  | 'catalogue'
  | 'clock'
  | 'keepLock'
  | 'logLock'
  | 'objects'
  | 'destroyStore'
  | 'retentionOf'
  | 'sealerStore'
  | 'signer'
>;

export function dispose(
  context: DisposeContext,
  caller: Caller,
  workspace: WorkspaceId,
  wanted: v.InferOutput<typeof DisposeSchema>,
): Promise<Result<DisposalReport>> {
  const { dryRun, limit, after } = wanted;
  // Nobody places a hold between the decision and the removal.
  return context.keepLock.hold(workspace, async () => {
    const { catalogue } = context;
    await catalogue.catchUp(workspace);
    let resumed = 0;
    if (!dryRun) {
      await settleHolds(context, workspace);
      const ended = await endOrders(context, caller, workspace);
      if (!ended.ok) return ended;
      resumed = ended.value.size;
    }
    const found = await catalogue.due(workspace, {
      now: timeText(context.clock.nowMs()),
      periodsMs: await periodsOf(context, workspace),
      after,
      limit,
    });
    const judged = await inTurns(found, AT_ONCE, (one) => judge(context, workspace, one));
    let outcomes: ReadonlyMap<Digest, DisposalOutcome> = new Map();
    const digests = judged.filter(({ outcome }) => outcome === 'due').map(({ digest }) => digest);
    if (!dryRun && digests.length > 0) {
      const ordered = await order(context, caller, workspace, digests, wanted.reason);
      if (!ordered.ok) return ordered;
      const ended = await endOrders(context, caller, workspace);
      if (!ended.ok) return ended;
      outcomes = ended.value;
    }
    const last = found.length === limit ? found.at(-1) : undefined;
    return success({
      items: judged.map((one) => ({ ...one, outcome: outcomes.get(one.digest) ?? one.outcome })),
      resumed,
      ...(last ? { next: last.digest } : {}),
    });
  });
}

async function periodsOf({ retentionOf }: DisposeContext, workspace: WorkspaceId) {
  return {
    operational: await retentionOf(workspace, 'operational'),
    compliance: await retentionOf(workspace, 'compliance'),
    forensic: await retentionOf(workspace, 'forensic'),
  };
}

/** What the store says of it; it has the last word at the removal, too. */
async function judge(
  { objects, clock }: DisposeContext,
  workspace: WorkspaceId,
  { held, ...one }: DueArtifact,
): Promise<DisposalReport['items'][number]> {
  if (held) return { ...one, outcome: 'hold' };
  const lock = await objects.lockOf(workspace, one.digest);
  if (!lock) return { ...one, outcome: 'missing' };
  if (lock.held) return { ...one, outcome: 'hold' };
  return { ...one, outcome: lock.retainUntilMs > clock.nowMs() ? 'retention' : 'due' };
}

async function order(
  context: DisposeContext,
  caller: Caller,
  workspace: WorkspaceId,
  digests: readonly Digest[],
  reason: string,
): Promise<Result<true>> {
  return submitAs(asDestroyer(context), caller, workspace, async (tx) => {
    tx.append({
      type: 'disposal.ordered',
      actor: actorOf(caller),
      subject: {},
      data: { digests: [...digests], reason, by: caller.key.owner },
      trace: caller.trace,
    });
    return success<true>(true);
  });
}

/** Entries of disposals are written by the role that disposes, and by no other. */
function asDestroyer(context: DisposeContext): Pick<Context, 'store' | 'clock'> {
  return { store: context.destroyStore, clock: context.clock };
}

/** @returns what became of every artifact of the orders that had no end yet */
async function endOrders(
  context: DisposeContext,
  caller: Caller,
  workspace: WorkspaceId,
): Promise<Result<ReadonlyMap<Digest, DisposalOutcome>>> {
  const outcomes = new Map<Digest, DisposalOutcome>();
  const open = await context.catalogue.openOrders(workspace);
  // A database that is restored later still has to know why the artifacts are gone.
  if (open.length > 0) await sealLog(context, workspace, { keep: true });
  for (const one of open) {
    const ended = await endOrder(context, caller, workspace, one);
    if (!ended.ok) return ended;
    for (const [digest, outcome] of ended.value) outcomes.set(digest, outcome);
  }
  await context.catalogue.catchUp(workspace);
  return success(outcomes);
}

async function endOrder(
  context: DisposeContext,
  caller: Caller,
  workspace: WorkspaceId,
  { seq, digests }: DisposalOrder,
): Promise<Result<readonly (readonly [Digest, DisposalOutcome])[]>> {
  const removed: Digest[] = [];
  const kept: { digest: Digest; why: KeptReason }[] = [];
  await inTurns(digests, AT_ONCE, async (digest) => {
    const why = await removeUnlessKept(context, workspace, digest, seq);
    if (why === undefined) removed.push(digest);
    else kept.push({ digest, why });
  });
  const ended = await submitAs(asDestroyer(context), caller, workspace, async (tx) => {
    tx.append({
      type: 'disposal.finished',
      actor: actorOf(caller),
      subject: {},
      data: {
        order: seq,
        removed: removed.sort(),
        kept: kept.sort((a, b) => (a.digest < b.digest ? -1 : 1)),
      },
      trace: caller.trace,
    });
    return success<true>(true);
  });
  if (!ended.ok) return ended;
  return success([
    ...removed.map((digest) => [digest, 'removed'] as const),
    ...kept.map(({ digest, why }) => [digest, why] as const),
  ]);
}

/** Looked at again for each: the lock of the workspace is lost with its connection. */
async function removeUnlessKept(
  { catalogue, objects }: DisposeContext,
  workspace: WorkspaceId,
  digest: Digest,
  order: number,
): Promise<KeptReason | undefined> {
  await catalogue.catchUp(workspace);
  const why = await catalogue.reasonToKeep(workspace, digest, order);
  if (why !== undefined) return why;
  const removal = await objects.remove(workspace, digest);
  return removal.outcome === 'kept' ? removal.why : undefined;
}
