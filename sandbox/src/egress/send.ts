/**
 * Sends one decided request to one checked address. Never resolves a name, follows a redirect,
 * or uses an agent; size, packed and unpacked, and time are bounded. The connection stands before the last look
 * at the clock, and the first byte follows that look at once.
 */
import { type ClientRequest, request as httpRequest, type IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import type { OutboundRequest } from '@portarium/contracts/outbound-request';
import { connect, connectionReason } from './connect.ts';
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
  /** Headers that the broker sets on the wire of this one call, and nowhere else. */
  readonly set?: Readonly<Record<string, string>>;
}

export type Sent =
  | {
      readonly ok: true;
      readonly status: number;
      /** Every header, by its name in lower case; without those of a packing that is undone. */
      readonly headers: Readonly<Record<string, string>>;
      /** Unpacked. */
      readonly body: Uint8Array;
      /** What came of the body before it was unpacked, if it was. */
      readonly packedBytes?: number;
    }
  | {
      readonly ok: false;
      readonly reason: string;
      /** Whether a byte of the request may have left. */
      readonly sent: boolean;
      readonly tooLarge: boolean;
      readonly bytesIn: number;
    };

/** Informational (1xx) responses before the real one; a server could send them without end. */
const MAX_INFORMATIONAL = 20;

export async function send(request: OutboundRequest, options: SendOptions): Promise<Sent> {
  const { address, firstByteBy: byMs, signal, authorities } = options;
  const connected = await connect(request.target, { address, byMs, signal, authorities });
  if (connected.ok) return new Exchange(connected.socket, request, options).result;
  return { ok: false, reason: connected.reason, sent: false, tooLarge: false, bytesIn: 0 };
}

/** One request and its answer on a connection that is used for nothing else. */
class Exchange {
  readonly result: Promise<Sent>;
  readonly #options: SendOptions;
  readonly #socket: Socket;
  readonly #resolve: (sent: Sent) => void;
  readonly #body: ResponseBuffer;
  readonly #abort = () => this.#fail('the attempt ended first');
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

  constructor(socket: Socket, request: OutboundRequest, options: SendOptions) {
    this.#options = options;
    this.#socket = socket;
    this.#body = new ResponseBuffer(options.inFlight, options.maxResponseBytes);
    const { promise, resolve } = Promise.withResolvers<Sent>();
    this.result = promise;
    this.#resolve = resolve;
    options.signal.addEventListener('abort', this.#abort, { once: true });
    // A response tells of its own end; without one nothing else would.
    socket.on('close', () => {
      if (!this.#answering)
        setImmediate(() => this.#fail('the connection closed without an answer'));
    });
    if (options.signal.aborted) this.#abort();
    else if (socket.destroyed) this.#fail('the connection closed before the request');
    else this.#begin(request);
  }

  #begin(request: OutboundRequest): void {
    try {
      const outgoing = httpRequest({
        method: request.target.method,
        path: request.path,
        headers: headersOf(request, this.#options.set),
        createConnection: () => this.#socket,
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
    const unpacker = this.#unpackerOf(response);
    this.#unpacker = unpacker;
    response.on('data', (chunk: Uint8Array) => {
      if (this.#ended) return;
      this.#bytesIn += chunk.length;
      if (this.#bytesIn > maxResponseBytes) {
        this.#fail(`the response is larger than ${maxResponseBytes} bytes`, true);
      } else if (!unpacker) this.#keep(chunk);
      else if (!unpacker.write(chunk)) response.pause();
    });
    const cut = 'the connection closed before the response was whole';
    response.on('error', (error) => this.#lose(connectionReason(error)));
    response.on('close', () => this.#lose(cut));
    response.on('end', () => {
      if (!response.complete) return this.#fail(cut);
      this.#whole = true;
      if (unpacker) unpacker.end();
      else this.#done(response, {});
    });
  }

  #unpackerOf(response: IncomingMessage): Unpacker | undefined {
    const coding = codingToUnpack(plainHeaders(response));
    return (
      coding &&
      new Unpacker(coding, {
        keep: (chunk) => this.#keep(chunk),
        drained: () => response.resume(),
        failed: (reason) => this.#fail(reason),
        done: () => this.#done(response, { packedBytes: this.#bytesIn }),
      })
    );
  }

  #keep(chunk: Uint8Array): void {
    const { maxResponseBytes } = this.#options;
    this.#kept += chunk.length;
    if (this.#kept > maxResponseBytes) {
      this.#fail(`the response is larger than ${maxResponseBytes} bytes once unpacked`, true);
    } else if (!this.#body.add(chunk)) this.#fail('the host has no room for more response bytes');
  }

  #done(response: IncomingMessage, more: { readonly packedBytes?: number }): void {
    const { statusCode: status = 0 } = response;
    const headers = unpackedHeaders(plainHeaders(response));
    this.#end({ ok: true, status, headers, body: this.#body.bytes(), ...more });
  }

  /** The connection is gone. */
  #lose(reason: string): void {
    if (!this.#whole) this.#fail(reason);
  }

  #fail(reason: string, tooLarge = false): void {
    const bytesIn = Math.max(this.#bytesIn, this.#kept);
    this.#end({ ok: false, reason, sent: this.#sent, tooLarge, bytesIn });
  }

  #end(sent: Sent): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#body.release();
    this.#unpacker?.destroy();
    clearTimeout(this.#timer);
    this.#options.signal.removeEventListener('abort', this.#abort);
    this.#outgoing?.destroy();
    this.#socket.destroy();
    this.#resolve(sent);
  }
}

function headersOf(
  request: OutboundRequest,
  set: Readonly<Record<string, string>> = {},
): Record<string, string> {
  const { target, body } = request;
  const standard = target.port === (target.scheme === 'https' ? 443 : 80);
  return {
    'accept-encoding': 'identity',
    ...Object.fromEntries(request.headers),
    ...set,
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
