/**
 * Puts an action's journal into the evidence store as it will be at an attempt's end: the records as
 * canonical JSON, whose digest the entry states, and the bodies that guests sent and read beside it.
 */
import { type Digest, digestOf } from '@portarium/contracts/digest';
import type { Artifact } from '@portarium/contracts/evidence-entry';
import type { WorkspaceId } from '@portarium/contracts/ids';
import {
  BODIES_MEDIA_TYPE,
  bodiesBytes,
  bodyDigests,
  JOURNAL_MEDIA_TYPE,
  journalBytes,
} from '@portarium/contracts/journal-artifact';
import type { Context } from './context.ts';
import type { FixedAction } from './fixed-actions.ts';
import { keepArtifact } from './keep-artifact.ts';
import type { JournalRecord } from './ports/journal-store.ts';

export interface StoredJournal {
  /** The entry names the artifacts only if its journal has this digest. */
  readonly digest: Digest;
  readonly artifacts: readonly Artifact[];
}

/** What it has to be known of an action for its journal to be kept. */
type StoredOf = Pick<FixedAction, 'id' | 'retention'>;

export function journalDigest(journal: readonly JournalRecord[]): Promise<Digest> {
  return digestOf(bytesOf(journal));
}

/** @param reported bodies of the report that is not stored yet */
export async function storeJournal(
  context: Pick<Context, 'objects' | 'store'>,
  workspace: WorkspaceId,
  action: StoredOf | undefined,
  journal: readonly JournalRecord[],
  reported: ReadonlyMap<Digest, Uint8Array> = new Map(),
): Promise<StoredJournal | undefined> {
  if (!action || journal.length === 0) return undefined;
  const { retention } = action;
  const put = (bytes: Uint8Array, mediaType: string) =>
    keepArtifact(context, workspace, bytes, { mediaType, retention });
  const artifact = await put(bytesOf(journal), JOURNAL_MEDIA_TYPE);
  const bodies = await readBodies(context, workspace, action.id, journal, reported);
  const artifacts = [artifact];
  if (bodies.size > 0) artifacts.push(await put(bodiesBytes(bodies), BODIES_MEDIA_TYPE));
  return { digest: artifact.digest, artifacts };
}

function bytesOf(journal: readonly JournalRecord[]): Uint8Array {
  return journalBytes(journal.map(({ record, attempt }) => ({ ...record, attempt })));
}

async function readBodies(
  context: Pick<Context, 'store'>,
  workspace: WorkspaceId,
  action: FixedAction['id'],
  journal: readonly JournalRecord[],
  reported: ReadonlyMap<Digest, Uint8Array>,
): Promise<ReadonlyMap<Digest, Uint8Array>> {
  const wanted = bodyDigests(journal.map(({ record }) => record));
  const bodies = new Map<Digest, Uint8Array>();
  await context.store.read(workspace, async (tx) => {
    for (const digest of wanted) {
      const bytes = reported.get(digest) ?? (await tx.findBody(action, digest));
      if (bytes) bodies.set(digest, bytes);
    }
  });
  return bodies;
}
