/** `/v1/workspaces/{ws}/usage`. */
import type { Context } from '../application/context.ts';
import { viewUsage } from '../application/view-usage.ts';
import { type Api, unwrap } from './api.ts';
import { OPERATIONS } from './operations.ts';
import { route } from './route.ts';

export function usageRoutes(app: Api, context: Context): void {
  route(app, context, OPERATIONS.getUsage, async ({ exchange, workspace, query }) =>
    exchange.json(unwrap(await viewUsage(context, workspace, query))),
  );
}
