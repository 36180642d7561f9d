/**
 * Stands between a sandbox host and the Control Plane, on loopback, and lets a test act at exactly one
 * point of an exchange: before it is forwarded, before its answer is delivered, after that. Changes
 * nothing of what passes.
 */
import { request as httpRequest, type IncomingHttpHeaders } from 'node:http';
import type { Socket } from 'node:net';
import { type RawRequest, rawResponse, serveRaw } from './raw-http.ts';

/** The last segment of a path under `/internal/v1`; `bodies` for those with a digest behind. */
export type ExchangeKind =
  | 'claims'
  | 'intents'
  | 'heartbeat'
  | 'outcome'
  | 'module'
  | 'bodies'
  | 'other';

export interface Exchange {
  readonly kind: ExchangeKind;
  readonly method: string;
  readonly path: string;
  /** The action it is about, once a claim has told which attempt belongs to which. */
  readonly action: string | undefined;
  readonly attempt: string | undefined;
  /** The request's body when it is JSON. */
  readonly body: unknown;
  /** The Control Plane's answer; absent before it is there. */
  readonly answer?: { readonly status: number; readonly body: unknown };
}

export type Point = 'before-forward' | 'before-answer' | 'delivered';

/**
 * What a test does there; the exchange waits for it. Resolving to `drop` ends the connection, so that
 * the request, or its answer, is lost; anything else lets it pass. Ignored after delivery.
 */
export type Hook = (exchange: Exchange) => unknown;

export interface FaultProxy extends AsyncDisposable {
  /** What the sandbox host takes for the Control Plane. */
  readonly url: string;
  /** Where requests go from now on, such as `http://127.0.0.1:3000`. */
  forwardTo(url: string): void;
  /**
   * Runs `hook` for each exchange of that kind at that point, which waits for it; hooks of one point
   * run in the order in which they were set. @returns what takes the hook away
   */
  at(kind: ExchangeKind, point: Point, hook: Hook): () => void;
}

interface SetHook {
  readonly kind: ExchangeKind;
  readonly point: Point;
  readonly hook: Hook;
}

export async function startFaultProxy(): Promise<FaultProxy> {
  let target: string | undefined;
  const hooks = new Set<SetHook>();
  /** Actions by attempt. */
  const actions = new Map<string, string>();

  async function pass(point: Point, exchange: Exchange): Promise<boolean> {
    for (const each of [...hooks]) {
      if (each.kind !== exchange.kind || each.point !== point) continue;
      if ((await each.hook(exchange)) === 'drop') return false;
    }
    return true;
  }

  async function serve(request: RawRequest, socket: Socket): Promise<void> {
    const asked = exchangeOf(request, actions);
    if (target === undefined || !(await pass('before-forward', asked))) {
      socket.destroy();
      return;
    }
    // A Control Plane that is away looks to the host as it would without a proxy: no answer.
    const answer = await forward(target, request);
    const exchange = { ...asked, answer: { status: answer.status, body: jsonOf(answer.body) } };
    remember(exchange, actions);
    if (!(await pass('before-answer', exchange))) {
      socket.destroy();
      return;
    }
    await new Promise<void>((resolve) => {
      if (socket.destroyed) resolve();
      else socket.write(answer.bytes, () => resolve());
    });
    await pass('delivered', exchange);
  }

  const server = await serveRaw(serve);
  return {
    url: `http://127.0.0.1:${server.port}`,
    forwardTo: (url) => {
      target = url;
    },
    at: (kind, point, hook) => {
      const entry = { kind, point, hook };
      hooks.add(entry);
      return () => hooks.delete(entry);
    },
    [Symbol.asyncDispose]: () => server.close(),
  };
}

const KINDS: ReadonlySet<string> = new Set(['intents', 'heartbeat', 'outcome', 'module', 'bodies']);

function exchangeOf(request: RawRequest, actions: ReadonlyMap<string, string>): Exchange {
  const { method, path } = request;
  const body = jsonOf(request.body);
  if (path === '/internal/v1/claims') {
    const action = text(body, 'action');
    return { kind: 'claims', method, path, action, attempt: undefined, body };
  }
  const [, attempt, last = ''] = /^\/internal\/v1\/attempts\/([^/]+)\/([a-z]+)/.exec(path) ?? [];
  const kind = KINDS.has(last) ? (last as ExchangeKind) : 'other';
  return { kind, method, path, attempt, action: actions.get(attempt ?? ''), body };
}

/** Keeps which action the attempt of an order belongs to. */
function remember({ kind, action, answer }: Exchange, actions: Map<string, string>): void {
  const order = (answer?.body as { order?: unknown } | undefined)?.order;
  const attempt = text(order, 'attempt');
  if (kind === 'claims' && attempt !== undefined && action !== undefined) {
    actions.set(attempt, action);
  }
}

function text(value: unknown, name: string): string | undefined {
  const found = (value as Readonly<Record<string, unknown>> | null | undefined)?.[name];
  return typeof found === 'string' ? found : undefined;
}

function jsonOf(bytes: Buffer): unknown {
  try {
    return JSON.parse(bytes.toString());
  } catch {
    return undefined;
  }
}

interface Forwarded {
  readonly status: number;
  readonly body: Buffer;
  /** The whole response as the host gets it. */
  readonly bytes: Buffer;
}

/** Of the connection, not of the message. */
const HOP = new Set(['connection', 'keep-alive', 'transfer-encoding', 'content-length', 'host']);

/** Rejects when the Control Plane gives no whole answer. */
function forward(target: string, request: RawRequest): Promise<Forwarded> {
  const { method, path, query, headers, body } = request;
  const search = query.size === 0 ? '' : `?${query}`;
  const kept = Object.entries(headers).filter(([name]) => !HOP.has(name));
  return new Promise((resolve, reject) => {
    const outgoing = httpRequest(
      `${target}${path}${search}`,
      {
        method,
        agent: false,
        headers: { ...Object.fromEntries(kept), 'content-length': String(body.length) },
      },
      (response) => {
        const chunks: Buffer[] = [];
        response.on('data', (chunk: Buffer) => chunks.push(chunk));
        response.once('error', reject);
        response.once('end', () => {
          const received = Buffer.concat(chunks);
          const status = response.statusCode ?? 502;
          const bytes = rawResponse(status, plain(response.headers), received);
          resolve({ status, body: received, bytes });
        });
      },
    );
    outgoing.once('error', reject);
    outgoing.end(body);
  });
}

function plain(headers: IncomingHttpHeaders): Record<string, string> {
  const kept: Record<string, string> = {};
  for (const [name, value] of Object.entries(headers)) {
    if (value === undefined || HOP.has(name)) continue;
    kept[name] = Array.isArray(value) ? value.join(', ') : value;
  }
  return kept;
}
