/**
 * A system on loopback that plugins of tests write to. It honours `Idempotency-Key`, counts requests
 * and effects by the id in the body, and misbehaves for single ids as it is told.
 */
import type { Socket } from 'node:net';
import { type RawRequest, rawResponse, serveRaw } from './raw-http.ts';

/** A request that arrived whole. */
export interface SeenRequest {
  readonly id: string;
  readonly method: string;
  readonly path: string;
  readonly query: URLSearchParams;
  readonly body: string;
  readonly headers: Readonly<Record<string, string>>;
  /** The value of `Idempotency-Key`. */
  readonly key: string | undefined;
  /** Counts the requests with this id from 1. */
  readonly nth: number;
  /** Milliseconds of `performance.now()` at its last byte. */
  readonly atMs: number;
}

export type Fault =
  /** The connection ends; nothing has happened. */
  | 'die-before-effect'
  /** It has happened; the connection ends without an answer. */
  | 'die-after-effect'
  /** It has happened; no answer ever comes and the connection stays. */
  | 'stall'
  /** Two whole answers on one connection, the second with another body. */
  | 'answer-twice'
  /** The answer carries the Authorization header in the forms that a careless system might send. */
  | 'echo-authorization';

export interface Plan {
  readonly fault?: Fault;
  /** How many requests with this id the fault is for; all when absent. */
  readonly times?: number;
  /** The request has arrived whole and nothing has happened yet; it waits for this. */
  readonly arrived?: (request: SeenRequest) => void | Promise<void>;
  /** It has happened and no byte of the answer is sent yet; the answer waits for this. */
  readonly answering?: (request: SeenRequest) => void | Promise<void>;
  /** The last byte of the answer was written. */
  readonly answered?: (request: SeenRequest) => void | Promise<void>;
}

export interface RecordingCounterpart extends AsyncDisposable {
  readonly port: number;
  /** Such as `http://127.0.0.1:4000`. */
  readonly origin: string;
  /** Says what happens to requests with that id from now on. */
  plan(id: string, plan: Plan): void;
  /** Whole requests with that id in the order of their arrival. */
  requests(id: string): readonly SeenRequest[];
  /** How often something happened for that id; GET changes nothing. */
  effects(id: string): number;
}

export interface CounterpartOptions {
  /** Member of a JSON body, field of a form or query parameter that holds the id; `id`. */
  readonly idField?: string;
  /** The body of an answer, made when the effect happens. */
  readonly answer?: (request: SeenRequest, effect: number) => unknown;
}

interface Kept {
  readonly body: string;
  readonly answer: string;
}

/** The body that an answer has unless a test says otherwise. */
function plainAnswer(request: SeenRequest, effect: number): unknown {
  return { id: request.id, effect, receipt: `receipt-${request.id}-${effect}` };
}

export async function startRecordingCounterpart(
  options: CounterpartOptions = {},
): Promise<RecordingCounterpart> {
  const seen = new Map<string, SeenRequest[]>();
  const plans = new Map<string, Plan>();
  const effects = new Map<string, number>();
  /** First answers by idempotency key. */
  const kept = new Map<string, Kept>();

  function take(request: RawRequest): SeenRequest {
    const id = idOf(request, options.idField ?? 'id');
    const list = seen.get(id) ?? [];
    seen.set(id, list);
    const { method, path, query, headers, body } = request;
    const taken: SeenRequest = {
      ...{ id, method, path, query, headers, body: body.toString(), nth: list.length + 1 },
      key: headers['idempotency-key'],
      atMs: performance.now(),
    };
    list.push(taken);
    return taken;
  }

  function happen(request: SeenRequest): string {
    const count = (effects.get(request.id) ?? 0) + 1;
    effects.set(request.id, count);
    return JSON.stringify((options.answer ?? plainAnswer)(request, count));
  }

  function look({ id }: SeenRequest): string {
    return JSON.stringify({ id, effects: effects.get(id) ?? 0 });
  }

  /** The first request of a key takes effect, later ones get its answer. */
  function perform(request: SeenRequest): Answer {
    if (request.method === 'GET') return { status: 200, replayed: false, body: look(request) };
    if (request.key === undefined) return { status: 200, replayed: false, body: happen(request) };
    const first = kept.get(request.key);
    if (first === undefined) {
      const answer = happen(request);
      kept.set(request.key, { body: request.body, answer });
      return { status: 200, replayed: false, body: answer };
    }
    if (first.body !== request.body) return KEY_REUSED;
    return { status: 200, replayed: true, body: first.answer };
  }

  const server = await serveRaw(async (raw, socket) => {
    const request = take(raw);
    const plan = plans.get(request.id) ?? {};
    const fault = request.nth <= (plan.times ?? Number.POSITIVE_INFINITY) ? plan.fault : undefined;
    await plan.arrived?.(request);
    if (fault === 'die-before-effect') {
      socket.destroy();
      return;
    }
    const answer = perform(request);
    await plan.answering?.(request);
    await respond(socket, request, answer, fault);
    await plan.answered?.(request);
  });
  return {
    port: server.port,
    origin: `http://127.0.0.1:${server.port}`,
    plan: (id, plan) => plans.set(id, plan),
    requests: (id) => seen.get(id) ?? [],
    effects: (id) => effects.get(id) ?? 0,
    [Symbol.asyncDispose]: () => server.close(),
  };
}

interface Answer {
  readonly status: number;
  readonly replayed: boolean;
  readonly body: string;
}

/** As Stripe answers a key that comes with another body. */
const KEY_REUSED: Answer = {
  status: 400,
  replayed: false,
  body: JSON.stringify({ error: { type: 'idempotency_error', message: 'another body' } }),
};

async function respond(
  socket: Socket,
  request: SeenRequest,
  answer: Answer,
  fault: Fault | undefined,
): Promise<void> {
  const headers = {
    'content-type': 'application/json',
    ...(answer.replayed ? { 'idempotent-replayed': 'true' } : {}),
  };
  const plain = rawResponse(answer.status, headers, answer.body);
  switch (fault) {
    case 'die-after-effect':
      socket.destroy();
      return;
    case 'stall':
      return;
    case 'answer-twice':
      await write(socket, Buffer.concat([plain, rawResponse(200, headers, '{"second":true}')]));
      return;
    case 'echo-authorization': {
      const echo = echoOf(request.headers.authorization ?? '');
      await write(socket, rawResponse(200, { ...headers, ...echo.headers }, echo.body));
      return;
    }
    default:
      await write(socket, plain);
  }
}

/** The header as it came, its secret alone, and both encoded as URLs and base64 carry them. */
function echoOf(authorization: string): { headers: Record<string, string>; body: string } {
  const secret = authorization.replace(/^\S+ /, '');
  const url = encodeURIComponent(secret);
  const base64 = Buffer.from(secret).toString('base64');
  return {
    headers: { 'x-echo': authorization, 'x-echo-url': url, 'x-echo-base64': base64 },
    body: JSON.stringify({
      ...{ authorization, secret, url, base64 },
      nested: `before${secret}after`,
      basic: Buffer.from(`user:${secret}`).toString('base64'),
    }),
  };
}

function write(socket: Socket, bytes: Buffer): Promise<void> {
  return new Promise((resolve) => {
    if (socket.destroyed) resolve();
    else socket.write(bytes, () => resolve());
  });
}

function idOf({ headers, body, query }: RawRequest, field: string): string {
  const text = body.toString();
  if (headers['content-type']?.startsWith('application/x-www-form-urlencoded') === true) {
    return new URLSearchParams(text).get(field) ?? '';
  }
  if (text === '') return query.get(field) ?? '';
  try {
    const value = (JSON.parse(text) as Readonly<Record<string, unknown>> | null)?.[field];
    return typeof value === 'string' ? value : '';
  } catch {
    return '';
  }
}
