/** `/v1/workspaces/{ws}/keys`. A secret is in the answer that creates it and nowhere else. */
import { INSTANCE_WORKSPACE, KeyIdSchema } from '@portarium/contracts/ids';
import { PLATFORM_LIMITS } from '@portarium/contracts/limits';
import type { Context } from '../application/context.ts';
import { CreateKeySchema, createKey, revokeKey } from '../application/create-key.ts';
import { type Api, allow, allowInWorkspace, unwrap } from './api.ts';
import { parsePath, readJson } from './read-body.ts';

export function keyRoutes(app: Api, context: Context): void {
  app.post('/v1/workspaces/:ws/keys', async (exchange) => {
    const { workspace, caller } = await allowInWorkspace(context, exchange, 'key.manage');
    const wanted = await readJson(exchange.req.raw, CreateKeySchema, PLATFORM_LIMITS.bodyBytes);
    const { key, token } = unwrap(await createKey(context, caller, workspace, wanted));
    return exchange.json({ ...key, key: token }, 201, { 'cache-control': 'no-store' });
  });

  app.get('/v1/workspaces/:ws/keys', async (exchange) => {
    const { workspace } = await allowInWorkspace(context, exchange, 'key.manage');
    return exchange.json({ items: await context.directory.listKeys(workspace) });
  });

  app.delete('/v1/workspaces/:ws/keys/:id', async (exchange) => {
    const { workspace, caller } = await allowInWorkspace(context, exchange, 'key.manage');
    const id = parsePath(KeyIdSchema, exchange.req.param('id'), 'key');
    unwrap(await revokeKey(context, caller, workspace, id));
    return exchange.body(null, 204);
  });

  // Keys that reach every workspace: only their like may look at them.
  app.get('/v1/keys', async (exchange) => {
    await allow(context, exchange, 'key.manage');
    return exchange.json({ items: await context.directory.listKeys(null) });
  });

  app.delete('/v1/keys/:id', async (exchange) => {
    const caller = await allow(context, exchange, 'key.manage');
    const id = parsePath(KeyIdSchema, exchange.req.param('id'), 'key');
    unwrap(await revokeKey(context, caller, INSTANCE_WORKSPACE, id));
    return exchange.body(null, 204);
  });
}
