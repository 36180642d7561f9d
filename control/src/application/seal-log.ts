/**
 * The sealer: builds tiles of what a log has committed, holds the log against the newest checkpoint in the
 * evidence store, and signs. It never signs a smaller log than before, nor one that contradicts what is
 * stored: such a log is frozen.
 */
import { getLogger } from '@logtape/logtape';
import { type Checkpoint, checkpointOfNote } from '@portarium/contracts/checkpoint';
import { TILE_WIDTH } from '@portarium/contracts/entry-bundle';
import { INSTANCE_WORKSPACE, type WorkspaceId } from '@portarium/contracts/ids';
import { verifyConsistency } from '@portarium/contracts/merkle';
import type { TileTree } from '@portarium/contracts/tile-tree';
import { buildTiles, LogAlteredError, partialTiles } from './build-tiles.ts';
import { type Context, SYSTEM_ACTOR } from './context.ts';
import { logTree } from './log-tree.ts';
import { timeText } from './ports/clock.ts';
import type { CheckpointRecord, FreezeReason, LogFreeze } from './ports/log-store.ts';
import type { ObjectStore } from './ports/object-store.ts';
import { LogFrozenError } from './ports/workspace-store.ts';
import { newestStored, type StoredCheckpoint, storeCheckpoint } from './stored-log.ts';

const log = getLogger(['portarium', 'sealer']);

export type SealContext = Pick<Context, 'sealerStore' | 'signer' | 'objects' | 'clock' | 'logLock'>;

/** Entries that one signature takes in at most, so that a long log is sealed in steps that are kept. */
const MAX_STEP = 65_536;
/** Between two checkpoints of one log in the evidence store. */
const STORE_EVERY_MS = 60_000;
/** How long the list of stored checkpoints is believed: another replica may have added one. */
const LISTED_MS = 10_000;

export interface SealOptions {
  /** Whether the checkpoint goes into the evidence store at once; else a minute after the one before. */
  readonly keep?: boolean;
}

/**
 * @returns the newest checkpoint, or undefined while the log is empty
 * @throws LogFrozenError when the log contradicts what was signed
 */
export function sealLog(
  context: SealContext,
  workspace: WorkspaceId,
  options: SealOptions = {},
): Promise<CheckpointRecord | undefined> {
  return context.logLock.hold(workspace, () => sealHeld(context, workspace, options));
}

/** {@link sealLog} for whoever holds the log's lock. */
export async function sealHeld(
  context: SealContext,
  workspace: WorkspaceId,
  { keep = false }: SealOptions = {},
): Promise<CheckpointRecord | undefined> {
  try {
    const stored = await lastStored(context, workspace);
    const record = await seal(context, workspace, stored);
    return record && (await keepCheckpoint(context, workspace, record, { stored, keep }));
  } catch (error) {
    if (error instanceof Contradiction) return await freeze(context, workspace, error);
    throw error;
  }
}

/** What is in the database is not what was signed. */
class Contradiction extends Error {
  readonly reason: FreezeReason;
  readonly size: number;
  readonly storedSize: number;
  constructor(reason: FreezeReason, detail: string, sizes: { size: number; storedSize: number }) {
    super(detail);
    this.reason = reason;
    this.size = sizes.size;
    this.storedSize = sizes.storedSize;
  }
}

interface Known {
  readonly listedMs: number;
  readonly stored: StoredCheckpoint | undefined;
  /** The note that was last found to agree with it. */
  agreed?: string;
}
/** By the store that it was read from: a process may have several, in tests. */
const known = new WeakMap<ObjectStore, Map<WorkspaceId, Known>>();

function knownOf(objects: ObjectStore): Map<WorkspaceId, Known> {
  const map = known.get(objects) ?? new Map<WorkspaceId, Known>();
  known.set(objects, map);
  return map;
}

/** What was read from the evidence store is read anew: the database may be another one. */
export function forgetStored(objects: ObjectStore): void {
  known.delete(objects);
}

async function lastStored(
  context: SealContext,
  workspace: WorkspaceId,
): Promise<StoredCheckpoint | undefined> {
  const all = knownOf(context.objects);
  const last = all.get(workspace);
  const now = performance.now();
  if (last && now - last.listedMs < LISTED_MS) return last.stored;
  const stored = await newestStored(context, workspace);
  const same = last?.stored?.note === stored?.note ? last?.agreed : undefined;
  all.set(workspace, { listedMs: now, stored, ...(same === undefined ? {} : { agreed: same }) });
  return stored;
}

/** Signs until everything is signed that was committed when it began. */
async function seal(
  context: SealContext,
  workspace: WorkspaceId,
  stored: StoredCheckpoint | undefined,
): Promise<CheckpointRecord | undefined> {
  let goal: number | undefined;
  for (;;) {
    const state = await context.sealerStore.read(workspace, async (tx) => ({
      size: await tx.logSize(),
      record: await tx.checkpoint(),
      freeze: await tx.logFreeze(),
    }));
    const { size, record, freeze: frozen } = state;
    if (frozen) throw frozenError(workspace, frozen);
    const storedSize = stored?.checkpoint.size ?? 0;
    assertNotBehind(size, record?.size ?? 0, storedSize);
    if (size === 0) return undefined;
    goal ??= size;
    const signed = record?.size ?? 0;
    const tiled = record?.tiled ?? 0;
    const done = signed >= goal && tiled >= goal - (goal % TILE_WIDTH);
    if (done && record) {
      await agree(context, workspace, stored, record);
      return record;
    }
    const step = { tiled, to: Math.min(size, tiled + MAX_STEP), workspace };
    const built = await buildTiles(context, step).catch((error) => {
      if (!(error instanceof LogAlteredError)) throw error;
      throw new Contradiction(error.reason, error.message, { size, storedSize });
    });
    const next = await sign(context, workspace, { stored, record, built, size });
    await context.sealerStore.submit(workspace, (tx) =>
      tx.replaceCheckpoint(record, next, built.nodes),
    );
    // Whether we or another sealer were first: look again.
  }
}

/** The size never goes back. */
function assertNotBehind(size: number, signed: number, storedSize: number): void {
  if (size >= storedSize && size >= signed) return;
  const where = size < storedSize ? 'in the evidence store' : 'in the database';
  throw new Contradiction(
    'behind',
    `the database holds ${size} entries, and ${Math.max(storedSize, signed)} are signed by the checkpoint ${where}`,
    { size, storedSize },
  );
}

/** The checkpoint over what was built, once it is proved to contain what was signed before. */
async function sign(
  context: SealContext,
  workspace: WorkspaceId,
  from: {
    readonly stored: StoredCheckpoint | undefined;
    readonly record: CheckpointRecord | undefined;
    readonly built: { readonly tree: TileTree; readonly tiled: number };
    readonly size: number;
  },
): Promise<Pick<CheckpointRecord, 'size' | 'note' | 'range' | 'tiled'>> {
  const { stored, record, size } = from;
  const { tree, tiled } = from.built;
  const older = [stored?.checkpoint, record && checkpointOfNote(record.note)];
  for (const checkpoint of older) {
    if (checkpoint && checkpoint.size <= tree.size) {
      await assertContains(tree, checkpoint, { size, storedSize: stored?.checkpoint.size ?? 0 });
    }
  }
  // Tiles of what is signed already: an older release signed without them.
  if (record && tree.size <= record.size) return { ...record, tiled };
  const note = await context.signer.sign(workspace, tree.size, await tree.root());
  return { size: tree.size, note, range: await tree.rangeAt(tree.size), tiled };
}

async function assertContains(
  tree: TileTree,
  older: Checkpoint,
  sizes: { size: number; storedSize: number },
): Promise<void> {
  const contained = await verifyConsistency({
    from: older.size,
    fromRoot: older.root,
    to: tree.size,
    toRoot: await tree.root(),
    proof: await tree.consistency(older.size),
  });
  if (contained) return;
  throw new Contradiction(
    'contradicted',
    `the first ${older.size} entries in the database are not those that were signed`,
    sizes,
  );
}

/** Nothing new to sign: what is signed has to agree with what is stored all the same, once. */
async function agree(
  context: SealContext,
  workspace: WorkspaceId,
  stored: StoredCheckpoint | undefined,
  record: CheckpointRecord,
): Promise<void> {
  const last = knownOf(context.objects).get(workspace);
  if (last?.agreed === record.note) return;
  const sizes = { size: record.size, storedSize: stored?.checkpoint.size ?? 0 };
  await context.sealerStore.read(workspace, async (tx) => {
    const tree = logTree(tx, record.size);
    const own = checkpointOfNote(record.note);
    if (own) await assertContains(tree, own, sizes);
    if (stored) await assertContains(tree, stored.checkpoint, sizes);
  });
  if (last) last.agreed = record.note;
}

/** Puts the checkpoint into the evidence store when it is time, with the partial tiles of its size. */
async function keepCheckpoint(
  context: SealContext,
  workspace: WorkspaceId,
  record: CheckpointRecord,
  { stored, keep }: { readonly stored: StoredCheckpoint | undefined; readonly keep: boolean },
): Promise<CheckpointRecord> {
  if (record.size <= (stored?.checkpoint.size ?? 0)) return record;
  const nowMs = context.clock.nowMs();
  const last = record.storedAt === undefined ? 0 : Date.parse(record.storedAt);
  if (!keep && stored && nowMs - last < STORE_EVERY_MS && nowMs >= last) return record;
  const partial = await context.sealerStore.read(workspace, (tx) => partialTiles(tx, record.size));
  await storeCheckpoint(context, workspace, record.note, partial);
  knownOf(context.objects).delete(workspace);
  const kept = await lastStored(context, workspace);
  const own = checkpointOfNote(record.note);
  if (kept && own && kept.checkpoint.size === own.size) {
    const { size } = own;
    const same = kept.note === record.note || Buffer.compare(kept.checkpoint.root, own.root) === 0;
    if (!same) {
      const detail = `another log of ${size} entries is signed in the evidence store: a fork`;
      throw new Contradiction('contradicted', detail, { size, storedSize: size });
    }
  }
  const storedAt = timeText(nowMs);
  await context.sealerStore.submit(workspace, (tx) => tx.markStored(record.size, storedAt));
  return { ...record, storedSize: record.size, storedAt };
}

async function freeze(
  context: SealContext,
  workspace: WorkspaceId,
  found: Contradiction,
): Promise<never> {
  const at = timeText(context.clock.nowMs());
  const { reason, message: detail, size, storedSize } = found;
  const frozen: LogFreeze = { reason, detail, size, storedSize, at };
  await context.sealerStore.submit(workspace, (tx) => tx.freezeLog(frozen));
  log.error('the log of {workspace} is frozen: {detail}', { workspace, reason, detail });
  if (workspace !== INSTANCE_WORKSPACE) await tellInstance(context, workspace, frozen);
  throw frozenError(workspace, frozen);
}

/** The log itself takes no entry; the instance's says why. */
async function tellInstance(
  context: SealContext,
  workspace: WorkspaceId,
  { reason, detail, size, storedSize }: LogFreeze,
): Promise<void> {
  const told = context.sealerStore.submit(INSTANCE_WORKSPACE, async (tx) => {
    tx.append({
      type: 'evidence.frozen',
      actor: SYSTEM_ACTOR,
      subject: {},
      data: { workspace, reason, detail, size, storedSize },
      trace: null,
    });
  });
  await told.catch((error) =>
    log.error('the log of the instance could not say so: {reason}', { reason: String(error) }),
  );
}

export function frozenError(workspace: WorkspaceId, { reason, detail }: LogFreeze): LogFrozenError {
  return new LogFrozenError(`the evidence log of ${workspace} is frozen (${reason}): ${detail}`);
}
