/**
 * Listeners on every address of the private network. Each connection is on record with the address that it
 * came to and with every byte that it brought; what is answered is the case's to say.
 */
import { connect, createServer, type Server, type Socket } from 'node:net';
import { createServer as createTlsServer } from 'node:tls';
import { brotliCompressSync, deflateSync, gzipSync } from 'node:zlib';
import type { Serve } from '../corpus.ts';
import type { Identity } from './identity.ts';

export interface Connection {
  /** As the connecting side named it; IPv4 in dots. */
  readonly address: string;
  readonly port: number;
  /** Latin1; of TLS, what was inside. */
  received: string;
}

export const PLAIN_PORTS = [80, 8080] as const;
export const TLS_PORT = 443;
/** Where the inside of TLS is spoken; connections to it are those to `TLS_PORT`. */
const TLS_INSIDE = 10_443;

const DRIP_MS = 50;
const PACK = { gzip: gzipSync, deflate: deflateSync, br: brotliCompressSync } as const;

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
    const connection = { address, port, received: '' };
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

  #talk(socket: Socket, connection: Connection): void {
    socket.on('error', () => undefined);
    let answered = false;
    socket.on('data', (bytes: Buffer) => {
      connection.received += bytes.toString('latin1');
      const end = connection.received.indexOf('\r\n\r\n');
      if (answered || end === -1) return;
      const head = connection.received.slice(0, end);
      const length = Number(/^content-length: (\d+)\r?$/im.exec(head)?.[1] ?? 0);
      if (connection.received.length < end + 4 + length) return;
      answered = true;
      const path = head.split(' ')[1]?.split('?')[0] ?? '';
      answer(socket, this.#serve[path] ?? PLAIN);
    });
  }
}

const PLAIN: Serve = { status: 200, headers: [], body: 'reached', after: 'close' };

function answer(socket: Socket, serve: Serve): void {
  socket.write(Buffer.from(serve.raw ?? message(serve), 'latin1'));
  switch (serve.after) {
    case 'close':
      socket.end();
      return;
    case 'drip': {
      const drip = setInterval(() => socket.write('.'), DRIP_MS);
      socket.on('close', () => clearInterval(drip));
      return;
    }
    case 'flood': {
      const chunk = Buffer.alloc(65_536, 'x');
      const pour = () => {
        while (!socket.destroyed && socket.write(chunk));
      };
      socket.on('drain', pour);
      pour();
      return;
    }
    case 'hold':
      return;
  }
}

function message({ status, headers, body, packed, after }: Serve): string {
  const bytes = packed ? pack(packed).toString('latin1') : body;
  const lines = headers.map(([name, value]) => `${name}: ${value}`);
  if (
    after === 'close' &&
    !headers.some(([name]) => /^(content-length|transfer-encoding)$/i.test(name))
  ) {
    lines.push(`content-length: ${bytes.length}`);
  }
  return [`HTTP/1.1 ${status} Answer`, ...lines, '', bytes].join('\r\n');
}

function pack({ encodings, bytes }: NonNullable<Serve['packed']>): Buffer {
  return encodings.reduce<Buffer>((inner, name) => PACK[name](inner), Buffer.alloc(bytes));
}
