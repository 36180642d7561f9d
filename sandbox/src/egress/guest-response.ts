/** What of a server's response a guest may read: no header of the connection, and no credential. */
import { codingsOf, namesOf } from './decode-body.ts';
import type { Scrubber } from './scrub.ts';

export interface ServerResponse {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Uint8Array;
}

export type GuestResponse =
  | ({ readonly ok: true } & ServerResponse)
  | { readonly ok: false; readonly reason: string; readonly tooLarge: boolean };

/** Headers that speak of the connection, or of a packing: bodies are unpacked or refused. */
const HOP_BY_HOP: ReadonlySet<string> = new Set([
  'connection',
  'content-encoding',
  'keep-alive',
  'proxy-authenticate',
  'proxy-connection',
  'set-cookie',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
]);

/** @param scrubber of the credential that the request was sent with */
export function guestResponse(
  { status, headers, body }: ServerResponse,
  scrubber: Scrubber | undefined,
  maxBytes: number,
): GuestResponse {
  if (status < 100 || status > 599) return unusable(`the server answered with status ${status}`);
  const own = Object.fromEntries(Object.entries(headers).filter(([name]) => !HOP_BY_HOP.has(name)));
  const codings = codingsOf(headers);
  if (codings.length > 0 && body.length > 0) {
    return unusable(
      `the response is packed as ${namesOf(codings)}, which the broker does not unpack`,
    );
  }
  if (!scrubber) return { ok: true, status, headers: own, body };
  const scrubbed = scrubber.bytes(body);
  if (!scrubbed)
    return unusable('the response repeats the credential so that it can not be scrubbed');
  if (scrubbed.length > maxBytes) {
    const reason = `the response is larger than ${maxBytes} bytes once it is scrubbed`;
    return { ok: false, reason, tooLarge: true };
  }
  const length = 'content-length' in own && scrubbed !== body;
  return {
    ok: true,
    status,
    headers: {
      ...scrubber.headers(own),
      ...(length ? { 'content-length': String(scrubbed.length) } : {}),
    },
    body: scrubbed,
  };
}

function unusable(reason: string): GuestResponse {
  return { ok: false, reason, tooLarge: false };
}
