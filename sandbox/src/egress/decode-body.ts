/**
 * Unpacks a packed response while it arrives, one coding at most. Emits as the sink takes it: what nobody
 * wants any more is not unpacked, so a body that would grow without end costs one chunk of memory.
 */
import type { Transform } from 'node:stream';
import { createBrotliDecompress, createGunzip, createInflate } from 'node:zlib';

/** Not zstd: neither Bun nor Deno tells a frame that was cut off from a whole one (ADR 0122). */
const DECODERS = {
  br: createBrotliDecompress,
  deflate: createInflate,
  gzip: createGunzip,
  // RFC 9110, section 8.4.1.3.
  'x-gzip': createGunzip,
} as const;
export type Coding = keyof typeof DECODERS;

type Headers = Readonly<Record<string, string>>;

/**
 * What a body is packed in, in the order in which it was packed. A transfer coding is either just
 * `chunked`, which the HTTP client undoes, or counts with all its names.
 */
export function codingsOf(headers: Headers): readonly string[] {
  const transfer = namesIn(headers['transfer-encoding']);
  return transfer.join() === 'chunked'
    ? contentCodings(headers)
    : [...contentCodings(headers), ...transfer];
}

function contentCodings(headers: Headers): readonly string[] {
  return namesIn(headers['content-encoding']).filter((name) => name !== 'identity');
}

function namesIn(header: string | undefined): readonly string[] {
  const names = (header ?? '').toLowerCase().split(',');
  return names.map((name) => name.trim()).filter((name) => name !== '');
}

/** The one coding to unpack; undefined for plain bytes and for what the broker does not unpack. */
export function codingToUnpack(headers: Headers): Coding | undefined {
  const [coding] = contentCodings(headers);
  if (coding === undefined || codingsOf(headers).length > 1) return undefined;
  return Object.hasOwn(DECODERS, coding) ? (coding as Coding) : undefined;
}

const NAMED: ReadonlySet<string> = new Set([
  ...Object.keys(DECODERS),
  ...['chunked', 'compress', 'identity', 'zstd'],
]);

/** Codings for a reader. Any other name is the server's own text, which nobody has scrubbed. */
export function namesOf(codings: readonly string[]): string {
  const names = codings.slice(0, 5);
  return names.map((name) => (NAMED.has(name) ? name : 'something unknown')).join(', ');
}

/** Without the headers that speak of the packed body, when it is one that the broker unpacks. */
export function unpackedHeaders(headers: Headers): Headers {
  if (!codingToUnpack(headers)) return headers;
  const { 'content-encoding': _, 'content-length': __, ...others } = headers;
  return others;
}

export interface UnpackedSink {
  /** Takes a chunk, at most 16 KiB; may call `destroy`. */
  readonly keep: (chunk: Uint8Array) => void;
  /** There is room for more after `write` answered false. */
  readonly drained: () => void;
  readonly failed: (reason: string) => void;
  readonly done: () => void;
}

/** Behind a whole Brotli stream this byte is left unread. Deno does not miss the end that is not there. */
const BEHIND_THE_END = Uint8Array.of(0);

export class Unpacker {
  readonly #coding: Coding;
  readonly #sink: UnpackedSink;
  #stream: ReturnType<(typeof DECODERS)[Coding]> | undefined;
  #received = 0;
  #over = false;

  constructor(coding: Coding, sink: UnpackedSink) {
    this.#coding = coding;
    this.#sink = sink;
  }

  /** Whether more may follow at once; otherwise wait for `drained`. */
  write(chunk: Uint8Array): boolean {
    if (this.#over) return true;
    this.#received += chunk.length;
    this.#stream ??= this.#open();
    return this.#stream.write(chunk);
  }

  /** No more follows. A body without a byte, as of HEAD, is packed in nothing. */
  end(): void {
    if (this.#over) return;
    if (!this.#stream) this.#finish();
    else if (this.#coding === 'br') this.#stream.end(BEHIND_THE_END);
    else this.#stream.end();
  }

  /** Stops; the sink hears nothing more. */
  destroy(): void {
    this.#over = true;
    this.#stream?.destroy();
  }

  #open() {
    const stream = DECODERS[this.#coding]();
    (stream as Transform)
      .on('data', (chunk: Uint8Array) => {
        if (!this.#over) this.#sink.keep(chunk);
      })
      .on('drain', () => {
        if (!this.#over) this.#sink.drained();
      })
      // Stays for the stream's life: an error that nobody hears ends the process.
      .on('error', ({ message }) => this.#fail(`is no whole ${this.#coding}: ${message}`))
      .on('end', () => this.#ended(stream.bytesWritten));
    return stream;
  }

  #ended(used: number): void {
    if (used > this.#received) this.#fail(`is no whole ${this.#coding}: unexpected end`);
    else if (used < this.#received) this.#fail(`has bytes behind the end of its ${this.#coding}`);
    else this.#finish();
  }

  #finish(): void {
    if (this.#over) return;
    this.#over = true;
    this.#sink.done();
  }

  #fail(what: string): void {
    if (this.#over) return;
    this.destroy();
    this.#sink.failed(`the response ${what}`.slice(0, 300));
  }
}
