/** One line of `portarium doctor`. */
export interface Finding {
  /** What was looked at. */
  readonly name: string;
  readonly ok: boolean;
  /** Whether the stack can not start, or not be relied on, without it. */
  readonly needed: boolean;
  /** What was found. */
  readonly detail: string;
  /** How to get or mend it; present when not `ok`. */
  readonly fix?: string;
}

/** Something that is as it should be. */
export function fine(name: string, detail: string, needed = false): Finding {
  return { name, ok: true, needed, detail };
}

/** Something without which it works, but not as well as it could. */
export function lacking(name: string, detail: string, fix: string): Finding {
  return { name, ok: false, needed: false, detail, fix };
}

/** Something without which it does not work. */
export function broken(name: string, detail: string, fix: string): Finding {
  return { name, ok: false, needed: true, detail, fix };
}
