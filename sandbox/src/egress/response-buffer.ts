/**
 * Puts a response together in one growing buffer: a chunk kept as it came costs some 90 bytes for
 * its object, so a server that sends byte by byte would fill the host. Never keeps a chunk.
 */
import { MAX_LIMITS } from '@portarium/contracts/limits';

/** Bytes that all responses of one process may hold at once. */
export class InFlightBytes {
  readonly #most: number;
  #used = 0;

  constructor(most: number) {
    this.#most = most;
  }

  get used(): number {
    return this.#used;
  }

  /** Whether there was room. */
  take(bytes: number): boolean {
    if (this.#used + bytes > this.#most) return false;
    this.#used += bytes;
    return true;
  }

  /** Counts bytes that are there already, whether or not there was room for them. */
  hold(bytes: number): void {
    this.#used += bytes;
  }

  give(bytes: number): void {
    this.#used -= bytes;
  }
}

/** Of this process: twice the most that one attempt may take in, whatever the number of cells. */
export const IN_FLIGHT = new InFlightBytes(2 * MAX_LIMITS.egressBytesIn);

const FIRST_BYTES = 16 * 1024;

export class ResponseBuffer {
  readonly #inFlight: InFlightBytes;
  readonly #most: number;
  #buffer = new Uint8Array();
  #length = 0;

  /** @param most the caller adds no more bytes than this */
  constructor(inFlight: InFlightBytes, most: number) {
    this.#inFlight = inFlight;
    this.#most = most;
  }

  /** Bytes that are set aside, at most twice what was added and one first block. */
  get capacity(): number {
    return this.#buffer.length;
  }

  /** Copies `chunk`; false when the process has no room for it, and nothing was added. */
  add(chunk: Uint8Array): boolean {
    const length = this.#length + chunk.length;
    if (length > this.#buffer.length && !this.#grow(length)) return false;
    this.#buffer.set(chunk, this.#length);
    this.#length = length;
    return true;
  }

  /** The bytes so far. */
  bytes(): Uint8Array {
    return this.#buffer.subarray(0, this.#length);
  }

  /** Gives the room back; the bytes stay valid for whoever took them. */
  release(): void {
    this.#inFlight.give(this.#buffer.length);
    this.#buffer = new Uint8Array();
    this.#length = 0;
  }

  #grow(least: number): boolean {
    const doubled = Math.max(FIRST_BYTES, 2 * this.#buffer.length);
    const capacity = Math.max(least, Math.min(doubled, this.#most));
    if (!this.#inFlight.take(capacity)) return false;
    const grown = new Uint8Array(capacity);
    grown.set(this.#buffer.subarray(0, this.#length));
    this.#inFlight.give(this.#buffer.length);
    this.#buffer = grown;
    return true;
  }
}
