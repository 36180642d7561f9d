/** `/v1/workspaces/{ws}/evidence`: entries as exact bytes, the checkpoint, and the bundle. */

import { toBase64 } from '@portarium/contracts/base64';
import { parseStrictJson } from '@portarium/contracts/canonical-json';
import { ActionIdSchema } from '@portarium/contracts/ids';
import * as v from 'valibot';
import type { Context } from '../application/context.ts';
import { exportEvidence } from '../application/export-evidence.ts';
import { sealLog } from '../application/seal-log.ts';
import { type Api, allowInWorkspace, unwrap } from './api.ts';
import { pageLimit } from './page-limit.ts';
import { refuse } from './problems.ts';
import { parseInput } from './read-body.ts';

const PageSchema = v.strictObject({
  after: v.optional(v.pipe(v.string(), v.regex(/^(-1|\d{1,15})$/), v.transform(Number)), '-1'),
  limit: pageLimit(100),
  action: v.optional(ActionIdSchema),
});
const ExportSchema = v.strictObject({ action: v.optional(ActionIdSchema) });

export function evidenceRoutes(app: Api, context: Context): void {
  app.get('/v1/workspaces/:ws/evidence', async (exchange) => {
    const { workspace } = await allowInWorkspace(context, exchange, 'evidence.read');
    const { after, limit, action } = parseInput(PageSchema, exchange.req.query());
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

  app.get('/v1/workspaces/:ws/evidence/log/checkpoint', async (exchange) => {
    const { workspace } = await allowInWorkspace(context, exchange, 'evidence.read');
    const checkpoint = await sealLog(context, workspace);
    if (!checkpoint) refuse('not-found', 'The workspace has no evidence yet.');
    return exchange.text(checkpoint.note);
  });

  app.get('/v1/workspaces/:ws/evidence/vkeys', async (exchange) => {
    const { workspace } = await allowInWorkspace(context, exchange, 'evidence.read');
    return exchange.text(`${context.signer.verifierKeys(workspace).join('\n')}\n`);
  });

  app.get('/v1/workspaces/:ws/evidence/export', async (exchange) => {
    const { workspace } = await allowInWorkspace(context, exchange, 'evidence.export');
    const { action } = parseInput(ExportSchema, exchange.req.query());
    if (
      action !== undefined &&
      !(await context.store.read(workspace, (tx) => tx.findAction(action)))
    ) {
      refuse('not-found', `The workspace has no action ${action}.`);
    }
    const bundle = unwrap(await exportEvidence(context, workspace, action));
    return exchange.body(bundle as Uint8Array<ArrayBuffer>, 200, {
      'content-type': 'application/x-tar',
      'content-disposition': `attachment; filename="${workspace}-evidence.tar"`,
    });
  });
}
