/** `/v1/workspaces/{ws}/publishers` and `…/plugin-rules`. */
import type { Context } from '../application/context.ts';
import { revokePublisher, trustPublisher } from '../application/manage-publishers.ts';
import type { PluginRules, PublisherRecord } from '../application/ports/version-store.ts';
import { setPluginRules } from '../application/set-plugin-rules.ts';
import { type Api, type Exchange, unwrap } from './api.ts';
import { etag } from './entity-tag.ts';
import { OPERATIONS } from './operations.ts';
import { route } from './route.ts';

export function publisherRoutes(app: Api, context: Context): void {
  route(app, context, OPERATIONS.trustPublisher, async ({ exchange, caller, workspace, body }) => {
    const publisher = unwrap(await trustPublisher(context, caller, workspace, body));
    return exchange.json(publisherView(publisher), 201);
  });

  route(app, context, OPERATIONS.listPublishers, async ({ exchange, workspace }) => {
    const publishers = await context.store.read(workspace, (tx) => tx.listPublishers());
    return exchange.json({ items: publishers.map(publisherView) });
  });

  route(app, context, OPERATIONS.revokePublisher, async (asked) => {
    const { exchange, caller, workspace, params, body } = asked;
    const { fingerprint } = params;
    const revoked = unwrap(await revokePublisher(context, caller, workspace, fingerprint, body));
    return exchange.json(publisherView(revoked));
  });

  route(app, context, OPERATIONS.getPluginRules, async ({ exchange, workspace }) =>
    rulesAnswer(exchange, await context.store.read(workspace, (tx) => tx.pluginRules())),
  );

  route(app, context, OPERATIONS.setPluginRules, async (asked) => {
    const { exchange, caller, workspace, body, ifMatch } = asked;
    const rules = await setPluginRules(context, caller, workspace, body, ifMatch);
    return rulesAnswer(exchange, unwrap(rules));
  });
}

function rulesAnswer(exchange: Exchange, rules: PluginRules): Response {
  return exchange.json(rules, 200, etag(String(rules.revision)));
}

function publisherView(publisher: PublisherRecord): Record<string, unknown> {
  const shown = Object.entries(publisher).filter(([, value]) => value !== null);
  return Object.fromEntries(shown);
}
