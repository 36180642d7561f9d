/**
 * The clock that a guest reads. It belongs to the action, never to the machine: it starts where the
 * order says, and moves only by reads, by what the journal says that a call took, and to where a
 * guest wants to sleep.
 */

/** In milliseconds, what a read moves by in thousandths. */
const MICROS_PER_MS = 1_000n;

export class ActionClock {
  #micros: bigint;

  /** @param startTime RFC 3339 UTC with milliseconds. @throws RangeError when it is not */
  constructor(startTime: string) {
    this.#micros = BigInt(Date.parse(startTime)) * MICROS_PER_MS;
  }

  /** Microseconds since 1970-01-01T00:00:00Z; the next read gives one more. */
  read(): bigint {
    return this.#micros++;
  }

  /** @param micros since 1970; a time that has passed changes nothing */
  moveTo(micros: bigint): void {
    if (micros > this.#micros) this.#micros = micros;
  }

  /** @param ms whole milliseconds that the journal records for an egress call */
  advance(ms: number): void {
    this.#micros += BigInt(ms) * MICROS_PER_MS;
  }
}
