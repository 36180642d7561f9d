/** Decides whether a credential may be set into a request, and where. The one place that does. */
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
  { credential }: Leave,
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
  return undefined;
}

/** Headers that the broker sets on the wire, and nowhere else. */
export function headersToSet({ credential, idempotency }: Leave): Readonly<Record<string, string>> {
  return {
    ...(credential
      ? // Only plain bytes can be scrubbed, whatever the guest asked for.
        { 'accept-encoding': 'identity', authorization: `Bearer ${credential.secret}` }
      : {}),
    // Last: whatever a rule names the header, a write that counts as keyed never leaves without its key.
    ...(idempotency ? { [idempotency.header.toLowerCase()]: idempotency.key } : {}),
  };
}

/** A name that resolves to loopback is not enough: the next one to ask may get another address. */
function isConfidential({ target }: OutboundRequest): boolean {
  return target.scheme === 'https' || isLoopback(literalAddress(target.host) ?? '');
}

function isSecret(secret: string): boolean {
  return secret.length >= PLATFORM_LIMITS.secretCharacters && /^[\x21-\x7e]+$/.test(secret);
}
