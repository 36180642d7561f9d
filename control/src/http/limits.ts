/** `/v1/workspaces/{ws}/limits`. */
import type { Context } from '../application/context.ts';
import type { WorkspaceLimits } from '../application/ports/limit-store.ts';
import { setWorkspaceLimits } from '../application/set-workspace-limits.ts';
import { type Api, type Exchange, unwrap } from './api.ts';
import { etag } from './entity-tag.ts';
import { OPERATIONS } from './operations.ts';
import { route } from './route.ts';

export function limitRoutes(app: Api, context: Context): void {
  route(app, context, OPERATIONS.getLimits, async ({ exchange, workspace }) =>
    answer(exchange, await context.store.read(workspace, (tx) => tx.workspaceLimits())),
  );

  route(app, context, OPERATIONS.setLimits, async (asked) => {
    const { exchange, caller, workspace, body, ifMatch } = asked;
    const limits = await setWorkspaceLimits(context, caller, workspace, body, ifMatch);
    return answer(exchange, unwrap(limits));
  });
}

function answer(exchange: Exchange, { limits, revision }: WorkspaceLimits): Response {
  return exchange.json({ ...limits, revision }, 200, etag(String(revision)));
}
