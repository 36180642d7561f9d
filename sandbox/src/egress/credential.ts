/** Decides whether a credential may be set into a request, and where. The one place that does. */
import { credentialHeader, placeTaken } from '@portarium/contracts/credential-placement';
import type { MatchedRules } from '@portarium/contracts/egress-rule';
import type { IntentResponse } from '@portarium/contracts/internal-api';
import { PLATFORM_LIMITS } from '@portarium/contracts/limits';
import type { OutboundRequest } from '@portarium/contracts/outbound-request';
import { isLoopback } from './address.ts';
import { credentialSlot } from './judge-request.ts';
import { literalAddress } from './resolve.ts';

/** What the Control Plane gave leave for: nothing of it may reach a record, a log or an error. */
export type Leave = Omit<Extract<IntentResponse, { status: 'send' }>, 'status'>;

/** Why the request may not leave with (or without) what came with the leave; never tells a secret. */
export function credentialProblem(
  request: OutboundRequest,
  rules: MatchedRules,
  { credential, idempotency }: Leave,
): string | undefined {
  const slot = credentialSlot(rules);
  if (slot === undefined) {
    return credential && `credential ${credential.slot} was given, and no rule names one`;
  }
  if (!credential) return `credential ${slot} was not given, and nothing leaves without it`;
  if (credential.slot !== slot) return `credential ${credential.slot} was given for slot ${slot}`;
  if (!isConfidential(request)) {
    return `credential ${slot} leaves by https, or by http to a literal loopback address only`;
  }
  if (!isSecret(credential.secret)) {
    return `credential ${slot} is not of ${PLATFORM_LIMITS.secretCharacters} or more visible characters`;
  }
  const taken = placeTaken(credential, request.target, idempotency?.header.toLowerCase());
  return taken && `credential ${slot} has no place of its own: ${taken}`;
}

/** What the broker adds to a request on the wire, and nowhere else. */
export interface Added {
  readonly headers: Readonly<Record<string, string>>;
  /** One parameter, encoded. */
  readonly query?: string;
}

export function addedOnWire({ credential, idempotency }: Leave): Added {
  const header = credential && credentialHeader(credential);
  return {
    headers: {
      // Only plain bytes can be scrubbed, whatever the guest asked for.
      ...(credential ? { 'accept-encoding': 'identity' } : {}),
      ...(credential && header !== undefined ? { [header]: headerValue(credential) } : {}),
      // Last: whatever a rule names the header, a write that counts as keyed never leaves without its key.
      ...(idempotency ? { [idempotency.header.toLowerCase()]: idempotency.key } : {}),
    },
    ...(credential?.kind === 'query'
      ? { query: `${credential.parameter}=${encodeURIComponent(credential.secret)}` }
      : {}),
  };
}

type Given = NonNullable<Leave['credential']>;

function headerValue(credential: Given): string {
  switch (credential.kind) {
    case 'bearer':
      return `Bearer ${credential.secret}`;
    case 'basic':
      return `Basic ${basicToken(credential)}`;
    default:
      return credential.secret;
  }
}

/** RFC 7617, section 2. */
function basicToken({ username, secret }: Extract<Given, { kind: 'basic' }>): string {
  return Buffer.from(`${username}:${secret}`).toString('base64');
}

/** The secret, and what else stands for it on the wire: a counterpart may repeat any of them. */
export function secretForms(credential: Given): readonly string[] {
  const { kind, secret } = credential;
  if (kind === 'basic') return [secret, basicToken(credential)];
  if (kind !== 'query') return [secret];
  const encoded = encodeURIComponent(secret);
  const lower = encoded.replaceAll(/%../g, (escaped) => escaped.toLowerCase());
  return [...new Set([secret, encoded, lower])];
}

/**
 * A server's `location` without the parameter that the broker added, where it repeats it: what is left is
 * what the guest could have asked for, and a redirect to it gets a credential, or none, by its own rule.
 */
export function guestLocation(location: string, credential: Given | undefined): string {
  if (credential?.kind !== 'query') return location;
  const [, before = '', query, after = ''] = /^([^?#]*)\?([^#]*)(.*)$/s.exec(location) ?? [];
  if (query === undefined) return location;
  const kept = query.split('&').filter((part) => {
    const [[name, value] = []] = new URLSearchParams(part);
    return name !== credential.parameter || value !== credential.secret;
  });
  return `${before}${kept.length > 0 ? '?' : ''}${kept.join('&')}${after}`;
}

/** A name that resolves to loopback is not enough: the next one to ask may get another address. */
function isConfidential({ target }: OutboundRequest): boolean {
  return target.scheme === 'https' || isLoopback(literalAddress(target.host) ?? '');
}

function isSecret(secret: string): boolean {
  return secret.length >= PLATFORM_LIMITS.secretCharacters && /^[\x21-\x7e]+$/.test(secret);
}
