/**
 * What an administrator does about a log that contradicts its checkpoint in the evidence store. Entries that the
 * database lost are put back byte for byte, so that the log goes on from there, and holds and retention with them; nothing
 * that they tell of is done again. A
 * database with other entries than those that were signed is a fork, and is never made to look like none.
 */
import { toHex } from '@portarium/contracts/digest';
import { TILE_WIDTH } from '@portarium/contracts/entry-bundle';
import { leafHash } from '@portarium/contracts/evidence-entry';
import type { WorkspaceId } from '@portarium/contracts/ids';
import { merkleRoot } from '@portarium/contracts/merkle';
import { TileTree } from '@portarium/contracts/tile-tree';
import * as v from 'valibot';
import { actorOf, type Caller, type Context } from './context.ts';
import { failure, type Result, success } from './failure.ts';
import { timeText } from './ports/clock.ts';
import type { LogFreeze, RestoredEntry } from './ports/log-store.ts';
import { entryOf } from './read-entries.ts';
import { replayKeep } from './replay-keep.ts';
import { sealHeld } from './seal-log.ts';
import { settleRecovered } from './settle-recovered.ts';
import { newestStored, type StoredCheckpoint, storedEntries, storedTiles } from './stored-log.ts';

/** Entries that one comparison takes into memory. */
const ENTRIES_PER_READ = 8 * TILE_WIDTH;
/** Bundles of 256 entries that one transaction puts back. */
const BUNDLES_PER_COMMIT = 16;

export const RecoverSchema = v.strictObject({
  /** Only says what would be done. */
  dryRun: v.optional(v.boolean(), false),
  rationale: v.pipe(v.string(), v.trim(), v.minLength(1), v.maxLength(2_000)),
});

/**
 * `none`: database and evidence store agree. `behind`: the database is a beginning of what is stored.
 * `forked`: entry `at` in the database is not the one that was signed.
 */
export interface RecoveryPlan {
  readonly state: 'none' | 'behind' | 'forked';
  readonly frozen: LogFreeze | undefined;
  /** Entries in the database. */
  readonly size: number;
  /** Entries that the newest checkpoint in the evidence store signs. */
  readonly storedSize: number;
  /** First entry that differs. */
  readonly at?: number;
  /** Entries that were put back, or with `dryRun` would be. */
  readonly entries: number;
}

export function recoverLog(
  context: Context,
  caller: Caller,
  workspace: WorkspaceId,
  wanted: v.InferOutput<typeof RecoverSchema>,
): Promise<Result<RecoveryPlan>> {
  // A disposal decides by the holds that this puts back: none is under way meanwhile.
  return context.keepLock.hold(workspace, () =>
    context.logLock.hold(workspace, () => recover(context, caller, workspace, wanted)),
  );
}

async function recover(
  context: Context,
  caller: Caller,
  workspace: WorkspaceId,
  { dryRun, rationale }: v.InferOutput<typeof RecoverSchema>,
): Promise<Result<RecoveryPlan>> {
  const stored = await newestStored(context, workspace);
  const plan = await planRecovery(context, workspace, stored);
  if (dryRun) return success(plan);
  if (plan.state === 'forked') return failure('conflict', forkSentence(plan));
  if (plan.state === 'none' && !plan.frozen) {
    return failure('conflict', 'The log agrees with the evidence store; there is nothing to do.');
  }
  if (!plan.frozen) await freeze(context, workspace, plan);
  if (stored && plan.state === 'behind') await putBack(context, workspace, stored, plan);
  // A recovery that was cut off had put some of them back before this one looked.
  const from = Math.min(plan.size, plan.frozen?.size ?? plan.size);
  const endOpen = await settleRecovered(context, workspace, from);
  await context.sealerStore.submit(workspace, async (tx) => {
    await tx.thawLog();
    const actions = await endOpen(tx);
    tx.append({
      type: 'evidence.recovered',
      actor: actorOf(caller),
      subject: {},
      data: {
        state: plan.state,
        from: plan.size,
        entries: plan.entries,
        storedSize: plan.storedSize,
        storedRoot: `sha256:${toHex(stored?.checkpoint.root ?? (await merkleRoot([])))}`,
        // What the rest of the rows say is that of the older database.
        stateRestored: false,
        // Those that were ended, or had ended, where their rows went on.
        actions,
        by: caller.key.owner,
        rationale,
        ...(plan.frozen ? { frozen: plan.frozen.reason } : {}),
      },
      trace: caller.trace,
    });
  });
  await sealHeld(context, workspace, { keep: true });
  return success(plan);
}

/** Nothing goes on while entries are put back; and a recovery that is cut off knows where it began. */
async function freeze(
  { sealerStore, clock }: Context,
  workspace: WorkspaceId,
  { size, storedSize }: RecoveryPlan,
): Promise<void> {
  const detail = `the database holds ${size} entries, and ${storedSize} are signed`;
  const at = timeText(clock.nowMs());
  await sealerStore.submit(workspace, (tx) =>
    tx.freezeLog({ reason: 'behind', detail, size, storedSize, at }),
  );
}

function forkSentence({ at = 0, size, storedSize }: RecoveryPlan): string {
  return `Entry ${at} in the database is not the one that was signed: a fork. The database has ${size} entries, the evidence store a checkpoint over ${storedSize}. Nothing was changed. Keep a copy of this database, and restore one that is a beginning of the stored log: docs/how-to/recover-a-log.md.`;
}

async function planRecovery(
  context: Context,
  workspace: WorkspaceId,
  stored: StoredCheckpoint | undefined,
): Promise<RecoveryPlan> {
  const { size, frozen } = await context.sealerStore.read(workspace, async (tx) => ({
    size: await tx.logSize(),
    frozen: await tx.logFreeze(),
  }));
  const storedSize = stored?.checkpoint.size ?? 0;
  const about = { frozen, size, storedSize };
  const common = Math.min(size, storedSize);
  const at = stored && (await firstDifference(context, workspace, stored, common));
  if (at !== undefined) return { state: 'forked', ...about, at, entries: 0 };
  const missing = storedSize - common;
  return { state: missing > 0 ? 'behind' : 'none', ...about, entries: missing };
}

/** The first of `size` entries whose bytes in the database are not those of the stored tree. */
async function firstDifference(
  context: Context,
  workspace: WorkspaceId,
  stored: StoredCheckpoint,
  size: number,
): Promise<number | undefined> {
  const read = storedTiles(context, workspace, stored);
  for (let first = 0; first < size; first += ENTRIES_PER_READ) {
    const limit = Math.min(ENTRIES_PER_READ, size - first);
    const entries = await context.sealerStore.read(workspace, (tx) =>
      tx.listEntries({ after: first - 1, limit }),
    );
    for (let i = 0; i < limit; i += TILE_WIDTH) {
      const index = (first + i) / TILE_WIDTH;
      const width = Math.min(TILE_WIDTH, stored.checkpoint.size - index * TILE_WIDTH);
      const tile = await read(0, index, width);
      for (let j = 0; j < Math.min(TILE_WIDTH, limit - i); j++) {
        const seq = first + i + j;
        const entry = entries[i + j];
        const leaf = entry?.seq === seq ? toHex(await leafHash(entry.bytes)) : '';
        if (leaf !== toHex(tile[j] ?? new Uint8Array())) return seq;
      }
    }
  }
  return undefined;
}

/** Puts back what the stored checkpoint signs and the database lacks; a crash leaves it to be gone on with. */
async function putBack(
  context: Context,
  workspace: WorkspaceId,
  stored: StoredCheckpoint,
  plan: RecoveryPlan,
): Promise<void> {
  await assertSigned(context, workspace, stored);
  for (let next = plan.size; next < plan.storedSize; ) {
    const restored: RestoredEntry[] = [];
    for (let i = 0; i < BUNDLES_PER_COMMIT && next < plan.storedSize; i++) {
      const index = Math.floor(next / TILE_WIDTH);
      const bundle = await storedEntries(context, workspace, stored, index);
      for (const bytes of bundle.slice(next - index * TILE_WIDTH)) {
        restored.push(await restoredOf(bytes, next));
        next += 1;
      }
    }
    const put = await context.sealerStore.submit(workspace, async (tx) => {
      if (!(await tx.restoreEntries(restored))) return false;
      await replayKeep(
        tx,
        restored.map((one) => entryOf(one.bytes)),
      );
      return true;
    });
    if (!put)
      throw new Error(`the log of ${workspace} changed while it was recovered; run it again`);
  }
}

/** The stored bundles give the root that the stored checkpoint signs. */
async function assertSigned(
  context: Context,
  workspace: WorkspaceId,
  stored: StoredCheckpoint,
): Promise<void> {
  const { size, root } = stored.checkpoint;
  const tree = new TileTree(size, storedTiles(context, workspace, stored));
  const leaves: Uint8Array[] = [];
  for (let index = 0; index * TILE_WIDTH < size; index++) {
    const bundle = await storedEntries(context, workspace, stored, index);
    leaves.push(...(await Promise.all(bundle.map(leafHash))));
  }
  const same = (a: Uint8Array, b: Uint8Array) => toHex(a) === toHex(b);
  if (same(await tree.root(), root) && same(await merkleRoot(leaves), root)) return;
  throw new Error(`what the evidence store holds of ${workspace} does not give the signed root`);
}

async function restoredOf(bytes: Uint8Array, seq: number): Promise<RestoredEntry> {
  const entry = entryOf(bytes);
  if (entry.seq !== seq) throw new Error(`the stored entry ${entry.seq} stands at ${seq}`);
  return {
    seq,
    hash: `sha256:${toHex(await leafHash(bytes))}`,
    bytes,
    type: entry.type,
    action: entry.subject.action,
    actionSeq: entry.actionSeq,
    time: entry.time,
  };
}
