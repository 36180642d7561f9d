/** Opens one connection to one checked address, TLS handshake included; sends nothing on it. */
import { createHash } from 'node:crypto';
import { connect as connectPlain, isIP, type Socket } from 'node:net';
import { connect as connectSecure, TLSSocket } from 'node:tls';
import type { Digest } from '@portarium/contracts/digest';
import type { EgressRequest } from '@portarium/contracts/egress-rule';

export interface ConnectOptions {
  /** The address that passed the check. */
  readonly address: string;
  /** On `performance.now()`: when the connection has to stand. */
  readonly byMs: number;
  readonly signal: AbortSignal;
  /** Certificate authorities in PEM instead of the runtime's own. */
  readonly authorities?: string | undefined;
}

export interface Connection {
  readonly socket: Socket;
  /** SHA-256 of the public key in the server's certificate (SubjectPublicKeyInfo, RFC 5280); of TLS only. */
  readonly tlsPeerKeyHash: Digest | undefined;
}

export type Connected =
  | ({ readonly ok: true } & Connection)
  | { readonly ok: false; readonly reason: string };

/** The certificate is checked against the name of the request, never against the address alone. */
export function connect(
  target: Pick<EgressRequest, 'scheme' | 'host' | 'port'>,
  options: ConnectOptions,
): Promise<Connected> {
  const { promise, resolve } = Promise.withResolvers<Connected>();
  const secure = target.scheme === 'https';
  const socket = secure ? secureSocket(target, options) : plainSocket(target, options);
  const end = (connected: Connected) => {
    clearTimeout(timer);
    options.signal.removeEventListener('abort', abort);
    if (!connected.ok) socket.destroy();
    resolve(connected);
  };
  const fail = (reason: string) => end({ ok: false, reason });
  const abort = () => fail('the attempt ended first');
  const timer = setTimeout(
    () => fail('the connection did not stand in time'),
    Math.max(0, options.byMs - performance.now()),
  );
  options.signal.addEventListener('abort', abort, { once: true });
  socket.once(secure ? 'secureConnect' : 'connect', () => {
    end({ ok: true, socket, tlsPeerKeyHash: peerKeyHash(socket) });
  });
  // Stays for the socket's life: an error that nobody hears ends the process.
  socket.on('error', (error) => fail(connectionReason(error)));
  socket.once('close', () => fail('the connection closed before it stood'));
  if (options.signal.aborted) abort();
  return promise;
}

function plainSocket(target: { readonly port: number }, { address }: ConnectOptions): Socket {
  return connectPlain({ host: address, port: target.port, noDelay: true });
}

function secureSocket(
  target: { readonly host: string; readonly port: number },
  { address, authorities }: ConnectOptions,
): Socket {
  const name = target.host.startsWith('[') ? target.host.slice(1, -1) : target.host;
  return connectSecure({
    host: address,
    port: target.port,
    ...(isIP(name) === 0 ? { servername: name } : {}),
    ...(authorities ? { ca: authorities } : {}),
  }).setNoDelay(true);
}

function peerKeyHash(socket: Socket): Digest | undefined {
  if (!(socket instanceof TLSSocket)) return undefined;
  const key = socket.getPeerX509Certificate()?.publicKey.export({ type: 'spki', format: 'der' });
  return key && `sha256:${createHash('sha256').update(key).digest('hex')}`;
}

export function connectionReason(error: Error & { readonly code?: string }): string {
  const code = error.code ? `${error.code}: ` : '';
  return `${code}${error.message}`.slice(0, 300);
}
