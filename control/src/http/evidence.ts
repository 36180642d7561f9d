/** `/v1/workspaces/{ws}/evidence`: entries as exact bytes, the checkpoint, and the bundle. */
import { toBase64 } from '@portarium/contracts/base64';
import { parseStrictJson } from '@portarium/contracts/canonical-json';
import { TILE_WIDTH } from '@portarium/contracts/entry-bundle';
import { PLATFORM_LIMITS } from '@portarium/contracts/limits';
import type { Context } from '../application/context.ts';
import { exportEvidence } from '../application/export-evidence.ts';
import type { LogKey } from '../application/ports/outside.ts';
import { proveConsistency, proveEntry } from '../application/prove-entry.ts';
import { readTile } from '../application/read-tile.ts';
import { recoverLog } from '../application/recover-log.ts';
import { rotateLogKey } from '../application/rotate-log-key.ts';
import { signedCheckpoint } from '../application/signed-checkpoint.ts';
import { EvidenceVerifier } from '../application/verify-evidence.ts';
import { type Api, unwrap } from './api.ts';
import { OPERATIONS } from './operations.ts';
import { refuse } from './problems.ts';
import { readBytes } from './read-body.ts';
import { route } from './route.ts';

const TAR = 'application/x-tar';
// Said, because headers that are set afterwards make a stream of the body, which names no type.
const PLAIN = { 'content-type': 'text/plain; charset=utf-8' };

export function evidenceRoutes(app: Api, context: Context): void {
  route(app, context, OPERATIONS.listEvidence, async ({ exchange, workspace, query }) => {
    const { after, limit, action } = query;
    const rows = await context.store.read(workspace, (tx) =>
      tx.listEntries({ after, limit: limit + 1, ...(action === undefined ? {} : { action }) }),
    );
    const items = rows.slice(0, limit).map(({ seq, hash, bytes }) => ({
      seq,
      hash,
      bytes: toBase64(bytes),
      entry: parseStrictJson(new TextDecoder().decode(bytes)),
    }));
    const last = items.at(-1);
    return exchange.json({ items, ...(rows.length > limit && last ? { next: last.seq } : {}) });
  });

  route(app, context, OPERATIONS.getCheckpoint, async ({ exchange, workspace }) => {
    const checkpoint = await signedCheckpoint(context, workspace);
    if (!checkpoint) refuse('not-found', 'The workspace has no evidence yet.');
    return exchange.text(checkpoint.note, 200, { ...PLAIN, 'cache-control': 'no-cache' });
  });

  route(app, context, OPERATIONS.getTile, async ({ exchange, workspace, params }) => {
    const bytes = await readTile(context, workspace, params.tile);
    if (!bytes) refuse('not-found', 'The signed log has no such tile.');
    return exchange.body(bytes as Uint8Array<ArrayBuffer>, 200, {
      'content-type': 'application/octet-stream',
      // What is full never changes; for the caller alone, who had to show a key.
      'cache-control':
        params.tile.width === TILE_WIDTH ? 'private, max-age=31536000, immutable' : 'no-cache',
    });
  });

  route(app, context, OPERATIONS.proveEntry, async ({ exchange, workspace, query }) =>
    exchange.json(unwrap(await proveEntry(context, workspace, query))),
  );

  route(app, context, OPERATIONS.proveConsistency, async ({ exchange, workspace, query }) =>
    exchange.json(unwrap(await proveConsistency(context, workspace, query))),
  );

  route(app, context, OPERATIONS.getVerifierKeys, ({ exchange, workspace }) =>
    exchange.text(`${context.signer.verifierKeys(workspace).join('\n')}\n`, 200, PLAIN),
  );

  route(app, context, OPERATIONS.listLogKeys, ({ exchange }) =>
    exchange.json({ items: announced(context.signer.keys()) }),
  );

  route(app, context, OPERATIONS.rotateLogKey, async ({ exchange, caller, body }) =>
    exchange.json({ items: announced(unwrap(await rotateLogKey(context, caller, body))) }),
  );

  route(app, context, OPERATIONS.recoverLog, async ({ exchange, caller, workspace, body }) => {
    const { frozen, ...plan } = unwrap(await recoverLog(context, caller, workspace, body));
    return exchange.json({ ...plan, dryRun: body.dryRun, ...(frozen ? { frozen } : {}) });
  });

  route(app, context, OPERATIONS.exportEvidence, async ({ exchange, workspace, query }) => {
    const { action, bodies, from, to } = query;
    if (
      action !== undefined &&
      !(await context.store.read(workspace, (tx) => tx.findAction(action)))
    ) {
      refuse('not-found', `The workspace has no action ${action}.`);
    }
    const request = { action, from, to, withoutBodies: bodies === 'none' };
    const chunks = unwrap(await exportEvidence(context, workspace, request));
    return exchange.body(streamOf(chunks), 200, {
      'content-type': TAR,
      'content-disposition': `attachment; filename="${workspace}-evidence.tar"`,
    });
  });

  const verifier = new EvidenceVerifier();
  route(app, context, OPERATIONS.verifyEvidence, async ({ exchange, query }) => {
    const mediaType = exchange.req.header('content-type')?.split(';')[0]?.trim().toLowerCase();
    if (mediaType !== TAR) {
      refuse(
        'media.unsupported',
        `This route reads ${TAR}: a bundle, as evidence export writes it.`,
      );
    }
    const { pin, since, publishers } = query;
    const report = await verifier.verify(
      () => readBytes(exchange.req.raw, PLATFORM_LIMITS.verifyBytes),
      { pin, since, publishers: publishers?.split(' ').filter((key) => key !== '') },
    );
    if (report) return exchange.json(report);
    return refuse(
      'unavailable',
      'Other bundles are being verified; send this one again in a while.',
    );
  });
}

/** Large enough that the frames of small files cost no write each. */
const CHUNK_BYTES = 64 * 1024;

/** A body whose pieces are read when the client takes them. */
function streamOf(pieces: AsyncIterable<Uint8Array>): ReadableStream<Uint8Array> {
  const iterator = pieces[Symbol.asyncIterator]();
  return new ReadableStream<Uint8Array>({
    async pull(controller) {
      const part: Uint8Array[] = [];
      for (let size = 0; size < CHUNK_BYTES; ) {
        const next = await iterator.next();
        if (next.done === true) break;
        part.push(next.value);
        size += next.value.length;
      }
      if (part.length === 0) return controller.close();
      controller.enqueue(joined(part));
    },
    async cancel() {
      await iterator.return?.();
    },
  });
}

function joined(parts: readonly Uint8Array[]): Uint8Array {
  const bytes = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}

function announced(keys: readonly LogKey[]): readonly LogKey[] {
  return keys.filter(({ state }) => state !== 'next');
}
