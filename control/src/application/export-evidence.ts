/** Builds the bundle that a stranger can verify offline: a whole log, or one action with proofs. */
import { buildBundle, type KeyValidity } from '@portarium/contracts/bundle';
import { parseStrictJson } from '@portarium/contracts/canonical-json';
import type { Digest } from '@portarium/contracts/digest';
import type { Entry } from '@portarium/contracts/evidence-entry';
import type { ActionId, WorkspaceId } from '@portarium/contracts/ids';
import { BODIES_MEDIA_TYPE } from '@portarium/contracts/journal-artifact';
import { disposalsOf } from '@portarium/contracts/verify-disposals';
import type { Context } from './context.ts';
import { failure, type Result, success } from './failure.ts';
import type { LogKey } from './ports/outside.ts';
import { auditPaths } from './prove-entry.ts';
import { readRotations } from './rotate-log-key.ts';
import { signedCheckpoint } from './signed-checkpoint.ts';

/** Entries that one read takes. */
const PAGE = 500;
/** Largest bundle that is built in memory. */
const MAX_BUNDLE_BYTES = 256 * 1024 * 1024;

/** What is exported: the whole log, or one action; with the bodies that guests sent and read, or without them. */
export interface ExportRequest {
  readonly action?: ActionId | undefined;
  readonly withoutBodies?: boolean;
}

interface Collected {
  readonly entries: Uint8Array[];
  readonly sequence: number[];
  readonly artifacts: Map<Digest, Uint8Array>;
  readonly modules: Map<Digest, Uint8Array>;
}

export async function exportEvidence(
  context: Context,
  workspace: WorkspaceId,
  request: ExportRequest,
): Promise<Result<Uint8Array>> {
  const { action } = request;
  const checkpoint = await signedCheckpoint(context, workspace, { keep: true });
  if (!checkpoint) return failure('not-found', 'The workspace has no evidence yet.');
  // The whole of it shows what is wrong; one action of it would prove nothing.
  if (checkpoint.frozen && action !== undefined) throw checkpoint.frozen;
  const collected = await collect(context, workspace, request, checkpoint.size);
  if (!collected.ok) return collected;
  if (action !== undefined)
    await addDisposals(context, workspace, collected.value, checkpoint.size);
  const { entries, sequence, artifacts, modules } = collected.value;
  const origin = context.signer.origin(workspace);
  const bundle = await buildBundle({
    instance: origin.slice(0, origin.length - workspace.length - 1),
    workspace,
    asked: action === undefined ? {} : { action },
    entries,
    checkpoint: checkpoint.note,
    verifierKeys: context.signer.verifierKeys(workspace),
    validity: new Map(context.signer.keys().map((key) => [key.verifierKey, validityOf(key)])),
    rotations: await readRotations(context),
    artifacts,
    modules,
    ...(action === undefined
      ? {}
      : {
          proofs: await context.store.read(workspace, (tx) =>
            auditPaths(tx, sequence, checkpoint.size),
          ),
        }),
  });
  return success(bundle);
}

function validityOf({ validFrom, validUntil }: LogKey): KeyValidity {
  return {
    ...(validFrom === undefined ? {} : { validFrom }),
    ...(validUntil === undefined ? {} : { validUntil }),
  };
}

/** The entries below `size`, with the artifacts and modules that they name. */
async function collect(
  context: Context,
  workspace: WorkspaceId,
  { action, withoutBodies = false }: ExportRequest,
  size: number,
): Promise<Result<Collected>> {
  const collected: Collected = {
    entries: [],
    sequence: [],
    artifacts: new Map(),
    modules: new Map(),
  };
  let bytesSoFar = 0;
  for (let after = -1; ; ) {
    const filter = { after, limit: PAGE, ...(action === undefined ? {} : { action }) };
    const page = await context.store.read(workspace, (tx) => tx.listEntries(filter));
    for (const { seq, bytes } of page) {
      if (seq >= size) return success(collected);
      collected.entries.push(bytes);
      collected.sequence.push(seq);
      const named = namedBy(bytes, withoutBodies);
      bytesSoFar += bytes.length + (await collectNamed(context, workspace, named, collected));
      if (bytesSoFar > MAX_BUNDLE_BYTES) {
        return failure(
          'body.too-large',
          `The bundle would have more than ${MAX_BUNDLE_BYTES} bytes; export one action at a time, or leave out the bodies.`,
        );
      }
    }
    const last = page.at(-1);
    if (!last) return success(collected);
    after = last.seq;
  }
}

/** Puts the disposals of an action's artifacts in their places among its entries: they say why some are gone. */
async function addDisposals(
  { store }: Context,
  workspace: WorkspaceId,
  { entries, sequence }: Collected,
  size: number,
): Promise<void> {
  const told = await store.read(workspace, (tx) => tx.disposals());
  if (told.length === 0) return;
  const named = entries.flatMap((bytes) => entryOf(bytes).artifacts.map(({ digest }) => digest));
  const all = told
    .filter(({ seq }) => seq < size)
    .map(({ seq, bytes }) => ({ seq, bytes, entry: { ...entryOf(bytes) } }));
  const wanted = disposalsOf(named, all);
  const merged = [
    ...entries.map((bytes, i) => ({ seq: sequence[i] ?? 0, bytes })),
    ...all.filter(({ seq }) => wanted.has(seq)),
  ].sort((a, b) => a.seq - b.seq);
  entries.splice(0, Infinity, ...merged.map(({ bytes }) => bytes));
  sequence.splice(0, Infinity, ...merged.map(({ seq }) => seq));
}

function entryOf(bytes: Uint8Array): Entry {
  return parseStrictJson(new TextDecoder().decode(bytes)) as unknown as Entry;
}

interface Named {
  readonly digest: Digest;
  readonly kind: 'artifacts' | 'modules';
}

/** What an entry names by digest, as far as it is asked for. */
function namedBy(bytes: Uint8Array, withoutBodies: boolean): readonly Named[] {
  const entry = entryOf(bytes);
  const named: Named[] = entry.artifacts
    .filter(({ mediaType }) => !withoutBodies || mediaType !== BODIES_MEDIA_TYPE)
    .map(({ digest, mediaType }) => ({
      digest,
      kind: mediaType === 'application/wasm' ? 'modules' : 'artifacts',
    }));
  // An action names its module as its subject; a rejected upload names one that was never kept.
  if (entry.subject.plugin !== undefined && entry.type !== 'plugin.rejected') {
    named.push({ digest: entry.subject.plugin as Digest, kind: 'modules' });
  }
  return named;
}

/** @returns the bytes added */
async function collectNamed(
  context: Context,
  workspace: WorkspaceId,
  named: readonly Named[],
  collected: Collected,
): Promise<number> {
  let added = 0;
  for (const { digest, kind } of named) {
    const target = collected[kind];
    if (target.has(digest)) continue;
    const object = await context.objects.get(workspace, digest);
    if (!object) continue;
    target.set(digest, object);
    added += object.length;
  }
  return added;
}
