/**
 * Holds a window of a log against its own rules and against the tiles in the evidence store, under the root
 * that the newest stored checkpoint signs. The rules are those of the offline verifier, by its own functions.
 */
import { toHex } from '@portarium/contracts/digest';
import { TILE_WIDTH, tilePath } from '@portarium/contracts/entry-bundle';
import { leafHash } from '@portarium/contracts/evidence-entry';
import type { WorkspaceId } from '@portarium/contracts/ids';
import { verifyInclusion } from '@portarium/contracts/merkle';
import { TileTree } from '@portarium/contracts/tile-tree';
import { checkChain, readEntry } from '@portarium/contracts/verify-entries';
import { type Finding, Findings, type ReadEntry } from '@portarium/contracts/verify-report';
import type { Context } from './context.ts';
import type { LogEntryRecord } from './ports/records.ts';
import { InfraError } from './ports/workspace-store.ts';
import { type StoredCheckpoint, storedEntries, storedTiles } from './stored-log.ts';

export interface LogWindow {
  readonly from: number;
  /** Behind the last entry. */
  readonly to: number;
  /** Whether the entry bundles in the evidence store are read, too: recovery lives by them. */
  readonly bundles: boolean;
}

type CheckContext = Pick<Context, 'sealerStore' | 'objects'>;

/** The tiles under one stored checkpoint; each is read once. */
export class StoredTree {
  readonly stored: StoredCheckpoint;
  readonly tree: TileTree;
  readonly #read: (index: number, width: number) => Promise<readonly Uint8Array[]>;

  constructor(context: CheckContext, workspace: WorkspaceId, stored: StoredCheckpoint) {
    this.stored = stored;
    const read = storedTiles(context, workspace, stored);
    this.tree = new TileTree(stored.checkpoint.size, read);
    this.#read = (index, width) => read(0, index, width);
  }

  get size(): number {
    return this.stored.checkpoint.size;
  }

  /** Leaf hashes of tile `index`. @throws Error when the store lacks it */
  leaves(index: number): Promise<readonly Uint8Array[]> {
    return this.#read(index, this.widthOf(index));
  }

  widthOf(index: number): number {
    return Math.min(TILE_WIDTH, this.size - index * TILE_WIDTH);
  }

  /** Whether the signed root is over these leaves, by the audit path of the first: it covers the whole tile. */
  async holds(index: number, leaves: readonly Uint8Array[]): Promise<boolean> {
    const [leaf] = leaves;
    const first = index * TILE_WIDTH;
    if (!leaf) return false;
    const { size, root } = this.stored.checkpoint;
    const proof = await this.tree.inclusion(first);
    return verifyInclusion({ leaf, index: first, size, proof, root });
  }
}

export async function checkWindow(
  context: CheckContext,
  workspace: WorkspaceId,
  window: LogWindow,
  stored: StoredTree | undefined,
): Promise<readonly Finding[]> {
  const findings = new Findings();
  const { from, to } = window;
  // The one before is read for its hash and its time; what is wrong with it is another window's.
  const first = Math.max(0, from - 1);
  const rows = await context.sealerStore.read(workspace, (tx) =>
    tx.listEntries({ after: first - 1, limit: to - first }),
  );
  const read = await readRows(rows, { first, from, to }, findings);
  checkChain(read, workspace, findings);
  if (stored) await checkTiles(context, workspace, { window, read, first, stored }, findings);
  return distinct(findings.list.filter(({ seq }) => seq === undefined || seq >= from));
}

async function readRows(
  rows: readonly LogEntryRecord[],
  { first, from, to }: { readonly first: number; readonly from: number; readonly to: number },
  findings: Findings,
): Promise<readonly (ReadEntry | undefined)[]> {
  const bySeq = new Map(rows.map((row) => [row.seq, row]));
  const read: (ReadEntry | undefined)[] = [];
  for (let seq = first; seq < to; seq++) {
    const row = bySeq.get(seq);
    if (!row) {
      if (seq >= from) findings.add('log.sequence', 'is not there, and the log goes on', seq);
      read.push(undefined);
      continue;
    }
    const leaf = await leafHash(row.bytes);
    const one = readEntry(row.bytes, seq, leaf, seq < from ? new Findings() : findings);
    if (one && one.hash !== row.hash) {
      findings.add('log.leaf', 'its bytes do not have the hash that is on record', seq);
    }
    read.push(one);
  }
  return read;
}

async function checkTiles(
  context: CheckContext,
  workspace: WorkspaceId,
  checked: {
    readonly window: LogWindow;
    readonly read: readonly (ReadEntry | undefined)[];
    readonly first: number;
    readonly stored: StoredTree;
  },
  findings: Findings,
): Promise<void> {
  const { window, read, first, stored } = checked;
  const end = Math.min(window.to, stored.size);
  for (let index = Math.floor(window.from / TILE_WIDTH); index * TILE_WIDTH < end; index++) {
    const start = index * TILE_WIDTH;
    const about = Math.max(start, window.from);
    const leaves = await signedLeaves(stored, index, about, findings);
    if (!leaves) continue;
    leaves.forEach((leaf, i) => {
      const one = read[start + i - first];
      if (start + i < window.from || !one || toHex(one.leaf) === toHex(leaf)) return;
      findings.add('log.leaf', 'its bytes are not those that the log signed', start + i);
    });
    if (window.bundles) await checkBundle(context, workspace, { stored, index, leaves }, findings);
  }
}

async function signedLeaves(
  stored: StoredTree,
  index: number,
  about: number,
  findings: Findings,
): Promise<readonly Uint8Array[] | undefined> {
  const path = tilePath(0, index, stored.widthOf(index));
  try {
    const leaves = await stored.leaves(index);
    if (await stored.holds(index, leaves)) return leaves;
    findings.add('tile.hash', `${path} is not the tile that the signed root is over`, about);
  } catch (error) {
    // The store is away, or the store lacks it.
    if (error instanceof InfraError && error.retryable) throw error;
    findings.add('tile.missing', error instanceof Error ? error.message : String(error), about);
  }
  return undefined;
}

async function checkBundle(
  context: CheckContext,
  workspace: WorkspaceId,
  tile: {
    readonly stored: StoredTree;
    readonly index: number;
    readonly leaves: readonly Uint8Array[];
  },
  findings: Findings,
): Promise<void> {
  const { stored, index, leaves } = tile;
  const start = index * TILE_WIDTH;
  try {
    const entries = await storedEntries(context, workspace, stored.stored, index);
    for (const [i, bytes] of entries.entries()) {
      if (toHex(await leafHash(bytes)) === toHex(leaves[i] ?? new Uint8Array())) continue;
      findings.add('log.bundle', 'other bytes stand in the evidence store', start + i);
    }
  } catch (error) {
    if (error instanceof InfraError && error.retryable) throw error;
    findings.add('log.bundle', error instanceof Error ? error.message : String(error), start);
  }
}

/** One finding for each rule and entry. */
function distinct(list: readonly Finding[]): readonly Finding[] {
  return [...new Map(list.map((one) => [`${one.rule} ${one.seq ?? ''}`, one])).values()];
}
