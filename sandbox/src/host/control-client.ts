/** Speaks `/internal/v1` with the Control Plane. Says what came back; decides nothing. */
import {
  type ClaimRequest,
  type ClaimResponse,
  ClaimResponseSchema,
  type EgressCall,
  HeartbeatResponseSchema,
  type Outcome,
  OutcomeResponseSchema,
  TICKET_HEADER,
  type WorkOrder,
} from '@portarium/contracts/internal-api';
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

export class ControlClient {
  readonly #options: ControlClientOptions;

  constructor(options: ControlClientOptions) {
    this.#options = options;
  }

  claim(claim: ClaimRequest): Promise<ControlAnswer<ClaimResponse>> {
    return this.#json('/claims', claim, ClaimResponseSchema);
  }

  heartbeat(order: WorkOrder, calls: readonly EgressCall[]) {
    const path = `/attempts/${order.attempt}/heartbeat`;
    return this.#json(path, { calls }, HeartbeatResponseSchema, order.ticket);
  }

  outcome(order: WorkOrder, outcome: Outcome) {
    const path = `/attempts/${order.attempt}/outcome`;
    return this.#json(path, outcome, OutcomeResponseSchema, order.ticket);
  }

  async module(order: WorkOrder): Promise<ControlAnswer<Uint8Array>> {
    const answer = await this.#request('GET', `/attempts/${order.attempt}/module`, order.ticket);
    return answer.ok ? { ok: true, value: answer.value } : answer;
  }

  async #json<T extends v.GenericSchema>(
    path: string,
    body: object,
    schema: T,
    ticket?: string,
  ): Promise<ControlAnswer<v.InferOutput<T>>> {
    const answer = await this.#request('POST', path, ticket, JSON.stringify(body));
    if (!answer.ok) return answer;
    try {
      return {
        ok: true,
        value: v.parse(schema, JSON.parse(new TextDecoder().decode(answer.value))),
      };
    } catch (error) {
      const message = `the Control Plane’s answer to ${path} is malformed: ${messageOf(error)}`;
      return failure('malformed', message, true);
    }
  }

  async #request(
    method: string,
    path: string,
    ticket?: string,
    body?: string,
  ): Promise<ControlAnswer<Uint8Array>> {
    const { url, hostKey, requestTimeoutMs = REQUEST_TIMEOUT_MS } = this.#options;
    try {
      const response = await fetch(`${url}/internal/v1${path}`, {
        method,
        headers: {
          authorization: `Bearer ${hostKey}`,
          ...(ticket === undefined ? {} : { [TICKET_HEADER]: ticket }),
          ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        },
        ...(body === undefined ? {} : { body }),
        redirect: 'error',
        signal: AbortSignal.timeout(requestTimeoutMs),
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
