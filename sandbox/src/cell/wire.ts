/**
 * Frames between host and cell: `u32 length · u32 sequence · u32 head length · head (JSON) · body`,
 * big-endian; `length` counts everything after itself. Pure: never touches a descriptor.
 */

/** A frame's head, before anybody has checked what it says. */
export interface Frame {
  readonly head: unknown;
  readonly body: Uint8Array;
}

/** A peer that breaks the framing or the protocol; the host kills a cell that does. */
export class ProtocolViolation extends Error {
  override readonly name = 'ProtocolViolation';
}

const PREFIX = 12;
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
  #sequence = 0;
  #chunks: Uint8Array[] = [];
  #buffered = 0;

  constructor(maxFrameBytes: number) {
    this.maxFrameBytes = maxFrameBytes;
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
      this.#chunks = [bytes.subarray(4 + length)];
      this.#buffered -= 4 + length;
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
    const headEnd = 8 + view.getUint32(4);
    if (headEnd > content.length) throw new ProtocolViolation('a head longer than its frame');
    try {
      const head: unknown = JSON.parse(decoder.decode(content.subarray(8, headEnd)));
      return { head, body: content.slice(headEnd) };
    } catch {
      throw new ProtocolViolation('a head that is not JSON');
    }
  }
}
