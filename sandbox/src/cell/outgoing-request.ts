/**
 * Fits what a guest asks for into one message. A part that is too large is left out and named with
 * its size, so that the host can deny and record the call instead of losing it.
 */
import type { GuestHost } from './engine.ts';
import {
  type CellMessage,
  MAX_FETCH_HEADERS,
  MAX_HEADER_NAME_CHARACTERS,
  MAX_METHOD_CHARACTERS,
  MAX_URL_CHARACTERS,
} from './messages.ts';

/** All names and values together; with escapes they still fit into the host's frame. */
const MAX_HEADER_CHARACTERS = 65_536;
const EMPTY = new Uint8Array();

type Asked = Parameters<GuestHost['request']>[0];
type Fetch = CellMessage & { readonly type: 'fetch' };

export function outgoingRequest(
  asked: Asked,
  maxBodyBytes: number,
): { readonly message: Fetch; readonly body: Uint8Array } {
  const { body, headers, url } = asked;
  const part = partTooLarge(asked, maxBodyBytes);
  const size = { url: url.length, headers: headers.length, body: body.length };
  const message: Fetch = {
    type: 'fetch',
    method: asked.method.slice(0, MAX_METHOD_CHARACTERS),
    url: url.slice(0, MAX_URL_CHARACTERS),
    headers: headersTooLarge(headers) ? [] : headers.map(([name, value]) => [name, value]),
    ...(part === undefined ? {} : { omitted: { part, size: size[part] } }),
  };
  return { message, body: part === undefined ? body : EMPTY };
}

function partTooLarge({ url, headers, body }: Asked, maxBodyBytes: number) {
  if (url.length > MAX_URL_CHARACTERS) return 'url';
  if (headersTooLarge(headers)) return 'headers';
  return body.length > maxBodyBytes ? 'body' : undefined;
}

function headersTooLarge(headers: Asked['headers']): boolean {
  const characters = headers.reduce((sum, [name, value]) => sum + name.length + value.length, 0);
  return (
    headers.length > MAX_FETCH_HEADERS ||
    characters > MAX_HEADER_CHARACTERS ||
    headers.some(
      ([name, value]) =>
        name.length > MAX_HEADER_NAME_CHARACTERS || value.length > MAX_URL_CHARACTERS,
    )
  );
}
