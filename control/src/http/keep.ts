/** `/v1/workspaces/{ws}/retention`, `/holds` and `/disposals`: how long artifacts are kept, and how they go. */
import type { Context } from '../application/context.ts';
import { dispose } from '../application/dispose.ts';
import { lengthenRetention } from '../application/lengthen-retention.ts';
import { liftHold, type PlacedHold, placeHold } from '../application/manage-holds.ts';
import type { HoldRecord, WorkspaceRetention } from '../application/ports/keep-store.ts';
import { type Api, type Exchange, unwrap } from './api.ts';
import { etag } from './entity-tag.ts';
import { OPERATIONS } from './operations.ts';
import { route } from './route.ts';

export function keepRoutes(app: Api, context: Context): void {
  route(app, context, OPERATIONS.getRetention, async ({ exchange, workspace }) =>
    answer(exchange, await context.store.read(workspace, (tx) => tx.workspaceRetention())),
  );

  route(app, context, OPERATIONS.setRetention, async (asked) => {
    const { exchange, caller, workspace, body, ifMatch } = asked;
    return answer(
      exchange,
      unwrap(await lengthenRetention(context, caller, workspace, body, ifMatch)),
    );
  });

  route(app, context, OPERATIONS.listHolds, async ({ exchange, workspace }) => {
    const holds = await context.store.read(workspace, (tx) => tx.listHolds());
    return exchange.json({ items: holds.map(shown) });
  });

  route(app, context, OPERATIONS.placeHold, async ({ exchange, caller, workspace, body }) =>
    exchange.json(placed(unwrap(await placeHold(context, caller, workspace, body))), 201),
  );

  route(app, context, OPERATIONS.liftHold, async (asked) => {
    const { exchange, caller, workspace, params, body } = asked;
    const lifting = { id: params.id, reason: body.reason };
    return exchange.json(placed(unwrap(await liftHold(context, caller, workspace, lifting))));
  });

  route(app, context, OPERATIONS.dispose, async ({ exchange, caller, workspace, body }) => {
    const report = unwrap(await dispose(context, caller, workspace, body));
    return exchange.json({ dryRun: body.dryRun, ...report });
  });
}

function answer(exchange: Exchange, { days, revision }: WorkspaceRetention): Response {
  return exchange.json({ ...days, revision }, 200, etag(String(revision)));
}

function shown({ lifted, ...hold }: HoldRecord) {
  return { ...hold, ...(lifted === null ? {} : { lifted }) };
}

function placed({ artifacts, inStore, ...hold }: PlacedHold) {
  return { ...shown(hold), artifacts, inStore };
}
