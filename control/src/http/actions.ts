/** `/v1/workspaces/{ws}/actions`. */
import type { ActionId, WorkspaceId } from '@portarium/contracts/ids';
import { isSettled } from '@portarium/contracts/life-cycle';
import { PLATFORM_LIMITS } from '@portarium/contracts/limits';
import * as v from 'valibot';
import { cancelAction } from '../application/cancel-action.ts';
import type { Context } from '../application/context.ts';
import { dryRunAction } from '../application/dry-run-action.ts';
import { type RequestedAction, requestAction } from '../application/request-action.ts';
import { resolveAction } from '../application/resolve-action.ts';
import {
  type ActionView,
  summary,
  viewAction,
  viewAttempts,
  waitForAction,
} from '../application/view-action.ts';
import { type Api, type Exchange, unwrap } from './api.ts';
import { etag } from './entity-tag.ts';
import { OPERATIONS } from './operations.ts';
import { refuse } from './problems.ts';
import { route } from './route.ts';

const IdempotencyKeySchema = v.pipe(
  v.string(),
  v.regex(/^[\x21-\x7e]{1,255}$/, 'expected 1 to 255 printable ASCII characters'),
);
const WaitSchema = v.pipe(
  v.string(),
  v.regex(/^(.*,)?\s*wait=\d{1,4}\s*(,.*)?$/, 'expected wait=N in seconds'),
);

export function actionRoutes(app: Api, context: Context): void {
  route(app, context, OPERATIONS.requestAction, async ({ exchange, caller, workspace, body }) => {
    const key = idempotencyKey(exchange);
    const asked = unwrap(await requestAction(context, caller, workspace, body, key));
    return requestedAnswer(exchange, context, workspace, asked);
  });

  route(app, context, OPERATIONS.dryRunAction, async ({ exchange, caller, workspace, params }) => {
    const key = idempotencyKey(exchange);
    const asked = unwrap(await dryRunAction(context, caller, workspace, params.id, key));
    return requestedAnswer(exchange, context, workspace, asked);
  });

  route(app, context, OPERATIONS.listActions, async ({ exchange, workspace, query }) => {
    const { limit, cursor, state, plugin } = query;
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

  route(app, context, OPERATIONS.getAction, async ({ exchange, workspace, params }) => {
    return actionAnswer(exchange, context, workspace, params.id);
  });

  route(app, context, OPERATIONS.listAttempts, async ({ exchange, workspace, params }) => {
    const items = await viewAttempts(context, workspace, params.id);
    return exchange.json({ items: items ?? noAction(params.id) });
  });

  route(app, context, OPERATIONS.getJournal, async ({ exchange, workspace, params }) => {
    const calls = await context.store.read(workspace, async (tx) =>
      (await tx.findAction(params.id)) ? tx.listJournal(params.id) : noAction(params.id),
    );
    return exchange.json({ items: calls.map(({ attempt, record }) => ({ attempt, ...record })) });
  });

  route(app, context, OPERATIONS.cancelAction, async (asked) => {
    const { exchange, caller, workspace, params, body, ifMatch } = asked;
    unwrap(await cancelAction(context, caller, workspace, params.id, body, ifMatch));
    return actionAnswer(exchange, context, workspace, params.id);
  });

  route(app, context, OPERATIONS.resolveAction, async (asked) => {
    const { exchange, caller, workspace, params, body, ifMatch } = asked;
    unwrap(await resolveAction(context, caller, workspace, params.id, body, ifMatch));
    return actionAnswer(exchange, context, workspace, params.id);
  });
}

/** Waits as the caller prefers. */
async function requestedAnswer(
  exchange: Exchange,
  context: Context,
  workspace: WorkspaceId,
  { action, replayed }: RequestedAction,
): Promise<Response> {
  const seconds = waitSeconds(exchange);
  const view = await waitForAction(context, workspace, action.id, seconds);
  if (!view) throw new Error(`action ${action.id} vanished`);
  const settled = isSettled(action.state) || (seconds > 0 && view.finishedAt !== undefined);
  const headers = {
    location: `/v1/workspaces/${workspace}/actions/${action.id}`,
    ...(replayed ? { 'idempotency-replayed': 'true' } : {}),
    ...(seconds > 0 ? { 'preference-applied': `wait=${seconds}` } : {}),
  };
  return exchange.json(view, settled ? 200 : 202, { ...headers, ...etagOf(view) });
}

async function actionAnswer(
  exchange: Exchange,
  context: Context,
  workspace: WorkspaceId,
  id: ActionId,
): Promise<Response> {
  const view = (await viewAction(context, workspace, id)) ?? noAction(id);
  return exchange.json(view, 200, etagOf(view));
}

/** Every change of an action is an entry of its own. */
function etagOf({ evidence }: ActionView) {
  return etag(String(evidence.to));
}

function noAction(id: string): never {
  return refuse('not-found', `The workspace has no action ${id}.`);
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
