/**
 * Stands between a client and PostgreSQL, on loopback, reads both sides' messages (protocol 3, no TLS) and
 * holds a connection at one point: before a statement goes to the server, or before its answer comes
 * back. Changes nothing of what passes.
 */
import { type AddressInfo, createServer, connect as dial, type Socket } from 'node:net';

export interface Point {
  /** Of the statement's text. */
  readonly statement: RegExp;
  /** `before`: the server has answered all that came before it. `answered`: it has run, and nobody was told. */
  readonly when: 'before' | 'answered';
}

export interface PostgresDoor extends AsyncDisposable {
  /** `url`, by way of the door. */
  through(url: string): string;
  /** The next connection that comes to the point is held there; resolves when one is. */
  hold(point: Point): Promise<void>;
}

interface Held {
  readonly point: Point;
  readonly reached: () => void;
  /** The connection that stands there. */
  by?: Wire;
}

export async function startPostgresDoor(serverUrl: string): Promise<PostgresDoor> {
  const target = new URL(serverUrl);
  const wires = new Set<Wire>();
  let held: Held | undefined;
  const door = createServer((client) => {
    const server = dial(Number(target.port), target.hostname);
    const wire = new Wire(client, server, () => held);
    wires.add(wire);
    const close = () => {
      client.destroy();
      server.destroy();
      wires.delete(wire);
    };
    for (const socket of [client, server]) socket.on('error', close).on('close', close);
  });
  await new Promise<void>((resolve) => door.listen(0, '127.0.0.1', resolve));
  const { port } = door.address() as AddressInfo;
  return {
    through(url) {
      const own = new URL(url);
      own.hostname = '127.0.0.1';
      own.port = String(port);
      return own.href;
    },
    hold: (point) =>
      new Promise((resolve) => {
        held = { point, reached: resolve };
      }),
    async [Symbol.asyncDispose]() {
      for (const wire of wires) wire.close();
      await new Promise((resolve) => door.close(resolve));
    },
  };
}

/** One connection. */
class Wire {
  readonly #client: Socket;
  readonly #server: Socket;
  readonly #held: () => Held | undefined;
  /** Texts of prepared statements. */
  readonly #statements = new Map<string, string>();
  #fromClient = Buffer.alloc(0);
  #fromServer = Buffer.alloc(0);
  #started = false;
  /** Answers that are still to come: each ends with ReadyForQuery. */
  #open = 0;
  /** The client's messages go no further. */
  #stopped = false;
  /** The server's neither, from the end of the statement that was asked for. */
  #silent = false;
  #awaited: Held | undefined;

  constructor(client: Socket, server: Socket, held: () => Held | undefined) {
    this.#client = client;
    this.#server = server;
    this.#held = held;
    client.on('data', (chunk: Buffer) => this.#takeFromClient(chunk));
    server.on('data', (chunk: Buffer) => this.#takeFromServer(chunk));
  }

  close(): void {
    this.#client.destroy();
    this.#server.destroy();
  }

  #takeFromClient(chunk: Buffer): void {
    this.#fromClient = Buffer.concat([this.#fromClient, chunk]);
    while (!this.#stopped) {
      // The first message has no type.
      const head = this.#started ? 1 : 0;
      if (this.#fromClient.length < head + 4) return;
      const length = head + this.#fromClient.readInt32BE(head);
      if (this.#fromClient.length < length) return;
      const message = this.#fromClient.subarray(0, length);
      if (this.#started && this.#isHeldAt(message)) return;
      this.#fromClient = this.#fromClient.subarray(length);
      // The server greets with one ReadyForQuery, unasked.
      if (!this.#started || 'SQ'.includes(String.fromCharCode(message[0] ?? 0))) this.#open += 1;
      this.#started = true;
      this.#server.write(message);
    }
  }

  /** Notes what a message prepares, and whether it is the one to stop at. */
  #isHeldAt(message: Buffer): boolean {
    const type = String.fromCharCode(message[0] ?? 0);
    const [first = '', second = ''] = message.subarray(5).toString('utf8').split('\0');
    if (type === 'P') this.#statements.set(first, second);
    const text = type === 'Q' ? first : type === 'B' ? (this.#statements.get(second) ?? '') : '';
    const held = this.#held();
    if (!held || held.by || text === '' || !held.point.statement.test(text)) return false;
    held.by = this;
    this.#awaited = held;
    if (held.point.when === 'answered') return false;
    this.#stopped = true;
    this.#told();
    return true;
  }

  #takeFromServer(chunk: Buffer): void {
    this.#fromServer = Buffer.concat([this.#fromServer, chunk]);
    for (;;) {
      if (this.#fromServer.length < 5) return;
      const length = 1 + this.#fromServer.readInt32BE(1);
      if (this.#fromServer.length < length) return;
      const message = this.#fromServer.subarray(0, length);
      this.#fromServer = this.#fromServer.subarray(length);
      const type = String.fromCharCode(message[0] ?? 0);
      if (type === 'C' && this.#awaited?.point.when === 'answered') {
        const tag = message.subarray(5, -1).toString('utf8').toLowerCase();
        if (this.#awaited.point.statement.test(tag)) this.#silent = true;
      }
      if (type === 'Z') this.#open -= 1;
      if (!this.#silent) this.#client.write(message);
      this.#told();
    }
  }

  #told(): void {
    if (this.#awaited && (this.#silent || (this.#stopped && this.#open === 0))) {
      this.#awaited.reached();
    }
  }
}
