/**
 * Sends one decided request to one checked address. Never resolves a name, follows a redirect,
 * decompresses, or uses a shared agent; size and time are bounded.
 */
import { Agent as HttpAgent, request as httpRequest, type IncomingMessage } from 'node:http';
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https';
import { isIP } from 'node:net';
import type { OutboundRequest } from './outbound-request.ts';
import { type InFlightBytes, ResponseBuffer } from './response-buffer.ts';

export interface SendOptions {
  /** The address that passed the check. */
  readonly address: string;
  /** From connect to the last byte, in milliseconds. */
  readonly timeoutMs: number;
  readonly maxResponseBytes: number;
  /** The room that all responses of this process share. */
  readonly inFlight: InFlightBytes;
  readonly signal: AbortSignal;
  /** Certificate authorities in PEM instead of the runtime's own. */
  readonly authorities?: string | undefined;
}

export type Sent =
  | {
      readonly ok: true;
      readonly status: number;
      readonly headers: Readonly<Record<string, string>>;
      readonly body: Uint8Array;
    }
  | {
      readonly ok: false;
      readonly reason: string;
      readonly tooLarge: boolean;
      readonly bytesIn: number;
    };

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

/** Informational (1xx) responses before the real one; a server could send them without end. */
const MAX_INFORMATIONAL = 20;

export function send(request: OutboundRequest, options: SendOptions): Promise<Sent> {
  const { promise, resolve } = Promise.withResolvers<Sent>();
  const { target } = request;
  const secure = target.scheme === 'https';
  const agent = secure ? new HttpsAgent({ keepAlive: false }) : new HttpAgent({ keepAlive: false });
  const name = target.host.startsWith('[') ? target.host.slice(1, -1) : target.host;
  const outgoing = (secure ? httpsRequest : httpRequest)({
    host: options.address,
    port: target.port,
    ...(secure && isIP(name) === 0 ? { servername: name } : {}),
    ...(secure && options.authorities ? { ca: options.authorities } : {}),
    method: target.method,
    path: request.path,
    headers: headersOf(request),
    agent,
  });

  let bytesIn = 0;
  let informational = 0;
  let ended = false;
  const body = new ResponseBuffer(options.inFlight, options.maxResponseBytes);
  const end = (sent: Sent) => {
    if (ended) return;
    ended = true;
    body.release();
    clearTimeout(timer);
    options.signal.removeEventListener('abort', abort);
    outgoing.destroy();
    agent.destroy();
    resolve(sent);
  };
  const fail = (reason: string, tooLarge = false) => end({ ok: false, reason, tooLarge, bytesIn });
  const abort = () => fail('the attempt ended first');
  const timer = setTimeout(
    () => fail(`no full answer in ${options.timeoutMs} ms`),
    options.timeoutMs,
  );
  options.signal.addEventListener('abort', abort, { once: true });
  if (options.signal.aborted) abort();

  outgoing.on('error', (error) => fail(connectionReason(error)));
  outgoing.on('upgrade', () => fail('the server switched protocols'));
  outgoing.on('information', () => {
    if (++informational > MAX_INFORMATIONAL) {
      fail(`more than ${MAX_INFORMATIONAL} informational responses`);
    }
  });
  outgoing.on('response', (response) => {
    response.on('data', (chunk: Uint8Array) => {
      if (ended) return;
      bytesIn += chunk.length;
      if (bytesIn > options.maxResponseBytes) {
        fail(`the response is larger than ${options.maxResponseBytes} bytes`, true);
      } else if (!body.add(chunk)) fail('the host has no room for more response bytes');
    });
    response.on('error', (error) => fail(connectionReason(error)));
    response.on('close', () => fail('the connection closed before the response was whole'));
    response.on('end', () => {
      if (!response.complete) return fail('the connection closed before the response was whole');
      const status = response.statusCode ?? 0;
      end({ ok: true, status, headers: guestHeaders(response), body: body.bytes() });
    });
  });
  if (!ended) outgoing.end(request.body.length > 0 ? request.body : undefined);
  return promise;
}

function headersOf(request: OutboundRequest): Record<string, string> {
  const { target, body } = request;
  const standard = target.port === (target.scheme === 'https' ? 443 : 80);
  return {
    'accept-encoding': 'identity',
    ...Object.fromEntries(request.headers),
    host: standard ? target.host : `${target.host}:${target.port}`,
    ...(body.length > 0 || !['GET', 'HEAD'].includes(target.method)
      ? { 'content-length': String(body.length) }
      : {}),
  };
}

function guestHeaders(response: IncomingMessage): Readonly<Record<string, string>> {
  const headers: Record<string, string> = {};
  for (const [name, value] of Object.entries(response.headers)) {
    if (value === undefined || HOP_BY_HOP.has(name)) continue;
    headers[name] = Array.isArray(value) ? value.join(', ') : value;
  }
  return headers;
}

function connectionReason(error: Error & { readonly code?: string }): string {
  const code = error.code ? `${error.code}: ` : '';
  return `${code}${error.message}`.slice(0, 300);
}
