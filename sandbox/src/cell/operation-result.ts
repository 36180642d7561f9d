/**
 * What an operation sets as its output or as its error. Kept here, since Extism forgets it when the
 * call ends with an exit, which may be a good end.
 */
import type { CallContext } from '@extism/extism';

/** The plugin says itself that it failed. */
export class GuestError extends Error {
  override readonly name = 'GuestError';
}

interface Block {
  readonly context: CallContext;
  readonly address: bigint;
}

export class OperationResult {
  #open = false;
  #output: Block | undefined;
  #error: Block | undefined;

  /** From here on a guest may set something: an operation is called. */
  open(): void {
    this.#open = true;
  }

  /**
   * The output; empty when none was set, or when its block was freed since.
   * @throws GuestError when an error was set
   */
  take(): Uint8Array {
    const set = this.#error ?? this.#output;
    const block = set ? set.context.read(set.address) : null;
    if (block && this.#error) throw new GuestError(block.string());
    return block?.bytes() ?? new Uint8Array();
  }

  /** The error that was set, of a guest that trapped after it; undefined without one. */
  get error(): string | undefined {
    const { context, address } = this.#error ?? {};
    if (!context || address === undefined) return undefined;
    return context.read(address)?.string();
  }

  functions() {
    return {
      output_set: (context: CallContext, address: bigint, length: bigint): void => {
        if (length > this.#sizeOf(context, address)) {
          throw new RangeError(`the output has ${length} bytes, its block less`);
        }
        this.#output = { context, address };
      },
      error_set: (context: CallContext, address: bigint): void => {
        this.#sizeOf(context, address);
        this.#error = { context, address };
      },
    };
  }

  #sizeOf(context: CallContext, address: bigint): number {
    if (!this.#open) throw new TypeError('only an operation has an output and an error');
    const block = context.read(address);
    if (!block) throw new RangeError(`there is no block at 0x${address.toString(16)}`);
    return block.bytes().length;
  }
}
