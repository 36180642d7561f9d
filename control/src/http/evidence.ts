/** `/v1/workspaces/{ws}/evidence`: entries as exact bytes, the checkpoint, and the bundle. */
import { toBase64 } from '@portarium/contracts/base64';
import { parseStrictJson } from '@portarium/contracts/canonical-json';
import { TILE_WIDTH } from '@portarium/contracts/entry-bundle';
import type { Context } from '../application/context.ts';
import { exportEvidence } from '../application/export-evidence.ts';
import type { LogKey } from '../application/ports/outside.ts';
import { proveConsistency, proveEntry } from '../application/prove-entry.ts';
import { readTile } from '../application/read-tile.ts';
import { recoverLog } from '../application/recover-log.ts';
import { rotateLogKey } from '../application/rotate-log-key.ts';
import { signedCheckpoint } from '../application/signed-checkpoint.ts';
import { type Api, unwrap } from './api.ts';
import { OPERATIONS } from './operations.ts';
import { refuse } from './problems.ts';
import { route } from './route.ts';

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
    const { action, bodies } = query;
    if (
      action !== undefined &&
      !(await context.store.read(workspace, (tx) => tx.findAction(action)))
    ) {
      refuse('not-found', `The workspace has no action ${action}.`);
    }
    const bundle = unwrap(
      await exportEvidence(context, workspace, { action, withoutBodies: bodies === 'none' }),
    );
    return exchange.body(bundle as Uint8Array<ArrayBuffer>, 200, {
      'content-type': 'application/x-tar',
      'content-disposition': `attachment; filename="${workspace}-evidence.tar"`,
    });
  });
}

function announced(keys: readonly LogKey[]): readonly LogKey[] {
  return keys.filter(({ state }) => state !== 'next');
}
