/** `/v1/workspaces/{ws}/evidence`: entries as exact bytes, the checkpoint, and the bundle. */
import { toBase64 } from '@portarium/contracts/base64';
import { parseStrictJson } from '@portarium/contracts/canonical-json';
import type { Context } from '../application/context.ts';
import { exportEvidence } from '../application/export-evidence.ts';
import { sealLog } from '../application/seal-log.ts';
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
    const checkpoint = await sealLog(context, workspace);
    if (!checkpoint) refuse('not-found', 'The workspace has no evidence yet.');
    return exchange.text(checkpoint.note, 200, PLAIN);
  });

  route(app, context, OPERATIONS.getVerifierKeys, ({ exchange, workspace }) =>
    exchange.text(`${context.signer.verifierKeys(workspace).join('\n')}\n`, 200, PLAIN),
  );

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
