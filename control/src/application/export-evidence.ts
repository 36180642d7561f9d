/**
 * Exports the bundle that a stranger can verify offline: a whole log, a range of it, or one action with
 * proofs. It is written while it is read: what is held is the names of artifacts, of a whole log 32 bytes an
 * entry, and of an action the paths of its own.
 */
import {
  type BundleObject,
  type BundleSource,
  type KeyValidity,
  type TilesOfTree,
  writeBundle,
} from '@portarium/contracts/bundle';
import type { BundleRequest } from '@portarium/contracts/bundle-layout';
import type { Digest } from '@portarium/contracts/digest';
import { encodeTile, tilePath } from '@portarium/contracts/entry-bundle';
import type { Entry } from '@portarium/contracts/evidence-entry';
import type { ActionId, WorkspaceId } from '@portarium/contracts/ids';
import { BODIES_MEDIA_TYPE } from '@portarium/contracts/journal-artifact';
import { PLATFORM_LIMITS } from '@portarium/contracts/limits';
import { widened } from '@portarium/contracts/range-tiles';
import { disposalsOf } from '@portarium/contracts/verify-disposals';
import type { Context } from './context.ts';
import { failure, type Result, success } from './failure.ts';
import { readTilesOf } from './log-tree.ts';
import type { LogKey } from './ports/outside.ts';
import type { LogEntryRecord } from './ports/records.ts';
import type { ReadTransaction } from './ports/workspace-store.ts';
import { auditPaths } from './prove-entry.ts';
import { appendedEntry, eachEntry } from './read-entries.ts';
import { readRotations } from './rotate-log-key.ts';
import { signedCheckpoint } from './signed-checkpoint.ts';

/** What a file adds to its bytes: its header, and half a block on average. */
const FILE_OVERHEAD = 768;

/** The whole log, a range of it by sequence numbers, or one action; with the bodies that guests sent and read, or without them. */
export interface ExportRequest {
  readonly action?: ActionId | undefined;
  /** The first entry; 0 when left out. */
  readonly from?: number | undefined;
  /** The last entry; the newest signed one when left out, or beyond it. */
  readonly to?: number | undefined;
  readonly withoutBodies?: boolean;
}

/** Which entries are read: from `first` to before `end`, of one action or of all. */
interface Selection {
  readonly first: number;
  readonly end: number;
  readonly action?: ActionId | undefined;
  readonly withoutBodies: boolean;
  /** Of one action, or after a range: what disposes of its artifacts, in order; it says why some are gone. */
  readonly disposals: readonly LogEntryRecord[];
}

/** @returns the bytes of the archive, piece by piece; what stands in the way is told before the first */
export async function exportEvidence(
  context: Context,
  workspace: WorkspaceId,
  request: ExportRequest,
): Promise<Result<AsyncIterable<Uint8Array>>> {
  const checkpoint = await signedCheckpoint(context, workspace, { keep: true });
  if (!checkpoint) return failure('not-found', 'The workspace has no evidence yet.');
  const { size, frozen } = checkpoint;
  const asked = askedFor(request, size);
  if (!asked.ok) return asked;
  const { action } = request;
  // The whole of it shows what is wrong; a part of it would prove nothing.
  if (frozen && (action !== undefined || asked.value.from !== undefined)) throw frozen;
  const { from = 0, to = size - 1 } = asked.value;
  const all = { first: 0, end: size };
  const part = {
    ...(asked.value.from === undefined ? all : widened({ from, to }, size)),
    ...{ action, withoutBodies: request.withoutBodies ?? false },
  };
  const disposals = await disposalsIn(context, workspace, part, size);
  const selection: Selection = { ...part, disposals };
  const bytes = await bytesOf(context, workspace, selection);
  if (bytes > PLATFORM_LIMITS.bundleBytes) {
    return failure(
      'body.too-large',
      `The bundle would have some ${bytes} bytes, and at most ${PLATFORM_LIMITS.bundleBytes} are exported at once; ask for a range (from, to), for one action, or leave out the bodies.`,
    );
  }
  const origin = context.signer.origin(workspace);
  const source: BundleSource = {
    instance: origin.slice(0, origin.length - workspace.length - 1),
    workspace,
    asked: asked.value,
    checkpoint: checkpoint.note,
    verifierKeys: context.signer.verifierKeys(workspace),
    validity: new Map(context.signer.keys().map((key) => [key.verifierKey, validityOf(key)])),
    rotations: await readRotations(context),
    entries: entryBytes(context, workspace, selection),
    objects: (entry) => objectsOf(context, workspace, entry as unknown as Entry, selection),
    ...(selection.action === undefined
      ? { beside: selection.disposals.map(({ bytes }) => bytes) }
      : {}),
    ...(await proofOf(context, workspace, selection, size)),
  };
  return success(writeBundle(source));
}

function validityOf({ validFrom, validUntil }: LogKey): KeyValidity {
  return {
    ...(validFrom === undefined ? {} : { validFrom }),
    ...(validUntil === undefined ? {} : { validUntil }),
  };
}

/** What the manifest says was asked for. */
function askedFor({ action, from, to }: ExportRequest, size: number): Result<BundleRequest> {
  if (action !== undefined) {
    if (from === undefined && to === undefined) return success({ action });
    return failure('input.invalid', 'Ask for one action or for a range, not for both.');
  }
  if (from === undefined && to === undefined) return success({});
  const range = { from: from ?? 0, to: Math.min(to ?? size - 1, size - 1) };
  if (range.from >= size) {
    return failure('not-found', `The log has ${size} entries, so its last is ${size - 1}.`);
  }
  if (range.from > range.to) {
    return failure(
      'input.invalid',
      `The range ends (${range.to}) before it begins (${range.from}).`,
    );
  }
  return success(range);
}

/** The disposals of an action's artifacts, or those of a range's that stand after it; a whole log has all in their places. */
async function disposalsIn(
  context: Context,
  workspace: WorkspaceId,
  part: Omit<Selection, 'disposals'>,
  size: number,
): Promise<readonly LogEntryRecord[]> {
  const after = part.action === undefined ? part.end : 0;
  if (after >= size) return [];
  const told = await context.store.read(workspace, (tx) => tx.disposals());
  if (told.length === 0) return [];
  const named = new Set<string>();
  for await (const bytes of entryBytes(context, workspace, { ...part, disposals: [] })) {
    for (const { digest } of appendedEntry(bytes).artifacts) named.add(digest);
  }
  const all = told
    .filter(({ seq }) => seq < size)
    .map((record) => ({ record, entry: { ...appendedEntry(record.bytes) } }));
  const wantedSeqs = disposalsOf([...named], all);
  return all.flatMap(({ record }) =>
    record.seq >= after && wantedSeqs.has(record.seq) ? [record] : [],
  );
}

/** The exact bytes, in the order of the log. */
async function* entryBytes(
  context: Context,
  workspace: WorkspaceId,
  { first, end, action, disposals }: Selection,
): AsyncGenerator<Uint8Array> {
  const beside = action === undefined ? [] : [...disposals];
  const list: ReadTransaction['listEntries'] = (page) =>
    context.store.read(workspace, (tx) => tx.listEntries(page));
  for await (const { seq, bytes } of eachEntry(list, { after: first - 1, action })) {
    if (seq >= end) break;
    for (; (beside[0]?.seq ?? end) < seq; beside.shift()) yield beside[0]?.bytes ?? bytes;
    yield bytes;
  }
  for (const disposal of beside) yield disposal.bytes;
}

/** About how large the bundle will be; modules that a version names, few and small, are left aside. */
async function bytesOf(
  context: Context,
  workspace: WorkspaceId,
  selection: Selection,
): Promise<number> {
  const seen = new Set<string>();
  let sum = 0;
  for await (const bytes of entryBytes(context, workspace, selection)) {
    // One action's entries are files of their own, with a proof each.
    sum += bytes.length + (selection.action === undefined ? 2 : 4 * FILE_OVERHEAD);
    for (const { digest, bytes: size } of wanted(appendedEntry(bytes), selection)) {
      if (!seen.has(digest)) sum += size + FILE_OVERHEAD;
      seen.add(digest);
    }
  }
  if (selection.action !== undefined) return sum;
  return selection.disposals.reduce(
    (all, { bytes }) => all + bytes.length + 4 * FILE_OVERHEAD,
    sum,
  );
}

function wanted({ artifacts }: Entry, { withoutBodies }: Selection): Entry['artifacts'] {
  if (!withoutBodies) return artifacts;
  return artifacts.filter(({ mediaType }) => mediaType !== BODIES_MEDIA_TYPE);
}

/** What an entry names by digest, as far as it is asked for and still kept. */
async function* objectsOf(
  context: Context,
  workspace: WorkspaceId,
  entry: Entry,
  selection: Selection,
): AsyncGenerator<BundleObject> {
  for (const { digest, mediaType } of wanted(entry, selection)) {
    const kind = mediaType === 'application/wasm' ? 'module' : 'artifact';
    yield* objectOf(context, workspace, kind, digest);
  }
  // An action names its module as its subject; a rejected upload names one that was never kept.
  const { plugin } = entry.subject;
  if (plugin !== undefined && entry.type !== 'plugin.rejected') {
    yield* objectOf(context, workspace, 'module', plugin as Digest);
  }
}

async function* objectOf(
  context: Context,
  workspace: WorkspaceId,
  kind: BundleObject['kind'],
  digest: Digest,
): AsyncGenerator<BundleObject> {
  const bytes = await context.objects.get(workspace, digest);
  if (bytes) yield { kind, digest, bytes };
}

/** What leads from a part of the log to its root: of a range tiles, of an action paths of audit. */
async function proofOf(
  context: Context,
  workspace: WorkspaceId,
  selection: Selection,
  size: number,
): Promise<Pick<BundleSource, 'tree' | 'proofs'>> {
  const { first, end, action, disposals } = selection;
  if (action === undefined) {
    if (first === 0 && end === size) return {};
    const beside = disposals.map(({ seq }) => seq);
    const proofs = await context.store.read(workspace, (tx) => auditPaths(tx, beside, size));
    return { tree: tilesOf(context, workspace), proofs };
  }
  const sequence: number[] = [];
  for await (const bytes of entryBytes(context, workspace, selection)) {
    sequence.push(appendedEntry(bytes).seq);
  }
  const proofs = await context.store.read(workspace, (tx) => auditPaths(tx, sequence, size));
  return { proofs };
}

/** Tiles as the database has them, which below a signed size never change. */
function tilesOf(context: Context, workspace: WorkspaceId): TilesOfTree {
  return {
    async tile({ level, index, width }) {
      const hashes = await context.store.read(workspace, (tx) =>
        readTilesOf(tx)(level, index, width),
      );
      return { path: tilePath(level, index, width), bytes: encodeTile(hashes) };
    },
  };
}
