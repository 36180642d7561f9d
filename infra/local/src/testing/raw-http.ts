/**
 * The little of HTTP/1.1 that a test server needs to be exact about: when a request has arrived whole,
 * what was written, and a connection that dies. No chunked requests, no pipelining.
 */
import { createServer, type Server, type Socket } from 'node:net';

export interface RawRequest {
  readonly method: string;
  readonly path: string;
  readonly query: URLSearchParams;
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer;
}

export interface RawServer {
  readonly port: number;
  /** Ends every connection and stops listening. */
  close(): Promise<void>;
}

/** Answers one request by writing to the socket, or ends the socket. */
export type RawHandler = (request: RawRequest, socket: Socket) => Promise<void>;

/** Serves on loopback. A request that breaks off before its last byte is dropped. */
export async function serveRaw(handler: RawHandler): Promise<RawServer> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.setNoDelay(true);
    socket.on('error', () => socket.destroy());
    socket.on('close', () => sockets.delete(socket));
    readRequests(socket, handler);
  });
  const port = await listen(server);
  return {
    port,
    close: async () => {
      const closed = new Promise((resolve) => server.close(resolve));
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
}

async function listen(server: Server): Promise<number> {
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(0, '127.0.0.1', resolve);
  });
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port was given');
  return address.port;
}

function readRequests(socket: Socket, handler: RawHandler): void {
  let received: Buffer = Buffer.alloc(0);
  let busy = false;
  const next = async (): Promise<void> => {
    if (busy) return;
    const taken = takeRequest(received);
    if (taken === undefined) return;
    received = received.subarray(taken.bytes);
    busy = true;
    try {
      await handler(taken.request, socket);
    } catch {
      socket.destroy();
    }
    busy = false;
    await next();
  };
  socket.on('data', (chunk: Buffer) => {
    received = Buffer.concat([received, chunk]);
    void next();
  });
}

/** The first whole request in `bytes`, and how many bytes it has. */
function takeRequest(bytes: Buffer): { request: RawRequest; bytes: number } | undefined {
  const end = bytes.indexOf('\r\n\r\n');
  if (end === -1) return undefined;
  const [first = '', ...lines] = bytes.subarray(0, end).toString('latin1').split('\r\n');
  const headers = Object.fromEntries(
    lines.map((line) => {
      const colon = line.indexOf(':');
      return [line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()];
    }),
  );
  const length = Number(headers['content-length'] ?? 0);
  const from = end + 4;
  if (bytes.length < from + length) return undefined;
  const [method = '', target = '/'] = first.split(' ');
  const url = new URL(target, 'http://counterpart');
  const body = Buffer.from(bytes.subarray(from, from + length));
  return {
    request: { method, path: url.pathname, query: url.searchParams, headers, body },
    bytes: from + length,
  };
}

/** One whole response as it stands on the wire. */
export function rawResponse(
  status: number,
  headers: Readonly<Record<string, string>>,
  body: string | Buffer,
): Buffer {
  const text = typeof body === 'string' ? Buffer.from(body) : body;
  const lines = Object.entries({ ...headers, 'content-length': String(text.length) });
  const head = [
    `HTTP/1.1 ${status} ${status < 400 ? 'OK' : 'Refused'}`,
    ...lines.map(([name, value]) => `${name}: ${value}`),
  ];
  return Buffer.concat([Buffer.from(`${head.join('\r\n')}\r\n\r\n`, 'latin1'), text]);
}
