/** `/v1/workspaces/{ws}/actions`. */
import { ActionIdSchema } from '@portarium/contracts/ids';
import { ACTION_STATES, isSettled } from '@portarium/contracts/life-cycle';
import { MAX_LIMITS, PLATFORM_LIMITS } from '@portarium/contracts/limits';
import { PluginNameSchema } from '@portarium/contracts/manifest';
import * as v from 'valibot';
import { CancelActionSchema, cancelAction } from '../application/cancel-action.ts';
import type { Context } from '../application/context.ts';
import { RequestActionSchema, requestAction } from '../application/request-action.ts';
import { ResolveActionSchema, resolveAction } from '../application/resolve-action.ts';
import { summary, viewAction, viewAttempts, waitForAction } from '../application/view-action.ts';
import { type Api, allowInWorkspace, type Exchange, unwrap } from './api.ts';
import { pageLimit } from './page-limit.ts';
import { refuse } from './problems.ts';
import { parseInput, parsePath, readJson } from './read-body.ts';

const IdempotencyKeySchema = v.pipe(
  v.string(),
  v.regex(/^[\x21-\x7e]{1,255}$/, 'expected 1 to 255 printable ASCII characters'),
);
const WaitSchema = v.pipe(
  v.string(),
  v.regex(/^(.*,)?\s*wait=\d{1,4}\s*(,.*)?$/, 'expected wait=N in seconds'),
);

const ListSchema = v.strictObject({
  limit: pageLimit(50),
  cursor: v.optional(ActionIdSchema),
  state: v.optional(v.picklist(ACTION_STATES)),
  plugin: v.optional(PluginNameSchema),
});

export function actionRoutes(app: Api, context: Context): void {
  app.post('/v1/workspaces/:ws/actions', async (exchange) => {
    const { workspace, caller } = await allowInWorkspace(context, exchange, 'action.request');
    const key = idempotencyKey(exchange);
    const seconds = waitSeconds(exchange);
    const wanted = await readJson(
      exchange.req.raw,
      RequestActionSchema,
      MAX_LIMITS.inputBytes * 2 + PLATFORM_LIMITS.bodyBytes,
      ['input'],
    );
    const { action, replayed } = unwrap(
      await requestAction(context, caller, workspace, wanted, key),
    );
    const view = await waitForAction(context, workspace, action.id, seconds);
    if (!view) throw new Error(`action ${action.id} vanished`);
    const settled = isSettled(action.state) || (seconds > 0 && view.finishedAt !== undefined);
    const headers = {
      location: `/v1/workspaces/${workspace}/actions/${action.id}`,
      ...(replayed ? { 'idempotency-replayed': 'true' } : {}),
      ...(seconds > 0 ? { 'preference-applied': `wait=${seconds}` } : {}),
    };
    return exchange.json(view, settled ? 200 : 202, headers);
  });

  app.get('/v1/workspaces/:ws/actions', async (exchange) => {
    const { workspace } = await allowInWorkspace(context, exchange, 'action.read');
    const { limit, cursor, state, plugin } = parseInput(ListSchema, exchange.req.query());
    const rows = await context.store.read(workspace, (tx) =>
      tx.listActions({
        limit: limit + 1,
        ...(cursor === undefined ? {} : { before: cursor }),
        ...(state === undefined ? {} : { state }),
        ...(plugin === undefined ? {} : { plugin }),
      }),
    );
    const items = rows.slice(0, limit).map(summary);
    const last = items.at(-1);
    return exchange.json({ items, ...(rows.length > limit && last ? { next: last.id } : {}) });
  });

  app.get('/v1/workspaces/:ws/actions/:id', async (exchange) => {
    const { workspace } = await allowInWorkspace(context, exchange, 'action.read');
    const id = parsePath(ActionIdSchema, exchange.req.param('id'), 'action');
    const view = await viewAction(context, workspace, id);
    if (!view) refuse('not-found', `The workspace has no action ${id}.`);
    return exchange.json(view);
  });

  app.get('/v1/workspaces/:ws/actions/:id/attempts', async (exchange) => {
    const { workspace } = await allowInWorkspace(context, exchange, 'action.read');
    const id = parsePath(ActionIdSchema, exchange.req.param('id'), 'action');
    const items = await viewAttempts(context, workspace, id);
    if (!items) refuse('not-found', `The workspace has no action ${id}.`);
    return exchange.json({ items });
  });

  app.get('/v1/workspaces/:ws/actions/:id/journal', async (exchange) => {
    const { workspace } = await allowInWorkspace(context, exchange, 'action.read');
    const id = parsePath(ActionIdSchema, exchange.req.param('id'), 'action');
    const calls = await context.store.read(workspace, async (tx) =>
      (await tx.findAction(id)) ? tx.listJournal(id) : undefined,
    );
    if (!calls) refuse('not-found', `The workspace has no action ${id}.`);
    return exchange.json({ items: calls.map(({ attempt, record }) => ({ attempt, ...record })) });
  });

  app.post('/v1/workspaces/:ws/actions/:id/cancel', async (exchange) => {
    const { workspace, caller } = await allowInWorkspace(context, exchange, 'action.cancel');
    const id = parsePath(ActionIdSchema, exchange.req.param('id'), 'action');
    const wanted = await readJson(exchange.req.raw, CancelActionSchema, PLATFORM_LIMITS.bodyBytes);
    unwrap(await cancelAction(context, caller, workspace, id, wanted));
    return exchange.json(await viewAction(context, workspace, id));
  });

  app.post('/v1/workspaces/:ws/actions/:id/resolve', async (exchange) => {
    const { workspace, caller } = await allowInWorkspace(context, exchange, 'action.resolve');
    const id = parsePath(ActionIdSchema, exchange.req.param('id'), 'action');
    const wanted = await readJson(exchange.req.raw, ResolveActionSchema, PLATFORM_LIMITS.bodyBytes);
    unwrap(await resolveAction(context, caller, workspace, id, wanted));
    return exchange.json(await viewAction(context, workspace, id));
  });
}

function idempotencyKey(exchange: Exchange): string | undefined {
  const header = exchange.req.header('idempotency-key');
  if (header === undefined) return undefined;
  const parsed = v.safeParse(IdempotencyKeySchema, header);
  if (parsed.success) return parsed.output;
  return refuse('input.invalid', 'The header Idempotency-Key is not usable.', [
    { pointer: 'Idempotency-Key', message: 'expected 1 to 255 printable ASCII characters' },
  ]);
}

/** Seconds of `Prefer: wait=N` (RFC 7240), at most the platform's; 0 without it. */
function waitSeconds(exchange: Exchange): number {
  const header = exchange.req.header('prefer');
  if (header === undefined || !v.is(WaitSchema, header)) return 0;
  const seconds = Number(/wait=(\d{1,4})/.exec(header)?.[1] ?? 0);
  return Math.min(seconds, PLATFORM_LIMITS.waitSeconds);
}
