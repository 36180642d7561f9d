/**
 * What a guest's request is to the broker: parsed, decided, and named by its digest as the journal has
 * it. Pure, so that a replay without a network judges exactly as the broker did.
 */
import { type Digest, digestOf, digestOfJson } from '@portarium/contracts/digest';
import {
  decideEgress,
  type EgressContract,
  type MatchedRules,
  ruleName,
} from '@portarium/contracts/egress-rule';
import type { Effect } from '@portarium/contracts/life-cycle';
import {
  type GuestRequest,
  type OutboundRequest,
  parseRequest,
} from '@portarium/contracts/outbound-request';

/** What refuses a call. A `credential` is refused by the Control Plane, which alone knows its host. */
export type Layer =
  | 'request'
  | 'plugin'
  | 'operator'
  | 'approval'
  | 'address'
  | 'credential'
  | 'budget';

/** What is known of a call before anything happens to it. */
export interface CallDraft {
  readonly method: string;
  readonly scheme: string;
  readonly host: string;
  readonly port: number;
  readonly path: string;
  readonly requestDigest: Digest;
}

export interface AllowedRequest {
  readonly allowed: true;
  readonly draft: CallDraft;
  readonly request: OutboundRequest;
  readonly rules: MatchedRules;
  /** The matched rules as records name them. */
  readonly rule: string;
}

export interface DeniedRequest {
  readonly allowed: false;
  readonly draft: CallDraft;
  readonly layer: Layer;
  readonly reason: string;
  /** Of a request that rules allowed and something after them did not. */
  readonly rule?: string;
}

/** Longest URL that an intent carries; normalising can make one longer than the guest wrote it. */
const MAX_URL_CHARACTERS = 8_192;

/** @param before the request whose redirect this one follows */
export async function judgeRequest(
  order: { readonly contract: EgressContract; readonly effect: Effect },
  guest: GuestRequest,
  before?: OutboundRequest,
): Promise<AllowedRequest | DeniedRequest> {
  if (guest.omitted) {
    const { part, size } = guest.omitted;
    const what = { url: 'characters in the URL', headers: 'headers', body: 'bytes of body' }[part];
    const reason = `a request with ${size} ${what} is larger than a cell may send`;
    // A body that is too large is over its budget; anything else is malformed.
    return malformed(guest, reason, part === 'body' ? 'budget' : 'request');
  }
  const parsed = parseRequest(guest);
  if (!parsed.ok) return malformed(guest, parsed.reason, 'request');
  const { request } = parsed;
  const denied = async (layer: Layer, reason: string): Promise<DeniedRequest> => {
    return { allowed: false, draft: await draftOf(request, null), layer, reason };
  };
  if (request.url.length > MAX_URL_CHARACTERS) {
    return denied('request', `the URL is longer than ${MAX_URL_CHARACTERS} once it is encoded`);
  }
  if (before?.target.scheme === 'https' && request.target.scheme !== 'https') {
    return denied('request', 'a redirect from https to http');
  }
  const decision = decideEgress(order.contract, order.effect, request.target);
  if (!decision.allowed) return denied(decision.layer, decision.reason);
  const { rules } = decision;
  if (credentialSlot(rules) !== undefined && request.target.headers.includes('authorization')) {
    const slot = credentialSlot(rules);
    return denied('request', `the broker sets credential ${slot}; leave authorization out`);
  }
  const rule = ruleName(rules);
  return { allowed: true, draft: await draftOf(request, rule), request, rules, rule };
}

/** The slot whose credential the request is sent with; the matcher lets both layers name only one. */
export function credentialSlot({ plugin, operator }: MatchedRules): string | undefined {
  return operator.credential ?? plugin.credential;
}

/** `formats.md`: the request digest covers what the guest asked for, before any credential. */
async function draftOf(request: OutboundRequest, rule: string | null): Promise<CallDraft> {
  const { method, scheme, host, port, path } = request.target;
  const requestDigest = await digestOfJson({
    method,
    url: request.url,
    headers: request.headers,
    bodyDigest: await bodyDigest(request.body),
    rule,
  });
  return { method, scheme, host, port, path, requestDigest };
}

/** Null without a body. */
export async function bodyDigest(body: Uint8Array): Promise<Digest | null> {
  return body.length === 0 ? null : digestOf(body);
}

/** A request that could not be parsed is denied too, with as much of it as can be shown. */
async function malformed(
  guest: GuestRequest,
  reason: string,
  layer: Layer,
): Promise<DeniedRequest> {
  const shown = URL.canParse(guest.url) ? new URL(guest.url) : undefined;
  const url = guest.url.toWellFormed();
  const size = guest.omitted ? { omitted: { ...guest.omitted } } : {};
  const statement = { method: guest.method.toWellFormed(), url, rule: null, ...size };
  const draft: CallDraft = {
    method: guest.method,
    scheme: shown?.protocol.slice(0, -1) ?? '',
    host: shown?.hostname ?? '',
    port: Number(shown?.port || 0),
    path: shown?.pathname ?? '',
    requestDigest: await digestOfJson(statement),
  };
  return { allowed: false, draft, layer, reason };
}
