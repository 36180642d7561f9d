/**
 * What the evidence store keeps of a log: full tiles and entry bundles, and checkpoints with the partial ones
 * of their size. Nobody can take them back, so a database is held against them.
 */
import { getLogger } from '@logtape/logtape';
import {
  type Checkpoint,
  checkpointOfNote,
  parseCheckpoint,
} from '@portarium/contracts/checkpoint';
import {
  decodeEntryBundle,
  entryBundlePath,
  TILE_WIDTH,
  tilePath,
} from '@portarium/contracts/entry-bundle';
import type { WorkspaceId } from '@portarium/contracts/ids';
import { openNote } from '@portarium/contracts/signed-note';
import { readTar, type TarFile, writeTar } from '@portarium/contracts/tar';
import type { ReadTile } from '@portarium/contracts/tile-tree';
import type { Context } from './context.ts';
import { InfraError } from './ports/workspace-store.ts';

const log = getLogger(['portarium', 'sealer']);

export interface StoredCheckpoint {
  readonly checkpoint: Checkpoint;
  readonly note: string;
  /** Partial tiles and entry bundle of its size, by path. */
  readonly partial: ReadonlyMap<string, Uint8Array>;
}

type StoreContext = Pick<Context, 'objects' | 'signer'>;

const FOLDER = 'checkpoints';
/** So that the largest size stands first in ascending order. */
const LARGEST = 10 ** 16 - 1;
/** Objects that are looked at until one is a checkpoint of ours. */
const TRIED = 16;

function nameOf(size: number): string {
  return String(LARGEST - size).padStart(16, '0');
}

/**
 * The newest one that a key of ours signed, or undefined when there is none. Objects that are something else
 * are told of and passed over: whoever may write there must not be able to stop a log with them.
 */
export async function newestStored(
  context: StoreContext,
  workspace: WorkspaceId,
): Promise<StoredCheckpoint | undefined> {
  for (const name of await context.objects.listLog(workspace, FOLDER, TRIED)) {
    const bytes = await context.objects.getLog(workspace, `${FOLDER}/${name}`);
    const stored = bytes && (await openStored(context, workspace, bytes));
    if (stored && nameOf(stored.checkpoint.size) === name) return stored;
    log.error('{object} in the evidence store of {workspace} is no checkpoint of this log', {
      object: `${FOLDER}/${name}`,
      workspace,
    });
  }
  return undefined;
}

async function openStored(
  { signer }: StoreContext,
  workspace: WorkspaceId,
  bytes: Uint8Array,
): Promise<StoredCheckpoint | undefined> {
  const archive = readTar(bytes);
  if (!archive.ok) return undefined;
  const partial = new Map(archive.files);
  const note = new TextDecoder().decode(partial.get('checkpoint'));
  const opened = await openNote(note, signer.verifierKeys(workspace));
  const checkpoint = opened.ok ? parseCheckpoint(opened.text) : undefined;
  if (checkpoint?.origin !== signer.origin(workspace)) return undefined;
  return { checkpoint, note, partial };
}

/** Keeps a checkpoint with the partial tiles and entry bundle of its size, unless one of that size is there. */
export async function storeCheckpoint(
  context: StoreContext,
  workspace: WorkspaceId,
  note: string,
  partial: readonly TarFile[],
): Promise<void> {
  const size = checkpointOfNote(note)?.size ?? 0;
  const files = [{ path: 'checkpoint', bytes: new TextEncoder().encode(note) }, ...partial];
  const path = `${FOLDER}/${nameOf(size)}`;
  try {
    await context.objects.putLog(workspace, path, writeTar(files));
  } catch (error) {
    // Another note over the same tree stands there, with other signatures. Another tree is found by comparing.
    const other = error instanceof InfraError && !error.retryable;
    if (!other || !(await context.objects.getLog(workspace, path))) throw error;
  }
}

/** Tiles of the tree that `stored` signs. */
export function storedTiles(
  { objects }: Pick<Context, 'objects'>,
  workspace: WorkspaceId,
  stored: StoredCheckpoint,
): ReadTile {
  return async (level, index, width) => {
    const bytes =
      width === TILE_WIDTH
        ? await objects.getLog(workspace, tilePath(level, index))
        : stored.partial.get(tilePath(level, index, width));
    if (bytes?.length !== width * 32) {
      throw new Error(`the evidence store lacks ${tilePath(level, index, width)} of ${workspace}`);
    }
    return Array.from({ length: width }, (_, i) => bytes.subarray(32 * i, 32 * i + 32));
  };
}

/** The exact bytes of the entries of bundle `index` in the tree that `stored` signs. */
export async function storedEntries(
  { objects }: Pick<Context, 'objects'>,
  workspace: WorkspaceId,
  stored: StoredCheckpoint,
  index: number,
): Promise<readonly Uint8Array[]> {
  const width = Math.min(TILE_WIDTH, stored.checkpoint.size - index * TILE_WIDTH);
  const path = entryBundlePath(index, width);
  const bytes =
    width === TILE_WIDTH ? await objects.getLog(workspace, path) : stored.partial.get(path);
  const decoded = bytes && decodeEntryBundle(bytes);
  if (!decoded?.ok || decoded.entries.length !== width) {
    throw new Error(`the evidence store lacks ${path} of ${workspace}`);
  }
  return decoded.entries;
}
