/**
 * The journal of one action as this attempt has it: what earlier attempts recorded, which it replays,
 * and what it adds. A record never changes once it is added; an open one is never added here.
 */
import type { Digest } from '@portarium/contracts/digest';
import type { EgressCall } from '@portarium/contracts/internal-api';
import { recordCharacters } from '@portarium/contracts/journal-artifact';
import { PLATFORM_LIMITS } from '@portarium/contracts/limits';
import type { InFlightBytes } from './response-buffer.ts';
import { safeCall } from './safe-call.ts';

/** Characters of the largest record (`recordCharacters`), rounded up. */
const MOST_RECORD = 104 * 1024;

/** Bytes that a record names. */
export interface NamedBody {
  readonly digest: Digest;
  readonly bytes: Uint8Array;
}

/** A finished call of this attempt. */
export interface JournalEntry {
  readonly record: EgressCall;
  /** What its digests name, until it is durable. */
  readonly bodies: readonly NamedBody[];
}

export class ActionJournal {
  readonly #earlier: readonly EgressCall[];
  readonly #inFlight: InFlightBytes | undefined;
  readonly #records: EgressCall[] = [];
  /** Bodies of `#records` by their places. */
  readonly #bodies = new Map<number, readonly NamedBody[]>();
  #taken = 0;
  #characters: number;

  /**
   * @param earlier the records of earlier attempts, from call 0 without gaps
   * @param inFlight counts the bodies that are kept until they are durable
   */
  constructor(earlier: readonly EgressCall[], inFlight?: InFlightBytes) {
    this.#earlier = earlier;
    this.#inFlight = inFlight;
    this.#characters = earlier.reduce((sum, record) => sum + recordCharacters(record), 0);
  }

  /** Whether one more record fits, whatever its response's headers, and a denial after it. */
  get hasRoom(): boolean {
    return this.#characters + 2 * MOST_RECORD <= PLATFORM_LIMITS.journalCharacters;
  }

  /** Calls that this attempt has made so far, replayed ones included. */
  get taken(): number {
    return this.#taken;
  }

  /** Records of earlier attempts that this one has not come to yet. */
  get unreplayed(): number {
    return Math.max(0, this.#earlier.length - this.#taken);
  }

  /** What this attempt has added, in order. */
  get records(): readonly EgressCall[] {
    return this.#records;
  }

  /** The number of the next call, and what an earlier attempt recorded for it. */
  take(): { readonly call: number; readonly earlier: EgressCall | undefined } {
    const call = this.#taken++;
    return { call, earlier: this.#earlier[call] };
  }

  /**
   * @param body the bytes behind `responseDigest`
   * @param requestBody those behind the `bodyDigest` of a withheld request
   * @returns the record as it was cleaned, which is what the guest is answered from
   */
  add(call: EgressCall, body?: Uint8Array, requestBody?: Uint8Array): EgressCall {
    const record = safeCall(call);
    const bodies = [
      ...named(record.responseDigest, body),
      ...named(record.request?.bodyDigest, requestBody),
    ];
    if (bodies.length > 0) {
      this.#inFlight?.hold(sizeOf(bodies));
      this.#bodies.set(this.#records.length, bodies);
    }
    this.#records.push(record);
    this.#characters += recordCharacters(record);
    return record;
  }

  entry(place: number): JournalEntry | undefined {
    const record = this.#records[place];
    return record && { record, bodies: this.#bodies.get(place) ?? [] };
  }

  /** The bodies of the first `count` entries are durable, or nobody wants them any more. */
  forgetBodies(count = this.#records.length): void {
    for (const [place, bodies] of this.#bodies) {
      if (place >= count) continue;
      this.#bodies.delete(place);
      this.#inFlight?.give(sizeOf(bodies));
    }
  }
}

function named(digest: Digest | null | undefined, bytes: Uint8Array | undefined): NamedBody[] {
  return digest && bytes ? [{ digest, bytes }] : [];
}

function sizeOf(bodies: readonly NamedBody[]): number {
  return bodies.reduce((sum, { bytes }) => sum + bytes.length, 0);
}
