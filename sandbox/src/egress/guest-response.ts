/** What of a server's response a guest may read: no header of the connection, and no credential. */
import type { Scrubber } from './scrub.ts';

export interface ServerResponse {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Uint8Array;
}

export type GuestResponse =
  | ({ readonly ok: true } & ServerResponse)
  | { readonly ok: false; readonly reason: string; readonly tooLarge: boolean };

/** Headers that speak of the connection, or of bodies that the broker has already unpacked. */
const HOP_BY_HOP: ReadonlySet<string> = new Set([
  'connection',
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
  if (!scrubber) return { ok: true, status, headers: own, body };
  const encoding = encodingOf(headers);
  if (encoding && body.length > 0) {
    return unusable(
      `the response is encoded as ${encoding}: no credential can be scrubbed from it`,
    );
  }
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

/** What a body is packed in, beside chunks; undefined for plain bytes. */
function encodingOf(headers: Readonly<Record<string, string>>): string | undefined {
  const names = [headers['content-encoding'], headers['transfer-encoding']]
    .flatMap((value) => (value ?? '').toLowerCase().split(','))
    .map((name) => name.trim());
  return names.find((name) => !['', 'identity', 'chunked'].includes(name));
}
