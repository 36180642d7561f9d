/** `/v1/workspaces`. */
import type { Context } from '../application/context.ts';
import { createWorkspace } from '../application/create-workspace.ts';
import { PERMISSIONS, type Permission, permits } from '../domain/permissions.ts';
import { type Api, unwrap } from './api.ts';
import { OPERATIONS } from './operations.ts';
import { route } from './route.ts';

const ALL_PERMISSIONS = Object.keys(PERMISSIONS) as Permission[];

export function workspaceRoutes(app: Api, context: Context): void {
  route(app, context, OPERATIONS.createWorkspace, async ({ exchange, caller, body }) => {
    const workspace = unwrap(await createWorkspace(context, caller, body));
    return exchange.json(workspace, 201, { location: `/v1/workspaces/${workspace.id}` });
  });

  route(app, context, OPERATIONS.listWorkspaces, async ({ exchange, query }) => {
    const { limit, cursor } = query;
    const rows = await context.directory.listWorkspaces({ limit: limit + 1, after: cursor });
    const items = rows.slice(0, limit);
    const last = items.at(-1);
    return exchange.json({ items, ...(rows.length > limit && last ? { next: last.id } : {}) });
  });

  route(app, context, OPERATIONS.getCaller, ({ exchange, caller: { key }, workspace }) => {
    const { id, name, owner, role } = key;
    const permissions = ALL_PERMISSIONS.filter((one) => permits(key, one, workspace));
    return exchange.json({ key: id, name, owner, role, workspace, permissions });
  });

  route(app, context, OPERATIONS.getWorkspace, async ({ exchange, workspace }) =>
    exchange.json((await context.directory.findWorkspace(workspace)) ?? {}),
  );
}
