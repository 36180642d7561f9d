/**
 * Counts what a guest costs its cell. A limit that broke stays broken: each later host call fails
 * too, so a guest that catches the first failure gains nothing.
 */
import type { CellError, CellLimits } from './messages.ts';

const MIB = 1024 * 1024;

export class LimitBroken extends Error {
  override readonly name = 'LimitBroken';
}

export class GuestLimits {
  readonly #limits: CellLimits;
  readonly #blocks = new Map<bigint, number>();
  #blockBytes = 0;
  #allocations = 0;
  #hostCalls = 0;
  #broken: { readonly code: CellError; readonly message: string } | undefined;

  constructor(limits: CellLimits) {
    this.#limits = limits;
  }

  get hostCalls(): number {
    return this.#hostCalls;
  }

  get broken(): { readonly code: CellError; readonly message: string } | undefined {
    return this.#broken;
  }

  break(code: CellError, message: string): never {
    this.#broken ??= { code, message };
    throw new LimitBroken(this.#broken.message);
  }

  /** Counts one host call; `allocates` when it leaves a block behind. */
  hostCall(allocates = false): void {
    if (this.#broken) throw new LimitBroken(this.#broken.message);
    this.#hostCalls++;
    if (this.#hostCalls > this.#limits.hostCalls) {
      this.break('limit.hostcalls', `more than ${this.#limits.hostCalls} host calls`);
    }
    if (allocates) this.#countAllocation();
  }

  /**
   * Called before a block of `size` bytes is made. Freed blocks are found by asking for their
   * length (0 when freed) only when the sum would not fit, so that one allocation stays cheap.
   */
  allocate(size: bigint, lengthOf: (address: bigint) => bigint): void {
    if (this.#broken) throw new LimitBroken(this.#broken.message);
    this.#countAllocation();
    const most = this.#limits.memoryMiB * MIB;
    if (size < 0n || size > BigInt(most)) this.#outOfMemory();
    if (this.#blockBytes + Number(size) <= most) return;
    for (const [address, bytes] of this.#blocks) {
      if (lengthOf(address) > 0n) continue;
      this.#blocks.delete(address);
      this.#blockBytes -= bytes;
    }
    if (this.#blockBytes + Number(size) > most) this.#outOfMemory();
  }

  allocated(address: bigint, size: bigint): void {
    // The SDK gives out addresses anew after a start function.
    this.#blockBytes += Number(size) - (this.#blocks.get(address) ?? 0);
    this.#blocks.set(address, Number(size));
  }

  #countAllocation(): void {
    this.#allocations++;
    if (this.#allocations > this.#limits.allocations) {
      this.break('limit.hostcalls', `more than ${this.#limits.allocations} allocations`);
    }
  }

  #outOfMemory(): never {
    this.break('limit.memory', `more than ${this.#limits.memoryMiB} MiB in host blocks`);
  }
}
