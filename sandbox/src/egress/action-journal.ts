/**
 * The journal of one action as this attempt has it: what earlier attempts recorded, which it replays,
 * and what it adds. A record never changes once it is added; an open one is never added here.
 */
import type { EgressCall } from '@portarium/contracts/internal-api';
import { recordCharacters } from '@portarium/contracts/journal-artifact';
import { PLATFORM_LIMITS } from '@portarium/contracts/limits';
import type { InFlightBytes } from './response-buffer.ts';
import { safeCall } from './safe-call.ts';

/** Characters of the largest record (`recordCharacters`), rounded up. */
const MOST_RECORD = 72 * 1024;

/** A finished call of this attempt. */
export interface JournalEntry {
  readonly record: EgressCall;
  /** The bytes behind `responseDigest`, until they are durable. */
  readonly body: Uint8Array | undefined;
}

export class ActionJournal {
  readonly #earlier: readonly EgressCall[];
  readonly #inFlight: InFlightBytes | undefined;
  readonly #records: EgressCall[] = [];
  /** Bodies of `#records` by their places. */
  readonly #bodies = new Map<number, Uint8Array>();
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

  /** @returns the record as it was cleaned, which is what the guest is answered from */
  add(call: EgressCall, body?: Uint8Array): EgressCall {
    const record = safeCall(call);
    if (body) {
      this.#inFlight?.hold(body.length);
      this.#bodies.set(this.#records.length, body);
    }
    this.#records.push(record);
    this.#characters += recordCharacters(record);
    return record;
  }

  entry(place: number): JournalEntry | undefined {
    const record = this.#records[place];
    return record && { record, body: this.#bodies.get(place) };
  }

  /** The bodies of the first `count` entries are durable, or nobody wants them any more. */
  forgetBodies(count = this.#records.length): void {
    for (const [place, body] of this.#bodies) {
      if (place >= count) continue;
      this.#bodies.delete(place);
      this.#inFlight?.give(body.length);
    }
  }
}
