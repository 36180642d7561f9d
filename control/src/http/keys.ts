/** `/v1/workspaces/{ws}/keys`. A secret is in the answer that creates it and nowhere else. */
import { INSTANCE_WORKSPACE } from '@portarium/contracts/ids';
import type { Context } from '../application/context.ts';
import { createKey, revokeKey } from '../application/create-key.ts';
import { type Api, unwrap } from './api.ts';
import { OPERATIONS } from './operations.ts';
import { route } from './route.ts';

export function keyRoutes(app: Api, context: Context): void {
  route(app, context, OPERATIONS.createKey, async ({ exchange, caller, workspace, body }) => {
    const { key, token } = unwrap(await createKey(context, caller, workspace, body));
    return exchange.json({ ...key, key: token }, 201, { 'cache-control': 'no-store' });
  });

  route(app, context, OPERATIONS.listKeys, async ({ exchange, workspace }) =>
    exchange.json({ items: await context.directory.listKeys(workspace) }),
  );

  route(app, context, OPERATIONS.revokeKey, async ({ exchange, caller, workspace, params }) => {
    unwrap(await revokeKey(context, caller, workspace, params.id));
    return exchange.body(null, 204);
  });

  // Keys that reach every workspace: only their like may look at them.
  route(app, context, OPERATIONS.listInstanceKeys, async ({ exchange }) =>
    exchange.json({ items: await context.directory.listKeys(null) }),
  );

  route(app, context, OPERATIONS.revokeInstanceKey, async ({ exchange, caller, params }) => {
    unwrap(await revokeKey(context, caller, INSTANCE_WORKSPACE, params.id));
    return exchange.body(null, 204);
  });
}
