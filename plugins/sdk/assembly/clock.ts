// The action's clock. It starts when the action was asked for, gives one microsecond more with each
// read, and moves on by what each call through the broker took: so every attempt, and a replay years
// later, reads the same times. It says nothing about the time that passed meanwhile.
@external("portarium:host/v1", "clock_time")
declare function clockTime(): i64;

export namespace clock {
  /** Milliseconds since 1970-01-01T00:00:00Z, like `Date.now()`. */
  export function nowMs(): i64 {
    return clockTime() / 1_000;
  }

  /** Microseconds since 1970-01-01T00:00:00Z; no two reads give the same. */
  export function nowMicros(): i64 {
    return clockTime();
  }
}
