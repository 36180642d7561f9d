/**
 * The random bytes that a guest reads: a stream that belongs to the action, never to the machine.
 * Block i is SHA-256(seed ‖ i as 8 bytes, big-endian); the stream is all blocks in order.
 */
import { createHash } from 'node:crypto';

const EMPTY = new Uint8Array();

export class ActionRandom {
  readonly #seed: Uint8Array;
  #nextBlock = 0n;
  #left: Uint8Array = EMPTY;

  /** @param seed 64 hexadecimal digits. @throws RangeError when it is not */
  constructor(seed: string) {
    if (!/^[0-9a-f]{64}$/.test(seed)) throw new RangeError('a seed has 64 hexadecimal digits');
    this.#seed = Buffer.from(seed, 'hex');
  }

  /** The next `count` bytes of the stream, in a buffer of their own. */
  take(count: number): Uint8Array {
    const bytes = new Uint8Array(count);
    for (let filled = 0; filled < count; ) {
      if (this.#left.length === 0) this.#left = this.#block();
      const part = this.#left.subarray(0, count - filled);
      bytes.set(part, filled);
      filled += part.length;
      this.#left = this.#left.subarray(part.length);
    }
    return bytes;
  }

  #block(): Uint8Array {
    const index = new Uint8Array(8);
    new DataView(index.buffer).setBigUint64(0, this.#nextBlock++);
    return createHash('sha256').update(this.#seed).update(index).digest();
  }
}
