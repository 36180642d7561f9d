/**
 * Parses what a guest asks for, once: the same parsed parts are matched against the rules and sent.
 * Whatever two parsers could read differently is refused.
 */
import { canonicalEscapes, type EgressRequest, pathProblem, SAFE_METHODS } from './egress-rule.ts';

/** A request as the guest wrote it. */
export interface GuestRequest {
  readonly method: string;
  readonly url: string;
  readonly headers: readonly (readonly [string, string])[];
  readonly body: Uint8Array;
  /** What the cell left out because it was too large to be passed on: always denied. */
  readonly omitted?: OmittedPart | undefined;
}

/** `size`: what was left out, in bytes of a body, characters of a URL, or headers. */
export interface OmittedPart {
  readonly part: 'url' | 'headers' | 'body';
  readonly size: number;
}

/** A request that can be decided and sent. */
export interface OutboundRequest {
  readonly target: EgressRequest;
  /** Scheme, host and port. */
  readonly origin: string;
  /** Path and query as they stand on the wire. */
  readonly path: string;
  readonly url: string;
  /** Lower-case names, sorted; only what the guest set. */
  readonly headers: readonly (readonly [string, string])[];
  readonly body: Uint8Array;
}

export type ParsedRequest =
  | { readonly ok: true; readonly request: OutboundRequest }
  | { readonly ok: false; readonly reason: string };

const MAX_URL_CHARACTERS = 8_192;
/** RFC 1035, section 2.3.4, as text without the trailing dot. */
const MAX_HOST_CHARACTERS = 253;
const MAX_HEADERS = 64;
const MAX_HEADER_CHARACTERS = 16_384;
const DEFAULT_PORTS: Readonly<Record<string, number>> = { http: 80, https: 443 };

export function parseRequest(guest: GuestRequest): ParsedRequest {
  if (!/^[A-Z]{1,16}$/.test(guest.method)) return refuse('the method is not a plain word');
  // Servers that do not look for one take it for the next request on the connection.
  if (SAFE_METHODS.has(guest.method) && guest.body.length > 0) {
    return refuse(`${guest.method} carries a body`);
  }
  const url = parseUrl(guest.url);
  if (typeof url === 'string') return refuse(url);
  const headers = parseHeaders(guest.headers);
  if (typeof headers === 'string') return refuse(headers);
  const scheme = url.protocol.slice(0, -1);
  const port = url.port === '' ? (DEFAULT_PORTS[scheme] ?? 0) : Number(url.port);
  const [path, query] = [canonicalText(url.pathname), canonicalText(url.search)];
  const origin = `${scheme}://${url.hostname}:${port}`;
  const contentType = headers.find(([name]) => name === 'content-type')?.[1];
  return {
    ok: true,
    request: {
      target: {
        method: guest.method,
        scheme,
        host: url.hostname,
        port,
        path,
        query: [...new URLSearchParams(query)],
        headers: headers.map(([name]) => name),
        contentType,
      },
      origin,
      path: path + query,
      url: (url.port === '' ? url.origin : origin) + path + query,
      headers,
      body: guest.body,
    },
  };
}

/** The URL of a redirect, parsed by the same rules; a fragment in `location` is dropped. */
export function redirectTarget(location: string, from: OutboundRequest): string {
  try {
    const url = new URL(location, from.url);
    url.hash = '';
    return url.href;
  } catch {
    return location;
  }
}

function refuse(reason: string): ParsedRequest {
  return { ok: false, reason };
}

/** The parsed URL, or why it is refused. */
function parseUrl(text: string): URL | string {
  if (text.length > MAX_URL_CHARACTERS) return `the URL is longer than ${MAX_URL_CHARACTERS}`;
  if (!/^[\x21-\x7e]+$/.test(text))
    return 'the URL has characters outside printable ASCII; encode them';
  if (text.includes('\\')) return 'the URL has a backslash';
  if (text.includes('#')) return 'the URL has a fragment';
  const parts = /^https?:\/\/([^/?]+)([^?]*)(\?.*)?$/i.exec(text);
  if (!parts) return 'the URL is not http:// or https:// with a host';
  const [, authority = '', path = '', query = ''] = parts;
  if (authority.includes('@')) return 'the URL carries a user name';
  if (/[;]/.test(query)) return 'the query has a semicolon; encode it as %3B';
  if (/%(?![0-9a-fA-F]{2})/.test(query))
    return 'the query has a % that is no escape; encode it as %25';
  const problem = path === '' ? undefined : pathProblem(path);
  if (problem) return `path: ${problem}`;
  if (!URL.canParse(text)) return 'the URL can not be parsed';
  const url = new URL(text);
  if (url.hostname.length > MAX_HOST_CHARACTERS)
    return `the host name is longer than ${MAX_HOST_CHARACTERS} characters`;
  if (url.hostname.endsWith('.')) return 'the host name ends with a dot';
  if (!/^(\[[0-9a-f:.]+\]|[a-z0-9._-]+)$/.test(url.hostname)) return 'the host name is malformed';
  return url;
}

/** Runtimes differ in which characters that no URL may have they escape; here each is. */
function canonicalText(text: string): string {
  return canonicalEscapes(text.replaceAll(/["<>^`{|}]/g, encodeURIComponent));
}

function parseHeaders(
  given: readonly (readonly [string, string])[],
): readonly (readonly [string, string])[] | string {
  if (given.length > MAX_HEADERS) return `more than ${MAX_HEADERS} headers`;
  const headers = new Map<string, string>();
  let characters = 0;
  for (const [name, value] of given) {
    const key = name.toLowerCase();
    characters += key.length + value.length;
    if (!/^[!#$%&'*+.^_`|~0-9a-z-]+$/.test(key)) return 'a header name is not a token (RFC 9110)';
    if (!/^[\t\x20-\x7e\x80-\xff]*$/.test(value)) return `header ${key} has a forbidden character`;
    if (headers.has(key)) return `header ${key} stands twice`;
    headers.set(key, value);
  }
  if (characters > MAX_HEADER_CHARACTERS) return `headers of more than ${MAX_HEADER_CHARACTERS}`;
  return [...headers].sort(([a], [b]) => (a < b ? -1 : 1));
}
