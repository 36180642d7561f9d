/** The guest's memory as the functions of WASI reach it. Every address comes from the guest. */

export class GuestFault extends RangeError {
  override readonly name = 'GuestFault';
}

/** Little-endian, and bounded: what lies outside throws a {@link GuestFault} before any effect. */
export class GuestMemory {
  readonly #memory: { readonly buffer: ArrayBuffer };

  constructor(memory: { readonly buffer: ArrayBuffer }) {
    this.#memory = memory;
  }

  /** The bytes themselves, until the guest runs on and may let its memory grow. */
  bytes(at: number, length: number): Uint8Array {
    const { buffer } = this.#memory;
    if (at + length > buffer.byteLength) {
      throw new GuestFault(`${length} bytes at ${at}, the memory has ${buffer.byteLength}`);
    }
    return new Uint8Array(buffer, at, length);
  }

  view(at: number, length: number): DataView {
    const bytes = this.bytes(at, length);
    return new DataView(bytes.buffer, bytes.byteOffset, length);
  }

  setU32(at: number, value: number): void {
    this.view(at, 4).setUint32(0, value, true);
  }

  setU64(at: number, value: bigint): void {
    this.view(at, 8).setBigUint64(0, value, true);
  }
}
