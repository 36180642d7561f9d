// The action's random stream. Nobody can foresee it before the action was asked for, and every
// attempt, and a replay years later, reads the same. Whoever reads the action's evidence can compute
// it: it makes no secrets and no keys.
import { Memory } from '@extism/as-pdk';

@external("portarium:host/v1", "random_bytes")
declare function randomBytes(count: i64): i64;

/** What one call of the host gives at most. */
const MOST: i32 = 65_536;

/** Bytes that numbers are made of are fetched this many at a time: a call for each would be dear. */
const AHEAD: i32 = 1_024;

/** 2^-53: the distance between two results of `number`. */
const UNIT: f64 = 1.0 / 9007199254740992.0;

let ahead: Uint8Array = new Uint8Array(0);
let used: i32 = 0;

export namespace random {
  /** The next `count` bytes of the stream, behind those that were fetched for numbers. */
  export function bytes(count: i32): Uint8Array {
    const result = new Uint8Array(count);
    for (let at = 0; at < count; at += MOST) {
      const size = min(MOST, count - at);
      const block = new Memory(<u64>randomBytes(size), size);
      result.set(block.toUint8Array(), at);
      block.free();
    }
    return result;
  }

  /** 64 random bits: the next eight bytes, the first one the lowest. */
  export function bits(): u64 {
    if (used == ahead.length) {
      ahead = bytes(AHEAD);
      used = 0;
    }
    const value = load<u64>(ahead.dataStart + used);
    used += 8;
    return value;
  }

  /** A number from 0 up to and without 1, like `Math.random()`. */
  export function number(): f64 {
    return <f64>(bits() >> 11) * UNIT;
  }
}
