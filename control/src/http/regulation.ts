/** `/v1/workspaces/{ws}/regulation`, and the probe of the evidence store that it goes by. */
import type { Context } from '../application/context.ts';
import type { Regulation } from '../application/ports/regulation-store.ts';
import { probeStore } from '../application/probe-store.ts';
import { setRegulation } from '../application/regulated-retention.ts';
import { type Api, type Exchange, unwrap } from './api.ts';
import { etag } from './entity-tag.ts';
import { OPERATIONS } from './operations.ts';
import { route } from './route.ts';

export function regulationRoutes(app: Api, context: Context): void {
  route(app, context, OPERATIONS.getRegulation, async ({ exchange, workspace }) =>
    answer(exchange, await context.store.read(workspace, (tx) => tx.regulation())),
  );

  route(app, context, OPERATIONS.setRegulation, async (asked) => {
    const { exchange, caller, workspace, body, ifMatch } = asked;
    const set = await setRegulation(context, caller, workspace, body, ifMatch);
    return answer(exchange, unwrap(set));
  });

  route(app, context, OPERATIONS.probeStore, async ({ exchange, caller }) =>
    exchange.json(unwrap(await probeStore(context, caller))),
  );
}

function answer(exchange: Exchange, { regulated, revision }: Regulation): Response {
  return exchange.json({ regulated, revision }, 200, etag(String(revision)));
}
