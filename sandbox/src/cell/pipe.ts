/**
 * The cell's end of the pipes. Reading and writing block: the guest has one thread, and while it
 * waits for its host nothing else may run. Standard output is never touched by streams, which
 * would make it non-blocking.
 */
import { readSync, writeSync } from 'node:fs';
import { encodeFrame, type Frame, FrameReader } from './wire.ts';

const STDIN = 0;
const STDOUT = 1;
/** The host is trusted; this bounds a defect, not an attack. */
const MAX_HOST_FRAME_BYTES = 300 * 1024 * 1024;

export class HostPipe {
  readonly #reader = new FrameReader(MAX_HOST_FRAME_BYTES);
  readonly #chunk = new Uint8Array(256 * 1024);
  readonly #waiting: Frame[] = [];
  #sequence = 0;

  /** The next frame, or undefined when the host is gone. */
  read(): Frame | undefined {
    while (this.#waiting.length === 0) {
      const length = retried(() => readSync(STDIN, this.#chunk, 0, this.#chunk.length, null));
      if (length === 0) return undefined;
      this.#waiting.push(...this.#reader.push(this.#chunk.slice(0, length)));
    }
    return this.#waiting.shift();
  }

  write(head: object, body?: Uint8Array): void {
    const frame = encodeFrame(this.#sequence++, head, body);
    for (let offset = 0; offset < frame.length; ) {
      offset += retried(() => writeSync(STDOUT, frame, offset, frame.length - offset));
    }
  }
}

/** Waits a millisecond whenever the descriptor would block. */
function retried(call: () => number): number {
  for (;;) {
    try {
      return call();
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EAGAIN') throw error;
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1);
    }
  }
}
