/**
 * Listeners on every address of the private network. Each connection is on record with the address that it
 * came to and with every byte that it brought; what is answered is the case's to say.
 */
import { connect, createServer, type Server, type Socket } from 'node:net';
import { createServer as createTlsServer } from 'node:tls';
import { brotliCompressSync, constants, deflateSync, gzipSync } from 'node:zlib';
import type { Serve } from '../corpus.ts';
import type { Identity } from './identity.ts';

export interface Connection {
  /** As the connecting side named it; IPv4 in dots. */
  readonly address: string;
  readonly port: number;
  /** Whole requests, latin1; of TLS, what was inside. */
  readonly requests: string[];
  /** What came and is no whole request. */
  rest: string;
}

export const PLAIN_PORTS = [80, 8080] as const;
export const TLS_PORT = 443;
/** Where the inside of TLS is spoken; connections to it are those to `TLS_PORT`. */
const TLS_INSIDE = 10_443;

const DRIP_MS = 50;
const PACK = {
  gzip: (bytes: Buffer) => gzipSync(bytes),
  deflate: (bytes: Buffer) => deflateSync(bytes),
  // The best quality takes seconds for a bomb.
  br: (bytes: Buffer) =>
    brotliCompressSync(bytes, { params: { [constants.BROTLI_PARAM_QUALITY]: 1 } }),
} as const;

export class Listeners {
  readonly connections: Connection[] = [];
  readonly #servers: Server[] = [];
  readonly #sockets = new Set<Socket>();
  /** By the port of the piping side, the connection that it belongs to. */
  readonly #inside = new Map<number, Connection>();
  #serve: Readonly<Record<string, Serve>> = {};

  async open(identity: Identity): Promise<void> {
    for (const port of PLAIN_PORTS) {
      await this.#listen(port, '::', (socket) => this.#talk(socket, this.#record(socket, port)));
    }
    const tls = createTlsServer(identity.own, (socket) => {
      const connection = this.#inside.get(socket.remotePort ?? 0);
      if (connection) this.#talk(socket, connection);
      else socket.destroy();
    });
    tls.on('tlsClientError', () => undefined);
    for (const [name, certificate] of Object.entries(identity.others)) {
      tls.addContext(name, certificate);
    }
    await this.#start(tls, TLS_INSIDE, '127.0.0.1');
    await this.#listen(TLS_PORT, '::', (socket) => this.#pipe(socket));
  }

  /** From the next connection on; forgets those before. */
  script(serve: Readonly<Record<string, Serve>>): void {
    this.#serve = serve;
    this.connections.length = 0;
    for (const socket of this.#sockets) socket.destroy();
    this.#sockets.clear();
  }

  close(): void {
    this.script({});
    for (const server of this.#servers) server.close();
  }

  #listen(port: number, host: string, take: (socket: Socket) => void): Promise<void> {
    return this.#start(
      createServer((socket) => {
        this.#sockets.add(socket);
        socket.on('error', () => undefined);
        socket.on('close', () => this.#sockets.delete(socket));
        take(socket);
      }),
      port,
      host,
    );
  }

  #start(server: Server, port: number, host: string): Promise<void> {
    this.#servers.push(server);
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    server.once('error', reject);
    server.listen(port, host, resolve);
    return promise;
  }

  #record(socket: Socket, port: number): Connection {
    const address = (socket.localAddress ?? '').replace(/^::ffff:/, '');
    const connection = { address, port, requests: [], rest: '' };
    this.connections.push(connection);
    return connection;
  }

  /** Counts the connection before anything is spoken, then hands it to the inside. */
  #pipe(socket: Socket): void {
    const connection = this.#record(socket, TLS_PORT);
    const inside = connect(TLS_INSIDE, '127.0.0.1', () => {
      this.#inside.set(inside.localPort ?? 0, connection);
      socket.pipe(inside).pipe(socket);
    });
    inside.on('error', () => socket.destroy());
    inside.on('close', () => socket.destroy());
    socket.on('close', () => inside.destroy());
  }

  /** Answers one request after the other; a byte that belongs to none stays in `rest`. */
  #talk(socket: Socket, connection: Connection): void {
    socket.on('error', () => undefined);
    let open = true;
    socket.on('data', (bytes: Buffer) => {
      connection.rest += bytes.toString('latin1');
      let request = firstRequest(connection.rest);
      while (request !== undefined) {
        connection.rest = connection.rest.slice(request.length);
        connection.requests.push(request);
        const path = request.split(' ')[1]?.split('?')[0] ?? '';
        const serve = this.#serve[path] ?? PLAIN;
        if (open) open = answer(socket, serve, request.startsWith('HEAD '));
        request = firstRequest(connection.rest);
      }
    });
  }
}

/** The first whole request of what came, head and body. */
function firstRequest(received: string): string | undefined {
  const end = received.indexOf('\r\n\r\n');
  if (end === -1) return undefined;
  const head = received.slice(0, end);
  const length = Number(/^content-length: (\d+)\r?$/im.exec(head)?.[1] ?? 0);
  const size = end + 4 + length;
  return received.length < size ? undefined : received.slice(0, size);
}

const PLAIN: Serve = { status: 200, headers: [], body: 'reached', after: undefined };

/** @returns whether another request may come on the same connection */
function answer(socket: Socket, serve: Serve, headOnly: boolean): boolean {
  const whole = serve.raw ?? message(serve);
  const shown = headOnly ? whole.slice(0, whole.indexOf('\r\n\r\n') + 4) : whole;
  socket.write(Buffer.from(shown, 'latin1'));
  switch (serve.after ?? (serve.raw === undefined ? 'next' : 'close')) {
    case 'next':
      return true;
    case 'close':
      socket.end();
      return false;
    case 'drip': {
      const drip = setInterval(() => socket.write('.'), DRIP_MS);
      socket.on('close', () => clearInterval(drip));
      return false;
    }
    case 'flood': {
      const chunk = Buffer.alloc(65_536, 'x');
      const pour = () => {
        while (!socket.destroyed && socket.write(chunk));
      };
      socket.on('drain', pour);
      pour();
      return false;
    }
    case 'hold':
      return false;
  }
}

function message({ status, headers, body, packed, after }: Serve): string {
  const bytes = packed ? pack(packed).toString('latin1') : body;
  const lines = headers.map(([name, value]) => `${name}: ${value}`);
  if (
    (after === undefined || after === 'close') &&
    !headers.some(([name]) => /^(content-length|transfer-encoding)$/i.test(name))
  ) {
    lines.push(`content-length: ${bytes.length}`);
  }
  return [`HTTP/1.1 ${status} Answer`, ...lines, '', bytes].join('\r\n');
}

function pack({ encodings, bytes }: NonNullable<Serve['packed']>): Buffer {
  return encodings.reduce<Buffer>((inner, name) => PACK[name](inner), Buffer.alloc(bytes));
}
