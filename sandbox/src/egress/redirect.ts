/** Which request a read's redirect leads to. Pure: a replay follows redirects as the broker did. */
import { SAFE_METHODS } from '@portarium/contracts/egress-rule';
import { PLATFORM_LIMITS } from '@portarium/contracts/limits';
import {
  type GuestRequest,
  type OutboundRequest,
  redirectTarget,
} from '@portarium/contracts/outbound-request';
import type { EgressAnswer } from './egress-answer.ts';

/** An answer, and the request that it answers when a redirect may be followed from it. */
export interface Hop {
  readonly answer: EgressAnswer;
  readonly request?: OutboundRequest;
}

const REDIRECTS: ReadonlySet<number> = new Set([301, 302, 303, 307, 308]);

/** @returns undefined when `answer` is the guest's: no redirect, or one of a write */
export function redirectOf(
  answer: EgressAnswer,
  request: OutboundRequest,
  guest: GuestRequest,
): GuestRequest | undefined {
  if (answer.kind !== 'response' || !REDIRECTS.has(answer.status)) return undefined;
  const { location } = answer.headers;
  if (location === undefined || !SAFE_METHODS.has(request.target.method)) return undefined;
  const url = redirectTarget(location, request);
  // `authorization` falls at a change of origin (RFC 9110, section 15.4).
  const same = URL.canParse(url) && new URL(url).origin === new URL(request.url).origin;
  const headers = guest.headers.filter(([name]) => same || name.toLowerCase() !== 'authorization');
  return { ...guest, url, headers };
}

/**
 * Follows the redirects of a read, hop by hop. A refusal ends it at once.
 * @param ask answers one request; `before` is the one whose redirect it follows
 */
export async function followRedirects(
  guest: GuestRequest,
  ask: (guest: GuestRequest, before: OutboundRequest | undefined) => Promise<Hop>,
): Promise<EgressAnswer> {
  let current = guest;
  let before: OutboundRequest | undefined;
  let ms = 0;
  for (let hop = 0; hop <= PLATFORM_LIMITS.redirectHops; hop++) {
    const { answer, request } = await ask(current, before);
    if (answer.kind === 'refused') return answer;
    ms += answer.ms;
    const next = request && redirectOf(answer, request, current);
    if (!next) return { ...answer, ms };
    before = request;
    current = next;
  }
  return { kind: 'failed', reason: `more than ${PLATFORM_LIMITS.redirectHops} redirects`, ms };
}
