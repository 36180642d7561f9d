/**
 * Frames between host and cell: `u32 length · u32 sequence · u32 head length · head (JSON) · body`,
 * big-endian; `length` counts everything after itself. Pure: never touches a descriptor.
 */

/** A frame's head, before anybody has checked what it says. */
export interface Frame {
  readonly head: unknown;
  /** Of the head as it was sent. */
  readonly headBytes: number;
  readonly body: Uint8Array;
}

/** A peer that breaks the framing or the protocol; the host kills a cell that does. */
export class ProtocolViolation extends Error {
  override readonly name = 'ProtocolViolation';
}

const PREFIX = 12;
/** Chunks of one frame: whoever sends bytes one by one costs a reader far more than itself. */
const SPARE_CHUNKS = 1_024;
const LEAST_CHUNK_BYTES = 256;
const EMPTY = new Uint8Array();
const encoder = new TextEncoder();
const decoder = new TextDecoder('utf-8', { fatal: true });

export function encodeFrame(sequence: number, head: object, body: Uint8Array = EMPTY): Uint8Array {
  const headBytes = encoder.encode(JSON.stringify(head));
  const frame = new Uint8Array(PREFIX + headBytes.length + body.length);
  const view = new DataView(frame.buffer);
  view.setUint32(0, frame.length - 4);
  view.setUint32(4, sequence);
  view.setUint32(8, headBytes.length);
  frame.set(headBytes, PREFIX);
  frame.set(body, PREFIX + headBytes.length);
  return frame;
}

/** Puts chunks together to frames, and refuses long ones before it buffers them. */
export class FrameReader {
  /** Largest `length` that is taken; the reader's owner raises or lowers it between frames. */
  maxFrameBytes: number;
  /** Longest head that is parsed: a body is only copied, a head costs many times its size. */
  maxHeadBytes: number;
  #sequence = 0;
  #chunks: Uint8Array[] = [];
  #buffered = 0;

  constructor(maxFrameBytes: number, maxHeadBytes: number = maxFrameBytes) {
    this.maxFrameBytes = maxFrameBytes;
    this.maxHeadBytes = maxHeadBytes;
  }

  /** Whole frames that `chunk` completes, in order. @throws ProtocolViolation */
  push(chunk: Uint8Array): Frame[] {
    this.#chunks.push(chunk);
    this.#buffered += chunk.length;
    const frames: Frame[] = [];
    for (let length = this.#nextLength(); length !== undefined; length = this.#nextLength()) {
      if (this.#buffered < 4 + length) break;
      const bytes = this.#joined();
      frames.push(this.#parse(bytes.subarray(4, 4 + length)));
      this.#buffered -= 4 + length;
      // No view of nothing: it would keep the bytes of the whole frame.
      this.#chunks = this.#buffered > 0 ? [bytes.subarray(4 + length)] : [];
    }
    if (this.#chunks.length > SPARE_CHUNKS + this.#buffered / LEAST_CHUNK_BYTES) {
      throw new ProtocolViolation(`${this.#buffered} bytes in ${this.#chunks.length} pieces`);
    }
    return frames;
  }

  #nextLength(): number | undefined {
    if (this.#buffered < 4) return undefined;
    if ((this.#chunks[0]?.length ?? 0) < 4) this.#joined();
    const first = this.#chunks[0] ?? EMPTY;
    const length = new DataView(first.buffer, first.byteOffset).getUint32(0);
    if (length > this.maxFrameBytes) {
      throw new ProtocolViolation(`a frame of ${length} bytes, at most ${this.maxFrameBytes}`);
    }
    if (length < PREFIX - 4) throw new ProtocolViolation(`a frame of ${length} bytes`);
    return length;
  }

  #joined(): Uint8Array {
    const [only] = this.#chunks;
    if (only && this.#chunks.length === 1) return only;
    const whole = new Uint8Array(this.#buffered);
    let offset = 0;
    for (const chunk of this.#chunks) {
      whole.set(chunk, offset);
      offset += chunk.length;
    }
    this.#chunks = [whole];
    return whole;
  }

  #parse(content: Uint8Array): Frame {
    const view = new DataView(content.buffer, content.byteOffset, content.byteLength);
    const sequence = view.getUint32(0);
    if (sequence !== this.#sequence) {
      throw new ProtocolViolation(`frame ${sequence} where ${this.#sequence} was expected`);
    }
    this.#sequence++;
    const headBytes = view.getUint32(4);
    const headEnd = 8 + headBytes;
    if (headEnd > content.length) throw new ProtocolViolation('a head longer than its frame');
    if (headBytes > this.maxHeadBytes) {
      throw new ProtocolViolation(`a head of ${headBytes} bytes, at most ${this.maxHeadBytes}`);
    }
    try {
      const head: unknown = JSON.parse(decoder.decode(content.subarray(8, headEnd)));
      return { head, headBytes, body: content.slice(headEnd) };
    } catch {
      throw new ProtocolViolation('a head that is not JSON');
    }
  }
}
