/**
 * Sends requests to one Control Plane: authentication, time limits, retries. It repeats only what
 * may be repeated, and never follows a redirect with the key.
 */
import * as v from 'valibot';
import { clientError, errorOf, type PortariumError } from './portarium-error.ts';

export interface ClientOptions {
  /** Base address, such as `http://127.0.0.1:3000`. */
  readonly url: string;
  /** `ptk_…` */
  readonly key: string;
  /** The workspace that calls without one of their own are about. */
  readonly workspace: string;
  /** Attempts of a repeatable call, the first included; 4 when left out. */
  readonly maxAttempts?: number;
  /** For one answer, in milliseconds, a `wait` aside; 30,000 when left out. */
  readonly timeoutMs?: number;
  /** What stands in for the runtime's own, in tests. */
  readonly fetch?: (request: Request) => Promise<Response>;
  readonly sleep?: (ms: number) => Promise<void>;
  /** In [0, 1), for the jitter of the back-off. */
  readonly random?: () => number;
}

export interface Call {
  readonly method: 'GET' | 'POST' | 'PUT' | 'DELETE';
  readonly path: string;
  readonly query?: Readonly<Record<string, string | number | undefined>>;
  readonly headers?: Readonly<Record<string, string>>;
  /** Sent as JSON. */
  readonly json?: unknown;
  readonly form?: FormData;
  /** Sent as they are. */
  readonly bytes?: { readonly mediaType: string; readonly body: Uint8Array<ArrayBuffer> };
  /** Whether sending it twice does what sending it once does. GET always may be. */
  readonly repeatable?: boolean;
  /** Added to the time limit: what the server was asked to wait. */
  readonly waitMs?: number;
  /** Ends it; then no time limit holds but this. */
  readonly signal?: AbortSignal;
  /** A status other than 2xx that is an answer all the same. */
  readonly answeredBy?: number;
}

const DEFAULT_TIMEOUT_MS = 30_000;
const DEFAULT_ATTEMPTS = 4;
const FIRST_DELAY_MS = 200;
/** Longest pause between two attempts, whatever `Retry-After` says. */
const MAX_DELAY_MS = 20_000;

export class Transport {
  readonly workspace: string;
  readonly sleep: (ms: number) => Promise<void>;
  readonly #base: string;
  readonly #options: ClientOptions;

  constructor(options: ClientOptions) {
    this.#base = options.url.replace(/\/+$/, '');
    if (!/^https?:\/\/[^/?#]+/.test(this.#base)) {
      throw new RangeError(`not an http or https address: ${JSON.stringify(options.url)}`);
    }
    this.workspace = options.workspace;
    this.sleep = options.sleep ?? ((ms) => new Promise((resolve) => setTimeout(resolve, ms)));
    this.#options = options;
  }

  /** The path below the client's workspace. */
  inWorkspace(path: string): string {
    return `/v1/workspaces/${encodeURIComponent(this.workspace)}${path}`;
  }

  /**
   * The answer's JSON, parsed; fields that `schema` does not name are kept.
   * @throws PortariumError
   */
  async json<S extends v.GenericSchema>(call: Call, schema: S): Promise<v.InferOutput<S>> {
    const response = await this.send(call);
    const body: unknown = await response.json().catch(() => undefined);
    const parsed = v.safeParse(schema, body);
    if (parsed.success) return parsed.output;
    const issue = parsed.issues[0];
    throw clientError(
      'answer.unexpected',
      `${call.method} ${call.path} answered with another shape: ${v.getDotPath(issue) ?? 'body'}: ${issue.message}.`,
      { status: response.status, hint: 'Use a client of the same version as the Control Plane.' },
    );
  }

  /**
   * A response with a status of 2xx.
   * @throws PortariumError
   */
  async send(call: Call): Promise<Response> {
    const repeatable = call.repeatable ?? call.method === 'GET';
    const attempts = repeatable ? (this.#options.maxAttempts ?? DEFAULT_ATTEMPTS) : 1;
    for (let attempt = 1; ; attempt++) {
      const outcome = await this.#once(call);
      if (outcome.ok) return outcome.response;
      if (attempt >= attempts || !outcome.again) throw outcome.error;
      await this.sleep(this.#delayMs(attempt, outcome.retryAfterMs));
    }
  }

  async #once(call: Call): Promise<Sent> {
    let response: Response;
    try {
      const fetch = this.#options.fetch ?? ((request: Request) => globalThis.fetch(request));
      response = await fetch(this.#request(call));
    } catch (cause) {
      const timedOut = cause instanceof Error && cause.name === 'TimeoutError';
      const error = timedOut
        ? clientError('timeout', `${this.#base} did not answer in time.`, { cause })
        : clientError('network', `${this.#base} can not be reached.`, {
            hint: 'Check the URL and that the Control Plane runs (portarium status).',
            cause,
          });
      return { ok: false, error, again: true };
    }
    if (response.ok || response.status === call.answeredBy) return { ok: true, response };
    const error = await errorOf(response);
    const again =
      [429, 502, 503, 504].includes(error.status) || error.code === 'idempotency.in-progress';
    return { ok: false, error, again, retryAfterMs: retryAfterMs(response.headers) };
  }

  #request(call: Call): Request {
    const url = new URL(`${this.#base}${call.path}`);
    for (const [name, value] of Object.entries(call.query ?? {})) {
      if (value !== undefined) url.searchParams.set(name, String(value));
    }
    const headers = new Headers({ ...call.headers, accept: 'application/json, */*;q=0.5' });
    headers.set('authorization', `Bearer ${this.#options.key}`);
    if (call.json !== undefined) headers.set('content-type', 'application/json');
    if (call.bytes) headers.set('content-type', call.bytes.mediaType);
    const body =
      call.json === undefined ? (call.bytes?.body ?? call.form) : JSON.stringify(call.json);
    const timeoutMs = (this.#options.timeoutMs ?? DEFAULT_TIMEOUT_MS) + (call.waitMs ?? 0);
    return new Request(url, {
      method: call.method,
      headers,
      redirect: 'error',
      signal: call.signal ?? AbortSignal.timeout(timeoutMs),
      ...(body === undefined ? {} : { body }),
    });
  }

  /** Doubles with each attempt, between half and all of it, at least what the server asked for. */
  #delayMs(attempt: number, askedMs: number | undefined): number {
    const full = FIRST_DELAY_MS * 2 ** (attempt - 1);
    const jittered = full * (0.5 + 0.5 * (this.#options.random ?? Math.random)());
    return Math.min(MAX_DELAY_MS, Math.max(jittered, askedMs ?? 0));
  }
}

type Sent =
  | { readonly ok: true; readonly response: Response }
  | {
      readonly ok: false;
      readonly error: PortariumError;
      readonly again: boolean;
      readonly retryAfterMs?: number | undefined;
    };

/** `Retry-After` in seconds (RFC 9110, section 10.2.3); dates are not sent by this API. */
function retryAfterMs(headers: Headers): number | undefined {
  const text = headers.get('retry-after') ?? '';
  return /^\d{1,6}$/.test(text) ? Number(text) * 1_000 : undefined;
}
