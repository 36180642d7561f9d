/** Builds the bundle that a stranger can verify offline. */

import { buildBundle } from '@portarium/contracts/bundle';
import { parseStrictJson } from '@portarium/contracts/canonical-json';
import type { Digest } from '@portarium/contracts/digest';
import type { Entry } from '@portarium/contracts/evidence-entry';
import type { ActionId, WorkspaceId } from '@portarium/contracts/ids';
import type { Context } from './context.ts';
import { failure, type Result, success } from './failure.ts';
import { sealLog } from './seal-log.ts';

/** Entries on one page of the export's reading. */
const PAGE = 500;
/** Largest bundle that is built in memory. */
const MAX_BUNDLE_BYTES = 256 * 1024 * 1024;

export async function exportEvidence(
  context: Context,
  workspace: WorkspaceId,
  action: ActionId | undefined,
): Promise<Result<Uint8Array>> {
  const checkpoint = await sealLog(context, workspace);
  if (!checkpoint) return failure('not-found', 'The workspace has no evidence yet.');
  const entries: Uint8Array[] = [];
  const artifacts = new Map<Digest, Uint8Array>();
  const modules = new Map<Digest, Uint8Array>();
  let after = -1;
  let size = 0;
  while (after < checkpoint.size - 1) {
    const page = await context.store.read(workspace, (tx) =>
      tx.listEntries({ after, limit: PAGE }),
    );
    if (page.length === 0)
      return failure('internal', `Entry ${after + 1} is missing from the log.`);
    for (const { seq, bytes } of page) {
      if (seq >= checkpoint.size) break;
      entries.push(bytes);
      size += bytes.length;
      const entry = parseStrictJson(new TextDecoder().decode(bytes)) as unknown as Entry;
      if (
        action === undefined ||
        entry.subject.action === action ||
        entry.subject.plugin !== undefined
      ) {
        size += await collect(context, workspace, entry, artifacts, modules);
      }
      if (size > MAX_BUNDLE_BYTES)
        return failure(
          'body.too-large',
          `The bundle would have more than ${MAX_BUNDLE_BYTES} bytes; export one action at a time.`,
        );
    }
    after = page.at(-1)?.seq ?? after;
  }
  const bundle = await buildBundle({
    instance: context.signer.origin(workspace).split('/')[0] ?? '',
    workspace,
    asked: action === undefined ? {} : { action },
    entries,
    checkpoint: checkpoint.note,
    verifierKeys: context.signer.verifierKeys(workspace),
    artifacts,
    modules,
  });
  return success(bundle);
}

/** Adds what the entry names. @returns the bytes added */
async function collect(
  context: Context,
  workspace: WorkspaceId,
  entry: Entry,
  artifacts: Map<Digest, Uint8Array>,
  modules: Map<Digest, Uint8Array>,
): Promise<number> {
  let added = 0;
  for (const { digest, mediaType } of entry.artifacts) {
    const target = mediaType === 'application/wasm' ? modules : artifacts;
    if (target.has(digest)) continue;
    const bytes = await context.objects.get(workspace, digest);
    if (!bytes) continue;
    target.set(digest, bytes);
    added += bytes.length;
  }
  return added;
}
