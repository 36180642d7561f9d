/** `/v1/workspaces`. */
import { PLATFORM_LIMITS } from '@portarium/contracts/limits';
import type { Context } from '../application/context.ts';
import { CreateWorkspaceSchema, createWorkspace } from '../application/create-workspace.ts';
import { type Api, allow, allowInWorkspace, unwrap } from './api.ts';
import { readJson } from './read-body.ts';

export function workspaceRoutes(app: Api, context: Context): void {
  app.post('/v1/workspaces', async (exchange) => {
    const caller = await allow(context, exchange, 'workspace.create');
    const wanted = await readJson(
      exchange.req.raw,
      CreateWorkspaceSchema,
      PLATFORM_LIMITS.bodyBytes,
    );
    const workspace = unwrap(await createWorkspace(context, caller, wanted));
    return exchange.json(workspace, 201, { location: `/v1/workspaces/${workspace.id}` });
  });

  app.get('/v1/workspaces', async (exchange) => {
    await allow(context, exchange, 'workspace.list');
    return exchange.json({ items: await context.directory.listWorkspaces() });
  });

  app.get('/v1/workspaces/:ws', async (exchange) => {
    const { workspace } = await allowInWorkspace(context, exchange, 'workspace.read');
    return exchange.json((await context.directory.findWorkspace(workspace)) ?? {});
  });
}
