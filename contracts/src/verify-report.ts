/** What verification of a bundle says, and how findings are collected. */

import type { Digest } from './digest.ts';
import type { Entry } from './evidence-entry.ts';

export type Verdict = 'verified' | 'falsified' | 'unreadable' | 'unpinned';

/** Exit codes of `portarium evidence verify`. */
export const EXIT_CODES: { readonly [V in Verdict]: 0 | 1 | 2 | 3 } = {
  verified: 0,
  falsified: 1,
  unreadable: 2,
  unpinned: 3,
};

/** One failed rule; `seq` names the entry, where there is one. */
export interface Finding {
  /** Dotted and stable, such as `log.chain`. */
  readonly rule: string;
  readonly message: string;
  readonly seq?: number;
}

export interface VerifyReport {
  /** `unpinned`: everything agrees, but nobody said which key to believe. */
  readonly verdict: Verdict;
  readonly exitCode: 0 | 1 | 2 | 3;
  /** Entries in the bundle. */
  readonly entries: number;
  /** Those that no signed checkpoint covers yet. */
  readonly unsigned: number;
  readonly checkpoint?: { readonly origin: string; readonly size: number };
  /** Name and id of the key whose signature was verified. */
  readonly signedBy?: string;
  /** The entry that is to blame comes first, files last. */
  readonly findings: readonly Finding[];
  readonly actions: number;
  /** Actions that no final entry ends: still going on when the bundle was made. */
  readonly openActions: number;
  readonly artifacts: { readonly included: number; readonly omitted: number };
  /** Plugin modules in the bundle; without them nothing can be replayed. */
  readonly modules: number;
}

/** An entry whose bytes are canonical and whose fields have the right form. */
export interface ReadEntry {
  readonly entry: Entry;
  readonly hash: Digest;
}

/** Findings beyond these are counted, not kept: a hostile bundle may break every rule at once. */
const MAX_FINDINGS = 200;

export class Findings {
  readonly list: Finding[] = [];
  #dropped = 0;

  add(rule: string, message: string, seq?: number): void {
    if (this.list.length >= MAX_FINDINGS) this.#dropped++;
    else this.list.push(seq === undefined ? { rule, message } : { rule, message, seq });
  }

  get any(): boolean {
    return this.list.length > 0;
  }

  /** All, with a last one that counts those left out. */
  all(): Finding[] {
    if (this.#dropped === 0) return this.list;
    return [...this.list, { rule: 'findings.more', message: `and ${this.#dropped} more findings` }];
  }
}
