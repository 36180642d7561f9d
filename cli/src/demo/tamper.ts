/** Changes one byte of an entry in a bundle, as somebody might who does not like what it says. */

/** What somebody would rather have told otherwise; of these the first that the bundle holds. */
const LIKELY = ['approval.granted', 'egress.denied', 'action.requested'] as const;

export interface Tampered {
  readonly bundle: Uint8Array;
  /** Type of the entry that was changed. */
  readonly type: string;
  /** Offset of the byte in the file, and its value before and after. */
  readonly at: number;
  readonly before: number;
  readonly after: number;
}

/** @returns undefined when the bundle holds no such entry */
export function tamper(bundle: Uint8Array): Tampered | undefined {
  const text = new TextDecoder('latin1').decode(bundle);
  for (const type of LIKELY) {
    const found = text.indexOf(`"type":"${type}"`);
    if (found < 0) continue;
    // The last letter of the type.
    const at = found + '"type":"'.length + type.length - 1;
    const before = bundle[at] ?? 0;
    const after = before ^ 1;
    const changed = bundle.slice();
    changed[at] = after;
    return { bundle: changed, type, at, before, after };
  }
  return undefined;
}
