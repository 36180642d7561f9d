/**
 * Sends one decided request to one checked address. Never resolves a name, follows a redirect,
 * or uses an agent; size, packed and unpacked, and time are bounded. The connection stands before the last look
 * at the clock, and the first byte follows that look at once. A write never leaves on a connection that
 * something else was sent on (ADR 0121).
 */
import { type ClientRequest, request as httpRequest, type IncomingMessage } from 'node:http';
import type { Digest } from '@portarium/contracts/digest';
import { SAFE_METHODS } from '@portarium/contracts/egress-rule';
import type { OutboundRequest } from '@portarium/contracts/outbound-request';
import { type Connection, connect, connectionReason } from './connect.ts';
import type { Connections, Sharing } from './connections.ts';
import type { Added } from './credential.ts';
import { codingToUnpack, Unpacker, unpackedHeaders } from './decode-body.ts';
import { type InFlightBytes, ResponseBuffer } from './response-buffer.ts';

export interface SendOptions {
  /** The address that passed the check. */
  readonly address: string;
  /** On `performance.now()`: later than this no first byte leaves. */
  readonly firstByteBy: number;
  /** From the first byte to the last one of the answer, in milliseconds. */
  readonly timeoutMs: number;
  /** On `performance.now()`: the same for all of it, when that is sooner. */
  readonly wholeBy?: number;
  readonly maxResponseBytes: number;
  /** The room that all responses of this process share. */
  readonly inFlight: InFlightBytes;
  readonly signal: AbortSignal;
  /** Certificate authorities in PEM instead of the runtime's own. */
  readonly authorities?: string | undefined;
  readonly added?: Added;
  readonly connections: Connections;
  /** Leaves once at most, though it is a read: its rate counts what leaves. */
  readonly once: boolean;
  readonly workspace: string;
  /** The credential in what is added. */
  readonly credential?: Sharing['credential'];
}

export type Sent = Answered | Broken;

interface Answered extends Peer {
  readonly ok: true;
  readonly status: number;
  /** Every header, by its name in lower case; without those of a packing that is undone. */
  readonly headers: Readonly<Record<string, string>>;
  /** Unpacked. */
  readonly body: Uint8Array;
  /** What came of the body before it was unpacked, if it was. */
  readonly packedBytes?: number;
}

type Head = Pick<Answered, 'status' | 'headers'>;

interface Broken extends Peer {
  readonly ok: false;
  readonly reason: string;
  /** Whether a byte of the request may have left. */
  readonly sent: boolean;
  readonly tooLarge: boolean;
  readonly bytesIn: number;
}

interface Peer {
  /** Of the server that was connected to by TLS. */
  readonly tlsPeerKeyHash?: Digest | undefined;
}

/** Informational (1xx) responses before the real one; a server could send them without end. */
const MAX_INFORMATIONAL = 20;

export async function send(request: OutboundRequest, options: SendOptions): Promise<Sent> {
  const { address, firstByteBy: byMs, signal, authorities, connections } = options;
  const { workspace, credential, once } = options;
  const { scheme, host, port, method } = request.target;
  const sharing =
    SAFE_METHODS.has(method) && !once
      ? { workspace, credential, scheme, host, port, address, authorities }
      : undefined;
  const waiting = sharing && connections.take(sharing);
  if (sharing && waiting) {
    const first = new Exchange(waiting, request, options, sharing);
    const sent = await first.result;
    // Its server had ended it meanwhile: a read may be asked for again (RFC 9110, 9.2.2), a write might not.
    if (sent.ok || !first.unheard) return sent;
  }
  const connected = await connect(request.target, { address, byMs, signal, authorities });
  if (connected.ok) return new Exchange(connected, request, options, sharing).result;
  return { ok: false, reason: connected.reason, sent: false, tooLarge: false, bytesIn: 0 };
}

/** One request and its answer on a connection that is meanwhile used for nothing else. */
class Exchange {
  readonly result: Promise<Sent>;
  readonly #options: SendOptions;
  readonly #connection: Connection;
  readonly #sharing: Sharing | undefined;
  readonly #resolve: (sent: Sent) => void;
  readonly #body: ResponseBuffer;
  readonly #abort = () => this.#fail('the attempt ended first');
  // A response tells of its own end; without one nothing else would.
  readonly #closed = () => {
    if (this.#answering) return;
    setImmediate(() => this.#lose('the connection closed without an answer'));
  };
  #outgoing: ClientRequest | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #sent = false;
  #answering = false;
  #bytesIn = 0;
  #kept = 0;
  #unpacker: Unpacker | undefined;
  #informational = 0;
  /** All of the answer is here, packed: what becomes of the connection does not matter any more. */
  #whole = false;
  #ended = false;
  #unheard = false;

  /** @param sharing what may use the connection next; undefined when nothing may */
  constructor(
    connection: Connection,
    request: OutboundRequest,
    options: SendOptions,
    sharing: Sharing | undefined,
  ) {
    const { socket } = connection;
    this.#options = options;
    this.#connection = connection;
    this.#sharing = sharing;
    this.#body = new ResponseBuffer(options.inFlight, options.maxResponseBytes);
    const { promise, resolve } = Promise.withResolvers<Sent>();
    this.result = promise;
    this.#resolve = resolve;
    options.signal.addEventListener('abort', this.#abort, { once: true });
    socket.on('close', this.#closed);
    if (options.signal.aborted) this.#abort();
    else if (socket.destroyed) this.#lose('the connection closed before the request');
    else this.#begin(request);
  }

  /** After its end: the connection broke before a byte of an answer came. */
  get unheard(): boolean {
    return this.#unheard;
  }

  #begin(request: OutboundRequest): void {
    try {
      const outgoing = httpRequest({
        method: request.target.method,
        path: pathOf(request, this.#options.added),
        headers: {
          ...headersOf(request, this.#options.added),
          connection: this.#sharing ? 'keep-alive' : 'close',
        },
        createConnection: () => this.#connection.socket,
      });
      this.#outgoing = outgoing;
      outgoing.on('error', (error) => this.#lose(connectionReason(error)));
      outgoing.on('upgrade', () => this.#fail('the server switched protocols'));
      outgoing.on('information', () => {
        if (++this.#informational <= MAX_INFORMATIONAL) return;
        this.#fail(`more than ${MAX_INFORMATIONAL} informational responses`);
      });
      outgoing.on('response', (response) => this.#receive(response));
      outgoing.once('socket', () => this.#write(outgoing, request.body));
    } catch (error) {
      this.#fail(error instanceof Error ? connectionReason(error) : 'the request can not be made');
    }
  }

  /** `end` writes before it returns: between the look at the clock and the first byte nothing waits. */
  #write(outgoing: ClientRequest, body: Uint8Array): void {
    if (this.#ended) return;
    const { firstByteBy, timeoutMs, wholeBy = Number.POSITIVE_INFINITY } = this.#options;
    const now = performance.now();
    if (now >= firstByteBy) {
      this.#fail('it was too late to send; nothing has left');
      return;
    }
    const forMs = Math.min(timeoutMs, wholeBy - now);
    this.#timer = setTimeout(() => this.#fail(`no full answer in ${timeoutMs} ms`), forMs);
    this.#sent = true;
    outgoing.end(body.length > 0 ? body : undefined);
  }

  #receive(response: IncomingMessage): void {
    this.#answering = true;
    const { maxResponseBytes } = this.#options;
    const { statusCode: status = 0 } = response;
    const head = { status, headers: plainHeaders(response) };
    const unpacker = this.#unpackerOf(response, head);
    this.#unpacker = unpacker;
    response.on('data', (chunk: Uint8Array) => {
      if (this.#ended) return;
      this.#bytesIn += chunk.length;
      if (this.#bytesIn > maxResponseBytes) {
        this.#fail(`the response is larger than ${maxResponseBytes} bytes`, true);
      } else if (!unpacker) this.#take(chunk);
      else if (!unpacker.write(chunk)) response.pause();
    });
    const cut = 'the connection closed before the response was whole';
    response.on('error', (error) => this.#lose(connectionReason(error)));
    response.on('close', () => this.#lose(cut));
    response.on('end', () => {
      if (!response.complete) return this.#fail(cut);
      this.#whole = true;
      if (unpacker) unpacker.end();
      else this.#done(head, {});
    });
  }

  #unpackerOf(response: IncomingMessage, head: Head): Unpacker | undefined {
    const coding = codingToUnpack(head.headers);
    return (
      coding &&
      new Unpacker(coding, {
        keep: (chunk) => this.#take(chunk),
        drained: () => response.resume(),
        failed: (reason) => this.#fail(reason),
        done: () => this.#done(head, { packedBytes: this.#bytesIn }),
      })
    );
  }

  #take(chunk: Uint8Array): void {
    const { maxResponseBytes } = this.#options;
    this.#kept += chunk.length;
    if (this.#kept > maxResponseBytes) {
      this.#fail(`the response is larger than ${maxResponseBytes} bytes once unpacked`, true);
    } else if (!this.#body.add(chunk)) this.#fail('the host has no room for more response bytes');
  }

  #done({ status, headers: all }: Head, more: { readonly packedBytes?: number }): void {
    const headers = unpackedHeaders(all);
    const { tlsPeerKeyHash } = this.#connection;
    this.#end({ ok: true, status, headers, body: this.#body.bytes(), tlsPeerKeyHash, ...more });
  }

  /** The connection is gone. */
  #lose(reason: string): void {
    if (this.#whole) return;
    if (!this.#ended) this.#unheard = !this.#answering;
    this.#fail(reason);
  }

  #fail(reason: string, tooLarge = false): void {
    const { tlsPeerKeyHash } = this.#connection;
    const sent = this.#sent;
    // What lies beyond the budget was thrown away, not taken in.
    const bytesIn = Math.min(Math.max(this.#bytesIn, this.#kept), this.#options.maxResponseBytes);
    this.#end({ ok: false, reason, sent, tooLarge, bytesIn, tlsPeerKeyHash });
  }

  #end(sent: Sent): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#body.release();
    this.#unpacker?.destroy();
    clearTimeout(this.#timer);
    this.#options.signal.removeEventListener('abort', this.#abort);
    const { socket } = this.#connection;
    socket.off('close', this.#closed);
    // While a body was unpacked, the connection was nobody’s to watch.
    const kept = sent.ok && sent.packedBytes === undefined && isKept(sent.headers);
    if (kept && this.#sharing) this.#keep(this.#sharing, sent);
    else {
      this.#outgoing?.destroy();
      socket.destroy();
      this.#resolve(sent);
    }
  }

  /** When the client has let go of the connection, and before anybody asks for the next one. */
  #keep(sharing: Sharing, sent: Sent): void {
    setImmediate(() => {
      this.#options.connections.give(sharing, this.#connection);
      this.#resolve(sent);
    });
  }
}

/** Whether the server leaves the connection open (RFC 9112, 9.3). */
function isKept({ connection = '' }: Readonly<Record<string, string>>): boolean {
  return !/\bclose\b/i.test(connection);
}

/** The parameter goes behind what was matched, which stays as it is. */
function pathOf({ path }: OutboundRequest, added?: Added): string {
  if (added?.query === undefined) return path;
  return `${path}${path.includes('?') ? '&' : '?'}${added.query}`;
}

function headersOf(request: OutboundRequest, added?: Added): Record<string, string> {
  const { target, body } = request;
  const standard = target.port === (target.scheme === 'https' ? 443 : 80);
  return {
    'accept-encoding': 'identity',
    ...Object.fromEntries(request.headers),
    ...added?.headers,
    host: standard ? target.host : `${target.host}:${target.port}`,
    ...(body.length > 0 || !['GET', 'HEAD'].includes(target.method)
      ? { 'content-length': String(body.length) }
      : {}),
  };
}

function plainHeaders(response: IncomingMessage): Readonly<Record<string, string>> {
  return Object.fromEntries(
    Object.entries(response.headers).flatMap(([name, value]) =>
      value === undefined ? [] : [[name, Array.isArray(value) ? value.join(', ') : value]],
    ),
  );
}
