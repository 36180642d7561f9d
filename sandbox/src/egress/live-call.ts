/**
 * One call that leaves: address, leave, connection, answer. Never answers for a write whose bytes may
 * have left without an answer (ADR 0107), and never sends anything without leave that needs it.
 */
import { type Digest, digestOf } from '@portarium/contracts/digest';
import {
  type EgressContract,
  idempotencyOf,
  ratesOf,
  SAFE_METHODS,
} from '@portarium/contracts/egress-rule';
import type { AttemptErrorCode } from '@portarium/contracts/errors';
import type { EgressCall } from '@portarium/contracts/internal-api';
import { PLATFORM_LIMITS } from '@portarium/contracts/limits';
import { bytesOutOf } from './budget.ts';
import { certificateAdvice } from './certificate-advice.ts';
import { checkedAddress } from './checked-address.ts';
import { CONNECTIONS, type Connections } from './connections.ts';
import {
  addedOnWire,
  credentialProblem,
  guestLocation,
  type Leave,
  secretForms,
} from './credential.ts';
import { type Refused, refused, whereOf } from './egress-answer.ts';
import type { EgressControl, IntentAnswer } from './egress-control.ts';
import { guestResponse } from './guest-response.ts';
import { type AllowedRequest, bodyDigest, credentialSlot } from './judge-request.ts';
import type { Resolve } from './resolve.ts';
import { IN_FLIGHT, type InFlightBytes } from './response-buffer.ts';
import { Scrubber } from './scrub.ts';
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
  /** Connections that sessions with this leave to later reads; default those of the process. */
  readonly connections?: Connections;
}

export interface CallTask {
  readonly call: number;
  readonly allowed: AllowedRequest;
  /** An earlier attempt left its record open: it may have sent it. */
  readonly reopened: boolean;
  readonly maxResponseBytes: number;
}

export interface CallSurroundings {
  readonly workspace: string;
  readonly contract: EgressContract;
  readonly options: BrokerOptions;
  readonly control: EgressControl;
  readonly signal: AbortSignal;
  /** On `performance.now()`: when the guest's time is over, so that nothing waits for longer. */
  readonly endsBy: number;
}

export interface CallEnd {
  /** Absent when there is nothing to add to the journal: an open record then stays open. */
  readonly record?: EgressCall;
  /** The bytes behind the record's `responseDigest`. */
  readonly body?: Uint8Array;
  /** The bytes behind the `bodyDigest` of a withheld request. */
  readonly requestBody?: Uint8Array;
  /** Response bytes that were taken in. */
  readonly bytesIn: number;
  /** The attempt ends, whatever the record says. */
  readonly refusal?: Refused;
}

export class LiveCall {
  readonly #task: CallTask;
  readonly #around: CallSurroundings;
  readonly #started = performance.now();
  readonly #write: boolean;
  readonly #needsLeave: boolean;
  #address: string | undefined;
  /** Of the request's body, when the call needs leave and has one. */
  #bodyDigest: Digest | null = null;
  #tlsPeerKeyHash: Digest | undefined;
  #leave: Leave | undefined;
  #scrubber: Scrubber | undefined;

  constructor(task: CallTask, around: CallSurroundings) {
    const { request, rules } = task.allowed;
    this.#task = task;
    this.#around = around;
    this.#write = !SAFE_METHODS.has(request.target.method);
    this.#needsLeave =
      this.#write || credentialSlot(rules) !== undefined || ratesOf(rules).length > 0;
  }

  async perform(): Promise<CallEnd> {
    const { contract, options, signal } = this.#around;
    const { host } = this.#task.allowed.request.target;
    const { networks } = contract;
    if (this.#needsLeave) this.#bodyDigest = await bodyDigest(this.#task.allowed.request.body);
    const checked = await checkedAddress(host, { ...options, networks, signal });
    if (!checked.ok) {
      return checked.denied
        ? this.#denied('address', checked.reason)
        : this.#unsent(checked.reason);
    }
    this.#address = checked.address;
    if (!this.#needsLeave) return this.#exchange(checked.address);
    const answer = await this.#ask(checked.address);
    switch (answer.kind) {
      case 'send':
        return this.#leaves(checked.address, answer.askedAt, answer.leave);
      case 'refused': {
        const refusal = refused(answer.code, this.#where(answer.message));
        if (answer.layer === undefined) return { bytesIn: 0, refusal };
        return this.#denied(answer.layer, answer.message, refusal);
      }
      default:
        return this.#unsent(answer.message, refused(answer.code, answer.message));
    }
  }

  async #ask(address: string): Promise<IntentAnswer> {
    const { call, allowed } = this.#task;
    const { request, draft } = allowed;
    const { control, signal, endsBy } = this.#around;
    return control.intend(
      {
        call,
        method: request.target.method,
        url: request.url,
        headers: request.headers.map(([name, value]): [string, string] => [name, value]),
        bodyDigest: this.#bodyDigest,
        bodyBytes: request.body.length,
        body: request.body,
        requestDigest: draft.requestDigest,
        address,
      },
      { signal, endsBy },
    );
  }

  async #leaves(address: string, askedAt: number, leave: Leave): Promise<CallEnd> {
    const { request, rules } = this.#task.allowed;
    this.#leave = leave;
    const problem = credentialProblem(request, rules, leave);
    if (problem)
      return this.#unsent(problem, refused('credential.unavailable', this.#where(problem)));
    const { credential } = leave;
    if (credential) this.#scrubber = new Scrubber(secretForms(credential), credential.slot);
    return this.#exchange(address, { askedAt, leave });
  }

  async #exchange(
    address: string,
    given?: { readonly askedAt: number; readonly leave: Leave },
  ): Promise<CallEnd> {
    const { workspace, options, signal } = this.#around;
    const { allowed, maxResponseBytes } = this.#task;
    const most = options.timeoutMs ?? PLATFORM_LIMITS.egressTimeoutMs;
    const wholeBy = performance.now() + most;
    const times = given
      ? {
          firstByteBy: Math.min(wholeBy, given.askedAt + given.leave.sendWithinMs),
          timeoutMs: Math.min(most, given.leave.timeoutMs),
          added: addedOnWire(given.leave),
        }
      : { firstByteBy: wholeBy, timeoutMs: most, wholeBy };
    const sent = await send(allowed.request, {
      ...times,
      address,
      maxResponseBytes,
      inFlight: options.inFlight ?? IN_FLIGHT,
      signal,
      authorities: allowed.rules.operator.caCertificates?.join('\n') ?? options.authorities,
      connections: options.connections ?? CONNECTIONS,
      once: ratesOf(allowed.rules).length > 0,
      workspace,
      credential: given?.leave.credential,
    });
    this.#tlsPeerKeyHash = sent.tlsPeerKeyHash;
    return sent.ok ? this.#answered(sent) : this.#broken(sent);
  }

  async #answered(sent: Extract<Sent, { ok: true }>): Promise<CallEnd> {
    const { location } = sent.headers;
    const received =
      location === undefined
        ? sent
        : {
            ...sent,
            headers: {
              ...sent.headers,
              location: guestLocation(location, this.#leave?.credential),
            },
          };
    const response = guestResponse(received, this.#scrubber, this.#task.maxResponseBytes);
    const bytesOut = bytesOutOf(this.#task.allowed.request);
    if (!response.ok) {
      const bytesIn = bytesInOf(sent.body, sent);
      // It has happened, and its answer can not be shown: sending it again would not help.
      if (this.#write) {
        return {
          bytesIn,
          refusal: refused('outcome.unknown', this.#where(this.#clean(response.reason))),
        };
      }
      const layer = response.tooLarge ? { layer: 'budget' } : {};
      return this.#failed(response.reason, { ...layer, ...this.#sentAs(true), bytesOut, bytesIn });
    }
    const { status, headers, body } = response;
    const bytesIn = bytesInOf(body, sent);
    const record = this.#record({
      verdict: 'allowed',
      status,
      responseDigest: await digestOf(body),
      responseHeaders: headers,
      bytesOut,
      bytesIn,
    });
    return { record, body, bytesIn };
  }

  #broken(sent: Extract<Sent, { ok: false }>): CallEnd {
    const { tooLarge, bytesIn } = sent;
    const reason = this.#clean(sent.reason);
    if (!sent.sent) return this.#unsent(certificateAdvice(reason, this.#task.allowed.rules));
    if (this.#write) {
      // Nobody knows what came of it: the record stays open.
      const lost: AttemptErrorCode = this.#leave?.idempotency ? 'answer.lost' : 'outcome.unknown';
      return { bytesIn, refusal: refused(tooLarge ? 'limit.egress' : lost, this.#where(reason)) };
    }
    const layer = tooLarge ? { layer: 'budget' } : {};
    const bytesOut = bytesOutOf(this.#task.allowed.request);
    return this.#failed(reason, { ...layer, ...this.#sentAs(true), bytesOut, bytesIn });
  }

  /** No byte left in this attempt: an answer, unless an earlier attempt may have sent a write. */
  #unsent(reason: string, refusal?: Refused): CallEnd {
    const { reopened, allowed } = this.#task;
    if (reopened && this.#write && !this.#isReleased()) {
      const keyed = idempotencyOf(allowed.rules) !== undefined;
      const again = refused(keyed ? 'answer.lost' : 'host.resource', this.#where(reason));
      return { bytesIn: 0, refusal: refusal ?? again };
    }
    const end = this.#failed(reason, {
      ...this.#sentAs(reopened && !this.#write),
      bytesOut: 0,
      bytesIn: 0,
    });
    return refusal ? { ...end, refusal } : end;
  }

  /** Leave to send a write again without a key means that a person saw that it had not happened. */
  #isReleased(): boolean {
    return this.#leave !== undefined && this.#leave.idempotency === undefined;
  }

  #denied(layer: string, reason: string, refusal?: Refused): CallEnd {
    if (this.#task.reopened) {
      return { bytesIn: 0, refusal: refusal ?? refused('egress.denied', this.#where(reason)) };
    }
    const record = this.#record({
      verdict: 'denied',
      layer,
      reason,
      bytesOut: 0,
      bytesIn: 0,
      ms: 0,
    });
    return { record, bytesIn: 0, ...(refusal ? { refusal } : {}) };
  }

  #failed(
    reason: string,
    more: Pick<EgressCall, 'bytesOut' | 'bytesIn' | 'layer' | 'sent'>,
  ): CallEnd {
    const record = this.#record({ verdict: 'failed', reason: this.#clean(reason), ...more });
    return { record, bytesIn: more.bytesIn };
  }

  #sentAs(sent: boolean): Pick<EgressCall, 'sent'> {
    return this.#needsLeave ? { sent } : {};
  }

  #record(
    more: Pick<EgressCall, 'verdict' | 'bytesOut' | 'bytesIn'> & Partial<EgressCall>,
  ): EgressCall {
    const { call, allowed, reopened } = this.#task;
    const credential = this.#leave?.credential?.id;
    // Of what never had leave, no body is kept.
    const requestBodyDigest = this.#leave !== undefined || reopened ? this.#bodyDigest : null;
    return {
      call,
      ...allowed.draft,
      ...(requestBodyDigest === null ? {} : { requestBodyDigest }),
      rule: allowed.rule,
      ...(this.#address === undefined ? {} : { address: this.#address }),
      ...(this.#tlsPeerKeyHash === undefined ? {} : { tlsPeerKeyHash: this.#tlsPeerKeyHash }),
      ...(credential === undefined ? {} : { credential }),
      ms: Math.ceil(performance.now() - this.#started),
      ...more,
    };
  }

  #clean(reason: string): string {
    return this.#scrubber?.text(reason) ?? reason;
  }

  #where(reason: string): string {
    return whereOf(this.#task.allowed.draft, reason);
  }
}

/** The larger of what came packed and what the guest reads: either can be made to look small. */
function bytesInOf(body: Uint8Array, { packedBytes = 0 }: { readonly packedBytes?: number }) {
  return Math.max(body.length, packedBytes);
}
