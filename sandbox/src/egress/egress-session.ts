/**
 * The broker for one attempt: decides, bounds, sends and records every outbound call of a guest.
 * Denies by default; nothing leaves before its record has begun.
 */
import { digestOf, digestOfJson } from '@portarium/contracts/digest';
import {
  decideEgress,
  type EgressContract,
  type EgressRule,
  SAFE_METHODS,
} from '@portarium/contracts/egress-rule';
import type { EgressCall } from '@portarium/contracts/internal-api';
import type { Effect } from '@portarium/contracts/life-cycle';
import { type AttemptLimits, MAX_LIMITS, PLATFORM_LIMITS } from '@portarium/contracts/limits';
import { checkAddress } from './address.ts';
import { Budget } from './budget.ts';
import {
  type GuestRequest,
  type OmittedPart,
  type OutboundRequest,
  parseRequest,
  redirectTarget,
} from './outbound-request.ts';
import { literalAddress, type Resolve } from './resolve.ts';
import { InFlightBytes } from './response-buffer.ts';
import { safeCall } from './safe-call.ts';
import { type Sent, send } from './send.ts';

export interface BrokerOptions {
  readonly resolve: Resolve;
  readonly ownAddresses: ReadonlySet<string>;
  /** One call, from connect to the last byte; default `PLATFORM_LIMITS.egressTimeoutMs`. */
  readonly timeoutMs?: number;
  /** Certificate authorities in PEM instead of the runtime's own. */
  readonly authorities?: string | undefined;
  /** Room that the responses of every session with this share; default that of the process. */
  readonly inFlight?: InFlightBytes;
}

export interface EgressOrder {
  readonly contract: EgressContract;
  readonly effect: Effect;
  readonly limits: Pick<AttemptLimits, 'egressCalls' | 'egressBytesOut' | 'egressBytesIn'>;
}

export type EgressAnswer =
  | {
      readonly kind: 'response';
      readonly status: number;
      readonly headers: Readonly<Record<string, string>>;
      readonly body: Uint8Array;
    }
  /** The guest learns of it and may go on. */
  | { readonly kind: 'failed'; readonly reason: string }
  /** The attempt ends with this error. */
  | {
      readonly kind: 'refused';
      readonly code: 'egress.denied' | 'limit.egress';
      readonly message: string;
    };

/** What is known of a call before it is finished. */
type Draft = Pick<
  EgressCall,
  'call' | 'method' | 'scheme' | 'host' | 'port' | 'path' | 'requestDigest'
>;

type Layer = 'request' | 'plugin' | 'operator' | 'approval' | 'address' | 'budget';

const REDIRECTS: ReadonlySet<number> = new Set([301, 302, 303, 307, 308]);
const RESOLVE_TIMEOUT_MS = 5_000;
/** Twice the most that one attempt may take in, whatever the number of cells. */
const IN_FLIGHT = new InFlightBytes(2 * MAX_LIMITS.egressBytesIn);

export class EgressSession {
  readonly #order: EgressOrder;
  readonly #options: BrokerOptions;
  readonly #budget: Budget;
  readonly #calls: EgressCall[] = [];
  readonly #abort = new AbortController();
  #started = 0;
  #inFlight: Promise<unknown> = Promise.resolve();

  constructor(order: EgressOrder, options: BrokerOptions) {
    this.#order = order;
    this.#options = options;
    this.#budget = new Budget(order.limits);
  }

  /** Finished calls in the order in which they finished. */
  get calls(): readonly EgressCall[] {
    return this.#calls;
  }

  get bytesOut(): number {
    return this.#budget.bytesOut;
  }

  get bytesIn(): number {
    return this.#budget.bytesIn;
  }

  /** Ends a call in flight; resolves when its record is complete. */
  async close(): Promise<void> {
    this.#abort.abort();
    await this.#inFlight;
  }

  /** One request of the guest, with the redirects that a read follows. Never rejects for one. */
  request(guest: GuestRequest): Promise<EgressAnswer> {
    const answer = this.#follow(guest);
    this.#inFlight = answer.catch(() => undefined);
    return answer;
  }

  async #follow(guest: GuestRequest): Promise<EgressAnswer> {
    if (guest.omitted) return this.#omitted(guest, guest.omitted);
    let current = guest;
    let before: OutboundRequest | undefined;
    for (let hop = 0; hop <= PLATFORM_LIMITS.redirectHops; hop++) {
      const parsed = parseRequest(current);
      if (!parsed.ok) return this.#malformed(current, parsed.reason);
      const { request } = parsed;
      if (before?.target.scheme === 'https' && request.target.scheme !== 'https') {
        return this.#deny(await this.#draft(request), 'request', 'a redirect from https to http');
      }
      const answer = await this.#call(request);
      const location = answer.kind === 'response' ? answer.headers.location : undefined;
      if (
        answer.kind !== 'response' ||
        location === undefined ||
        !REDIRECTS.has(answer.status) ||
        !SAFE_METHODS.has(request.target.method)
      ) {
        return answer;
      }
      before = request;
      const url = redirectTarget(location, request);
      current = { ...current, url, headers: keptHeaders(current, url, request) };
    }
    return { kind: 'failed', reason: `more than ${PLATFORM_LIMITS.redirectHops} redirects` };
  }

  /** One hop: decide, resolve, check, count, send, record. */
  async #call(request: OutboundRequest): Promise<EgressAnswer> {
    const decision = decideEgress(this.#order.contract, this.#order.effect, request.target);
    if (!decision.allowed) {
      return this.#deny(await this.#draft(request), decision.layer, decision.reason);
    }
    const rules = [decision.rules.plugin, decision.rules.operator];
    const rule = [...new Set(rules.map(({ id }) => id))].join(' ');
    const draft = await this.#draft(request, rule);
    const over = this.#budget.begin(rules, sizeOf(request));
    if (over) return this.#deny(draft, 'budget', over, rule);

    const started = performance.now();
    const address = await this.#address(request);
    if (!address.ok) {
      if (address.denied) return this.#deny(draft, 'address', address.reason, rule);
      const ms = performance.now() - started;
      return this.#failed({ ...draft, rule, bytesOut: 0, bytesIn: 0, ms }, address.reason);
    }
    const maxResponseBytes = this.#budget.bytesInLeft(rules);
    const sent = await send(request, {
      address: address.address,
      timeoutMs: this.#options.timeoutMs ?? PLATFORM_LIMITS.egressTimeoutMs,
      maxResponseBytes,
      inFlight: this.#options.inFlight ?? IN_FLIGHT,
      signal: this.#abort.signal,
      authorities: this.#options.authorities,
    });
    const ms = performance.now() - started;
    return this.#finish({ draft, rule, rules, address: address.address, sent, ms, request });
  }

  async #finish(end: {
    readonly draft: Draft;
    readonly rule: string;
    readonly rules: readonly EgressRule[];
    readonly address: string;
    readonly sent: Sent;
    readonly ms: number;
    readonly request: OutboundRequest;
  }): Promise<EgressAnswer> {
    const { draft, rule, address, sent, ms } = end;
    const bytesIn = sent.ok ? sent.body.length : sent.bytesIn;
    this.#budget.received(end.rules, bytesIn);
    const known = { ...draft, rule, address, bytesOut: sizeOf(end.request), bytesIn, ms };
    if (!sent.ok) {
      if (!sent.tooLarge) return this.#failed(known, sent.reason);
      this.#record({ ...known, verdict: 'failed', layer: 'budget', reason: sent.reason });
      return { kind: 'refused', code: 'limit.egress', message: whereOf(draft, sent.reason) };
    }
    this.#record({
      ...known,
      verdict: 'allowed',
      ...(sent.status >= 100 && sent.status <= 599 ? { status: sent.status } : {}),
      responseDigest: await digestOf(sent.body),
    });
    return { kind: 'response', status: sent.status, headers: sent.headers, body: sent.body };
  }

  #failed(known: Omit<EgressCall, 'verdict'>, reason: string): EgressAnswer {
    const call = this.#record({ ...known, verdict: 'failed', reason });
    return { kind: 'failed', reason: whereOf(call, reason) };
  }

  #deny(draft: Draft, layer: Layer, reason: string, rule?: string): EgressAnswer {
    const call = this.#record({
      ...draft,
      verdict: 'denied',
      layer,
      reason,
      ...(rule === undefined ? {} : { rule }),
      bytesOut: 0,
      bytesIn: 0,
      ms: 0,
    });
    const code = layer === 'budget' ? 'limit.egress' : 'egress.denied';
    return { kind: 'refused', code, message: whereOf(call, reason) };
  }

  #record(call: EgressCall): EgressCall {
    const safe = safeCall(call);
    this.#calls.push(safe);
    return safe;
  }

  /** Too large to leave the cell: a body is over its budget, anything else malformed. */
  #omitted(guest: GuestRequest, { part, size }: OmittedPart): Promise<EgressAnswer> {
    const what = { url: 'characters in the URL', headers: 'headers', body: 'bytes of body' }[part];
    const reason = `a request with ${size} ${what} is larger than a cell may send`;
    return this.#malformed(guest, reason, part === 'body' ? 'budget' : 'request');
  }

  /** A request that could not be parsed is denied too, with as much of it as can be shown. */
  async #malformed(
    guest: GuestRequest,
    reason: string,
    layer: Layer = 'request',
  ): Promise<EgressAnswer> {
    const shown = URL.canParse(guest.url) ? new URL(guest.url) : undefined;
    const url = guest.url.toWellFormed();
    const size = guest.omitted ? { omitted: { ...guest.omitted } } : {};
    const statement = { method: guest.method.toWellFormed(), url, rule: null, ...size };
    const draft: Draft = {
      call: this.#started++,
      method: guest.method,
      scheme: shown?.protocol.slice(0, -1) ?? '',
      host: shown?.hostname ?? '',
      port: Number(shown?.port || 0),
      path: shown?.pathname ?? '',
      requestDigest: await digestOfJson(statement),
    };
    return this.#deny(draft, layer, reason);
  }

  /** `formats.md`: the request digest covers what the guest asked for, before any credential. */
  async #draft(request: OutboundRequest, rule?: string): Promise<Draft> {
    const { method, scheme, host, port, path } = request.target;
    const call = this.#started++;
    const requestDigest = await digestOfJson({
      method,
      url: request.url,
      headers: request.headers,
      bodyDigest: await digestOf(request.body),
      rule: rule ?? null,
    });
    return { call, method, scheme, host, port, path, requestDigest };
  }

  async #address(
    request: OutboundRequest,
  ): Promise<
    | { readonly ok: true; readonly address: string }
    | { readonly ok: false; readonly denied: boolean; readonly reason: string }
  > {
    const { host } = request.target;
    const literal = literalAddress(host);
    const addresses = literal ? [literal] : await this.#resolve(host);
    if (typeof addresses === 'string') return { ok: false, denied: false, reason: addresses };
    for (const address of addresses) {
      const { contract } = this.#order;
      const decision = checkAddress(address, contract.networks, this.#options.ownAddresses);
      if (!decision.ok) return { ok: false, denied: true, reason: decision.reason };
    }
    const [address] = addresses;
    if (address === undefined)
      return { ok: false, denied: false, reason: 'the name has no address' };
    return { ok: true, address };
  }

  async #resolve(host: string): Promise<readonly string[] | string> {
    const timeout = AbortSignal.any([this.#abort.signal, AbortSignal.timeout(RESOLVE_TIMEOUT_MS)]);
    const { promise, reject } = Promise.withResolvers<never>();
    const stop = () => reject(new Error('the resolver did not answer in time'));
    timeout.addEventListener('abort', stop, { once: true });
    try {
      return await Promise.race([this.#options.resolve(host), promise]);
    } catch (error) {
      return `the name can not be resolved: ${error instanceof Error ? error.message : 'unknown'}`;
    } finally {
      timeout.removeEventListener('abort', stop);
    }
  }
}

/** What counts against the budget: path, headers and body, since each can carry data out. */
function sizeOf(request: OutboundRequest): number {
  const headers = request.headers.reduce(
    (sum, [name, value]) => sum + name.length + value.length,
    0,
  );
  return request.path.length + headers + request.body.length;
}

/** `authorization` falls at a change of origin (RFC 9110, section 15.4). */
function keptHeaders(guest: GuestRequest, url: string, from: OutboundRequest) {
  const same = URL.canParse(url) && new URL(url).origin === new URL(from.url).origin;
  return same
    ? guest.headers
    : guest.headers.filter(([name]) => name.toLowerCase() !== 'authorization');
}

function whereOf(call: Pick<EgressCall, 'method' | 'host' | 'port'>, reason: string): string {
  return `${call.method} ${call.host}:${call.port} — ${reason}`;
}
