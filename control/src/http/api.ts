/** What each route of the API shares: the caller, the permission, the trace, the answer. */
import { INSTANCE_WORKSPACE, type WorkspaceId, WorkspaceIdSchema } from '@portarium/contracts/ids';
import type { Hono, Context as HonoContext } from 'hono';
import { authenticate } from '../application/authenticate.ts';
import type { Caller, Context } from '../application/context.ts';
import type { Result } from '../application/failure.ts';
import { type Permission, permits } from '../domain/permissions.ts';
import { ProblemError, refuse } from './problems.ts';
import type { RateVerdict } from './rate-limiter.ts';
import { parsePath } from './read-body.ts';

export interface Variables {
  trace: string;
  /** Set once the caller is known, so that the request is counted. */
  enter: (key: string) => boolean;
  /** Takes a token of the caller's rate, or of its workspace's. */
  rate: (name: 'key' | 'workspace', scope: string) => Promise<RateVerdict>;
}

export type Api = Hono<{ Variables: Variables }>;
export type Exchange = HonoContext<{ Variables: Variables }>;

/** The caller, if the key is good and its role has `permission` in `workspace`. */
export async function allow(
  context: Context,
  exchange: Exchange,
  permission: Permission,
  workspace?: WorkspaceId,
): Promise<Caller> {
  const trace = exchange.get('trace');
  const key = unwrap(await authenticate(context, exchange.req.header('authorization')));
  // Hosts send as much as there is work, on behalf of many callers.
  const limited = key.role !== 'sandbox-host';
  if (limited) await keepToRate(exchange, 'key', key.id, 'This key sends');
  if (!permits(key, permission, workspace)) {
    const where = workspace === undefined ? 'on this instance' : `in workspace ${workspace}`;
    refuse(
      'auth.forbidden',
      `A key of role ${key.role} lacks the permission ${permission} ${where}.`,
    );
  }
  if (limited && workspace !== undefined) {
    await keepToRate(exchange, 'workspace', workspace, `The keys of ${workspace} together send`);
  }
  if (!exchange.get('enter')(key.id)) {
    throw new ProblemError(
      {
        code: 'rate.limited',
        detail: 'This key, or this instance, has too many requests in flight.',
      },
      { 'retry-after': '1' },
    );
  }
  context.directory.touchKey(key.id).catch(() => undefined);
  return { key, trace };
}

async function keepToRate(
  exchange: Exchange,
  name: 'key' | 'workspace',
  scope: string,
  who: string,
): Promise<void> {
  const { allowed, limit, retryAfterSeconds } = await exchange.get('rate')(name, scope);
  if (allowed) return;
  const detail = `${who} more than ${limit.perSecond} requests a second.`;
  throw new ProblemError(
    { code: 'rate.limited', detail },
    { 'retry-after': String(retryAfterSeconds) },
  );
}

/**
 * The workspace of the path and a caller who has `permission` there; 404 only after the permission.
 * @param instanceLog whether the path may name the reserved workspace of the instance's own log
 */
export async function allowInWorkspace(
  context: Context,
  exchange: Exchange,
  permission: Permission,
  instanceLog = false,
): Promise<{ workspace: WorkspaceId; caller: Caller }> {
  const named = exchange.req.param('ws');
  if (instanceLog && named === INSTANCE_WORKSPACE) {
    const caller = await allow(context, exchange, permission, INSTANCE_WORKSPACE);
    return { workspace: INSTANCE_WORKSPACE, caller };
  }
  const workspace = parsePath(WorkspaceIdSchema, named, 'workspace');
  const caller = await allow(context, exchange, permission, workspace);
  if (!(await context.directory.findWorkspace(workspace)))
    refuse('not-found', `There is no workspace ${workspace}.`);
  return { workspace, caller };
}

/** The value of a success; a failure ends the request with its problem document. */
export function unwrap<T>(result: Result<T>): T {
  if (result.ok) return result.value;
  const retryAfterMs = result.extensions?.retryAfterMs;
  throw new ProblemError(
    result,
    typeof retryAfterMs === 'number'
      ? { 'retry-after': String(Math.ceil(retryAfterMs / 1000)) }
      : {},
  );
}
