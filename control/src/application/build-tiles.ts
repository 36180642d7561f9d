/**
 * Builds the tiles of a log as far as it is committed, and puts full ones into the evidence store. Reads only
 * what no full tile holds yet, and believes no hash that it did not compute.
 */
import { toHex } from '@portarium/contracts/digest';
import {
  encodeEntryBundle,
  encodeTile,
  entryBundlePath,
  TILE_WIDTH,
  tilePath,
} from '@portarium/contracts/entry-bundle';
import { leafHash } from '@portarium/contracts/evidence-entry';
import type { WorkspaceId } from '@portarium/contracts/ids';
import { merkleRoot } from '@portarium/contracts/merkle';
import type { TarFile } from '@portarium/contracts/tar';
import { TileTree } from '@portarium/contracts/tile-tree';
import type { Context } from './context.ts';
import { readTilesOf } from './log-tree.ts';
import type { FreezeReason, LogReads, NewNodes } from './ports/log-store.ts';
import type { LogEntryRecord } from './ports/records.ts';
import { InfraError, type ReadTransaction } from './ports/workspace-store.ts';

/** Objects that are on their way to the evidence store at a time. */
const PUTS = 8;

/** An entry is not what its hash or the chain says, or other bytes stand in the evidence store. */
export class LogAlteredError extends Error {
  override readonly name = 'LogAlteredError';
  readonly reason: FreezeReason;
  constructor(reason: FreezeReason, message: string) {
    super(message);
    this.reason = reason;
  }
}

export interface Built {
  /** Of all entries below `to`. */
  readonly tree: TileTree;
  /** The end of the last full tile. */
  readonly tiled: number;
  readonly nodes: readonly NewNodes[];
}

type BuildContext = Pick<Context, 'sealerStore' | 'objects'>;

/** The tree at `to`; its full tiles are in the evidence store when this resolves. */
export async function buildTiles(
  context: BuildContext,
  { workspace, tiled, to }: { workspace: WorkspaceId; tiled: number; to: number },
): Promise<Built> {
  const puts = new Puts(context, workspace);
  const roots: Uint8Array[] = [];
  let tail: readonly Uint8Array[] = [];
  let prev = await hashBefore(context, workspace, tiled);
  for (let first = tiled; first < to; first += TILE_WIDTH) {
    const width = Math.min(TILE_WIDTH, to - first);
    const entries = await context.sealerStore.read(workspace, (tx) =>
      tx.listEntries({ after: first - 1, limit: width }),
    );
    const leaves = await checkedLeaves(entries, first, width, prev);
    prev = `sha256:${toHex(leaves.at(-1) ?? new Uint8Array())}`;
    if (width < TILE_WIDTH) tail = leaves;
    else {
      const index = first / TILE_WIDTH;
      await puts.add(entryBundlePath(index), encodeEntryBundle(entries.map(({ bytes }) => bytes)));
      await puts.add(tilePath(0, index), encodeTile(leaves));
      roots.push(await merkleRoot(leaves));
    }
  }
  const nodes = await nodesAbove(context, workspace, tiled / TILE_WIDTH, roots, puts);
  await puts.done();
  const end = tiled + roots.length * TILE_WIDTH;
  const tree = new TileTree(to, async (level, index, width) => {
    if (level === 0 && index * TILE_WIDTH >= end) return tail.slice(0, width);
    const [first, fresh] = [index * TILE_WIDTH, nodes.find((each) => each.level === level)];
    const limit = fresh ? Math.min(width, fresh.index - first) : width;
    const old =
      limit <= 0
        ? []
        : await context.sealerStore.read(workspace, (tx) => readTilesOf(tx)(level, index, limit));
    if (!fresh || old.length === width) return old;
    const from = Math.max(0, first - fresh.index);
    return [...old, ...fresh.hashes.slice(from, from + width - old.length)];
  });
  return { tree, tiled: end, nodes };
}

async function hashBefore(
  context: BuildContext,
  workspace: WorkspaceId,
  seq: number,
): Promise<string | null> {
  if (seq === 0) return null;
  const [hash] = await context.sealerStore.read(workspace, (tx) => tx.leafHashes(seq - 1, 1));
  return hash ?? null;
}

/** Leaf hashes of the entries' bytes, which have to be those on record, in order, each naming the one before. */
async function checkedLeaves(
  entries: readonly LogEntryRecord[],
  first: number,
  width: number,
  before: string | null,
): Promise<readonly Uint8Array[]> {
  const leaves: Uint8Array[] = [];
  let prev = before;
  for (let i = 0; i < width; i++) {
    const entry = entries[i];
    const seq = first + i;
    if (entry?.seq !== seq) throw new LogAlteredError('altered', `entry ${seq} is missing`);
    const leaf = await leafHash(entry.bytes);
    const hash = `sha256:${toHex(leaf)}`;
    if (hash !== entry.hash) {
      throw new LogAlteredError('altered', `the bytes of entry ${seq} have another hash`);
    }
    const said = parse(entry.bytes);
    if (said.seq !== seq || said.prev !== prev) {
      throw new LogAlteredError('altered', `entry ${seq} does not follow the one before it`);
    }
    leaves.push(leaf);
    prev = hash;
  }
  return leaves;
}

function parse(bytes: Uint8Array): { readonly seq?: unknown; readonly prev?: unknown } {
  try {
    return JSON.parse(new TextDecoder().decode(bytes)) as { seq?: unknown; prev?: unknown };
  } catch {
    return {};
  }
}

/** The nodes that new full tiles give, level by level; tiles that they fill are stored, too. */
async function nodesAbove(
  context: BuildContext,
  workspace: WorkspaceId,
  firstIndex: number,
  roots: readonly Uint8Array[],
  puts: Puts,
): Promise<readonly NewNodes[]> {
  const nodes: NewNodes[] = [];
  let [level, index, hashes] = [1, firstIndex, roots];
  while (hashes.length > 0) {
    nodes.push({ level, index, hashes });
    const start = index - (index % TILE_WIDTH);
    const at = level;
    const old =
      start === index
        ? []
        : await context.sealerStore.read(workspace, (tx) =>
            tx.nodeHashes(at, start, index - start),
          );
    const all = [...old, ...hashes];
    const above: Uint8Array[] = [];
    for (let i = 0; i + TILE_WIDTH <= all.length; i += TILE_WIDTH) {
      const tile = all.slice(i, i + TILE_WIDTH);
      await puts.add(tilePath(level, (start + i) / TILE_WIDTH), encodeTile(tile));
      above.push(await merkleRoot(tile));
    }
    [level, index, hashes] = [level + 1, start / TILE_WIDTH, above];
  }
  return nodes;
}

/** Puts objects into the evidence store, a few at a time. */
class Puts {
  readonly #context: BuildContext;
  readonly #workspace: WorkspaceId;
  readonly #running = new Set<Promise<void>>();
  #failed: { readonly error: unknown } | undefined;

  constructor(context: BuildContext, workspace: WorkspaceId) {
    this.#context = context;
    this.#workspace = workspace;
  }

  async add(path: string, bytes: Uint8Array): Promise<void> {
    if (this.#failed) throw this.#failed.error;
    const put: Promise<void> = this.#put(path, bytes)
      .catch((error: unknown) => {
        this.#failed ??= { error };
      })
      .finally(() => this.#running.delete(put));
    this.#running.add(put);
    if (this.#running.size >= PUTS) await Promise.race(this.#running);
  }

  async done(): Promise<void> {
    await Promise.all(this.#running);
    if (this.#failed) throw this.#failed.error;
  }

  async #put(path: string, bytes: Uint8Array): Promise<void> {
    const { objects } = this.#context;
    try {
      await objects.putLog(this.#workspace, path, bytes);
    } catch (error) {
      if (!(error instanceof InfraError) || error.retryable) throw error;
      const there = await objects.getLog(this.#workspace, path);
      if (!there || Buffer.compare(there, bytes) === 0) throw error;
      throw new LogAlteredError('contradicted', `another ${path} stands in the evidence store`);
    }
  }
}

/** Partial tiles of every level, and the partial entry bundle, of the log at `size`. */
export async function partialTiles(
  tx: Pick<ReadTransaction, 'leafHashes' | 'nodeHashes' | 'listEntries'> & LogReads,
  size: number,
): Promise<readonly TarFile[]> {
  const files: TarFile[] = [];
  const read = readTilesOf(tx);
  for (
    let level = 0, hashes = size;
    hashes > 0;
    level++, hashes = Math.floor(hashes / TILE_WIDTH)
  ) {
    const width = hashes % TILE_WIDTH;
    if (width === 0) continue;
    const index = Math.floor(hashes / TILE_WIDTH);
    const tile = await read(level, index, width);
    if (tile.length !== width) throw new Error(`the log lacks hashes of level ${level}`);
    files.push({ path: tilePath(level, index, width), bytes: encodeTile(tile) });
  }
  const width = size % TILE_WIDTH;
  if (width === 0) return files;
  const entries = await tx.listEntries({ after: size - width - 1, limit: width });
  const bytes = encodeEntryBundle(entries.map((entry) => entry.bytes));
  return [...files, { path: entryBundlePath(Math.floor(size / TILE_WIDTH), width), bytes }];
}
