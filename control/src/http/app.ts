/** The HTTP application: routes, and the one place where failures become problem documents. */
import { getLogger } from '@logtape/logtape';
import { PLATFORM_LIMITS } from '@portarium/contracts/limits';
import { Hono } from 'hono';
import type { Context } from '../application/context.ts';
import type { RateLimit } from '../application/ports/rate-tokens.ts';
import { InfraError, LogFrozenError } from '../application/ports/workspace-store.ts';
import { actionRoutes } from './actions.ts';
import type { Api, Variables } from './api.ts';
import { approvalRoutes } from './approvals.ts';
import { type ConsoleFiles, consoleRoutes } from './console.ts';
import { credentialRoutes } from './credentials.ts';
import { documentationRoutes } from './documentation.ts';
import { eventRoutes } from './events.ts';
import { evidenceRoutes } from './evidence.ts';
import { type HealthProbes, healthRoutes } from './health.ts';
import { InFlight } from './in-flight.ts';
import { internalRoutes } from './internal.ts';
import { keepRoutes } from './keep.ts';
import { keyRoutes } from './keys.ts';
import { limitRoutes } from './limits.ts';
import { pluginRoutes } from './plugins.ts';
import { ProblemError, problemResponse } from './problems.ts';
import { publisherRoutes } from './publishers.ts';
import { RateLimiter, type RateVerdict, rateHeaders } from './rate-limiter.ts';
import { regulationRoutes } from './regulation.ts';
import { usageRoutes } from './usage.ts';
import { watchRoutes } from './watch.ts';
import { workspaceRoutes } from './workspaces.ts';

const log = getLogger(['portarium', 'http']);

const TRACEPARENT = /^00-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}$/;

/** The trace id of the caller's `traceparent` (W3C Trace Context), or a new one. */
function traceOf(header: string | undefined, fresh: () => string): string {
  const trace = TRACEPARENT.exec(header ?? '')?.[1];
  return trace !== undefined && !/^0+$/.test(trace) ? trace : fresh();
}

export interface AppOptions extends HealthProbes {
  readonly console?: ConsoleFiles | undefined;
  readonly rates: { readonly key: RateLimit; readonly workspace: RateLimit };
}

export function createApp(context: Context, options: AppOptions): Api {
  const inFlight = new InFlight(PLATFORM_LIMITS.requestsPerKey, PLATFORM_LIMITS.requestsTotal);
  const limiter = new RateLimiter(context.rateTokens, () => performance.now());
  const app: Api = new Hono<{ Variables: Variables }>();
  app.use(async (exchange, next) => {
    exchange.set(
      'trace',
      traceOf(exchange.req.header('traceparent'), () => context.ids.randomHex(16)),
    );
    let counted: string | undefined;
    const verdicts: Record<string, RateVerdict> = {};
    exchange.set('rate', async (name, scope) => {
      const verdict = await limiter.take(`${name}:${scope}`, options.rates[name]);
      verdicts[name] = verdict;
      return verdict;
    });
    exchange.set('enter', (key) => {
      if (counted !== undefined) return true;
      if (!inFlight.enter(key)) return false;
      counted = key;
      return true;
    });
    try {
      await next();
    } finally {
      if (counted !== undefined) inFlight.leave(counted);
    }
    if (Object.keys(verdicts).length > 0) {
      for (const [name, value] of Object.entries(rateHeaders(verdicts)))
        exchange.header(name, value);
    }
    exchange.header('portarium-trace', exchange.get('trace'));
    exchange.header('x-content-type-options', 'nosniff');
  });
  healthRoutes(app, context, options);
  documentationRoutes(app);
  consoleRoutes(app, options.console);
  workspaceRoutes(app, context);
  keyRoutes(app, context);
  pluginRoutes(app, context);
  publisherRoutes(app, context);
  actionRoutes(app, context);
  approvalRoutes(app, context);
  limitRoutes(app, context);
  regulationRoutes(app, context);
  keepRoutes(app, context);
  credentialRoutes(app, context);
  evidenceRoutes(app, context);
  watchRoutes(app, context);
  eventRoutes(app, context);
  usageRoutes(app, context);
  internalRoutes(app, context);

  app.notFound((exchange) => {
    const allowed = methodsOf(app, exchange.req.path);
    const trace = exchange.get('trace');
    if (allowed.length > 0) {
      const detail = `${exchange.req.path} has ${allowed.join(', ')}, not ${exchange.req.method}.`;
      return problemResponse({ code: 'method.not-allowed', detail }, trace, {
        allow: allowed.join(', '),
      });
    }
    return problemResponse(
      { code: 'not-found', detail: `There is nothing at ${exchange.req.path}.` },
      trace,
    );
  });
  app.onError((error, exchange) => {
    const trace = exchange.get('trace');
    if (error instanceof ProblemError) return problemResponse(error.failure, trace, error.headers);
    if (error instanceof LogFrozenError) {
      const detail = `${error.message}. Nothing that leaves evidence is done there.`;
      return problemResponse({ code: 'evidence.rolled-back', detail }, trace, {
        'retry-after': '10',
      });
    }
    if (error instanceof InfraError && error.retryable) {
      log.warn('{method} {path} failed: {reason}', {
        method: exchange.req.method,
        path: exchange.req.path,
        reason: error.message,
        trace,
      });
      return problemResponse(
        { code: 'unavailable', detail: 'A part that this request needs is away.' },
        trace,
        { 'retry-after': '1' },
      );
    }
    log.error('{method} {path} failed: {reason}', {
      method: exchange.req.method,
      path: exchange.req.path,
      reason: error.stack ?? String(error),
      trace,
    });
    return problemResponse(
      {
        code: 'internal',
        detail: 'The request failed through a defect on our side; it is logged under the trace id.',
      },
      trace,
    );
  });
  return app;
}

/** Methods of the routes whose pattern matches `path`. */
function methodsOf(app: Api, path: string): readonly string[] {
  const methods = app.routes
    .filter((route) => route.method !== 'ALL' && patternMatches(route.path, path))
    .map((route) => route.method);
  return [...new Set(methods)].sort();
}

function patternMatches(pattern: string, path: string): boolean {
  const want = pattern.split('/');
  const got = path.split('/');
  // A last parameter with a pattern of its own takes further segments.
  const fits = want.at(-1)?.endsWith('+}') ? want.length <= got.length : want.length === got.length;
  return fits && want.every((segment, i) => segment.startsWith(':') || segment === got[i]);
}
