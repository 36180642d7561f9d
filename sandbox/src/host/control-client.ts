/**
 * Speaks `/internal/v1` with the Control Plane. Says what came back; decides nothing. An answer may hold
 * a secret: nothing of one stands in a message.
 */
import {
  type CandidateClaim,
  type CandidateVerdict,
  type ClaimRequest,
  type ClaimResponse,
  ClaimResponseSchema,
  HeartbeatResponseSchema,
  type Intent,
  IntentResponseSchema,
  type Outcome,
  OutcomeResponseSchema,
  type Report,
  TICKET_HEADER,
  type WorkOrder,
} from '@portarium/contracts/internal-api';
import { PLATFORM_LIMITS } from '@portarium/contracts/limits';
import * as v from 'valibot';

/** An answer that is not a success, or no answer at all. */
export interface ControlFailure {
  readonly ok: false;
  /** The problem document's code, or `unreachable`. */
  readonly code: string;
  readonly message: string;
  /** Whether asking again may help: no answer, 429, or 5xx. */
  readonly transient: boolean;
  readonly retryAfterMs: number | undefined;
}

export type ControlAnswer<T> = { readonly ok: true; readonly value: T } | ControlFailure;

/** Refusals that no other content of the request would change. */
export function isFinal({ code }: Pick<ControlFailure, 'code'>): boolean {
  return code === SUPERSEDED || code === 'not-found' || code.startsWith('auth.');
}

export const SUPERSEDED = 'attempt.superseded';

export interface ControlClientOptions {
  /** Without a path, such as `http://127.0.0.1:3000`. */
  readonly url: string;
  readonly hostKey: string;
  readonly requestTimeoutMs?: number;
}

const REQUEST_TIMEOUT_MS = 5_000;

/** Any problem document; a proxy in between may answer with something else. */
const ProblemSchema = v.looseObject({
  code: v.optional(v.string()),
  detail: v.optional(v.string()),
  title: v.optional(v.string()),
  retryAfterMs: v.optional(v.pipe(v.number(), v.minValue(0))),
});

interface Request {
  readonly method: 'GET' | 'POST' | 'PUT';
  readonly path: string;
  readonly ticket?: string;
  /** JSON text, or bytes. */
  readonly body?: string | Uint8Array;
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal | undefined;
}

export class ControlClient {
  readonly #options: ControlClientOptions;

  constructor(options: ControlClientOptions) {
    this.#options = options;
  }

  async claim(claim: ClaimRequest): Promise<ControlAnswer<ClaimResponse>> {
    const path = '/claims';
    const answer = await this.#json({ method: 'POST', path }, claim, ClaimResponseSchema);
    if (!answer.ok || answer.value.status !== 'run') return answer;
    if (answer.value.order.journal.every(({ call }, place) => call === place)) return answer;
    return failure('malformed', 'the journal of the order has gaps', true);
  }

  /** The bytes of a module that waits to be tried. */
  takeCandidate(claim: CandidateClaim): Promise<ControlAnswer<Uint8Array>> {
    const [path, body] = ['/candidates/claims', JSON.stringify(claim)];
    const timeoutMs = PLATFORM_LIMITS.bodyTimeoutMs;
    return this.#request({ method: 'POST', path, body, timeoutMs });
  }

  async tellCandidate(verdict: CandidateVerdict): Promise<ControlAnswer<null>> {
    const [path, body] = ['/candidates/verdicts', JSON.stringify(verdict)];
    const answer = await this.#request({ method: 'POST', path, body });
    return answer.ok ? { ok: true, value: null } : answer;
  }

  heartbeat(order: WorkOrder, report: Report) {
    return this.#json(post(order, 'heartbeat'), report, HeartbeatResponseSchema);
  }

  outcome(order: WorkOrder, outcome: Outcome) {
    return this.#json(post(order, 'outcome'), outcome, OutcomeResponseSchema);
  }

  intend(order: WorkOrder, intent: Intent, signal?: AbortSignal) {
    return this.#json({ ...post(order, 'intents'), signal }, intent, IntentResponseSchema);
  }

  module(order: WorkOrder): Promise<ControlAnswer<Uint8Array>> {
    const path = `/attempts/${order.attempt}/module`;
    return this.#request({ method: 'GET', path, ticket: order.ticket });
  }

  /** A response body that an earlier attempt of the action recorded. */
  body(order: WorkOrder, digest: string, signal?: AbortSignal): Promise<ControlAnswer<Uint8Array>> {
    const path = `/attempts/${order.attempt}/bodies/${digest}`;
    const timeoutMs = PLATFORM_LIMITS.bodyTimeoutMs;
    return this.#request({ method: 'GET', path, ticket: order.ticket, timeoutMs, signal });
  }

  /** Has to be there before a report whose record names it. */
  async putBody(
    order: WorkOrder,
    digest: string,
    body: Uint8Array,
    signal?: AbortSignal,
  ): Promise<ControlAnswer<null>> {
    const path = `/attempts/${order.attempt}/bodies/${digest}`;
    const timeoutMs = PLATFORM_LIMITS.bodyTimeoutMs;
    const { ticket } = order;
    const answer = await this.#request({ method: 'PUT', path, ticket, body, timeoutMs, signal });
    return answer.ok ? { ok: true, value: null } : answer;
  }

  async #json<T extends v.GenericSchema>(
    request: Request,
    body: object,
    schema: T,
  ): Promise<ControlAnswer<v.InferOutput<T>>> {
    const answer = await this.#request({ ...request, body: JSON.stringify(body) });
    if (!answer.ok) return answer;
    const parsed = parse(schema, answer.value);
    if (parsed.ok) return parsed;
    const message = `the Control Plane’s answer to ${request.path} is malformed: ${parsed.where}`;
    return failure('malformed', message, true);
  }

  async #request(request: Request): Promise<ControlAnswer<Uint8Array>> {
    const { url, hostKey, requestTimeoutMs = REQUEST_TIMEOUT_MS } = this.#options;
    const { method, path, ticket, body, signal, timeoutMs = requestTimeoutMs } = request;
    const over = AbortSignal.timeout(timeoutMs);
    const type = typeof body === 'string' ? 'application/json' : 'application/octet-stream';
    try {
      const response = await fetch(`${url}/internal/v1${path}`, {
        method,
        headers: {
          authorization: `Bearer ${hostKey}`,
          ...(ticket === undefined ? {} : { [TICKET_HEADER]: ticket }),
          ...(body === undefined ? {} : { 'content-type': type }),
        },
        ...(body === undefined ? {} : { body: body as string | Uint8Array<ArrayBuffer> }),
        redirect: 'error',
        signal: signal ? AbortSignal.any([over, signal]) : over,
      });
      const bytes = new Uint8Array(await response.arrayBuffer());
      if (response.ok) return { ok: true, value: bytes };
      return problemOf(response.status, bytes, `${method} ${path}`);
    } catch (error) {
      const message = `the Control Plane did not answer ${method} ${path}: ${messageOf(error)}`;
      return failure('unreachable', message, true);
    }
  }
}

function post({ attempt, ticket }: WorkOrder, what: string): Request {
  return { method: 'POST', path: `/attempts/${attempt}/${what}`, ticket };
}

/** The value, or where it is not as expected; never what stands there instead. */
function parse<T extends v.GenericSchema>(
  schema: T,
  bytes: Uint8Array,
):
  | { readonly ok: true; readonly value: v.InferOutput<T> }
  | { readonly ok: false; readonly where: string } {
  let json: unknown;
  try {
    json = JSON.parse(new TextDecoder().decode(bytes));
  } catch {
    return { ok: false, where: 'it is not JSON' };
  }
  const parsed = v.safeParse(schema, json);
  if (parsed.success) return { ok: true, value: parsed.output };
  const [issue] = parsed.issues;
  const place = v.getDotPath(issue) ?? 'the top';
  return { ok: false, where: `expected ${issue.expected ?? 'something else'} at ${place}` };
}

function problemOf(status: number, bytes: Uint8Array, what: string): ControlFailure {
  const transient = status === 429 || status >= 500;
  try {
    const problem = v.parse(ProblemSchema, JSON.parse(new TextDecoder().decode(bytes)));
    const said = problem.detail ?? problem.title ?? 'no detail';
    const message = `${what} answered ${status}: ${said}`;
    return failure(problem.code ?? `http-${status}`, message, transient, problem.retryAfterMs);
  } catch {
    return failure(`http-${status}`, `${what} answered ${status}`, transient);
  }
}

function failure(
  code: string,
  message: string,
  transient: boolean,
  retryAfterMs?: number,
): ControlFailure {
  return { ok: false, code, message, transient, retryAfterMs };
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
