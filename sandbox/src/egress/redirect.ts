/** Which request a read's redirect leads to. Pure: a replay follows redirects as the broker did. */
import { SAFE_METHODS } from '@portarium/contracts/egress-rule';
import {
  type GuestRequest,
  type OutboundRequest,
  redirectTarget,
} from '@portarium/contracts/outbound-request';
import type { EgressAnswer } from './egress-answer.ts';

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
