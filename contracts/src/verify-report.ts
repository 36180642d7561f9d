/** What verification of a bundle says, and how findings are collected. */

import type { Digest } from './digest.ts';
import type { Entry } from './evidence-entry.ts';
import { plainText } from './plain-text.ts';
import type { ToldStory, ToldTotals } from './tell-story.ts';

/**
 * `incomplete`: nothing contradicts itself, but a part is missing or not signed, which whoever cut
 * it off or appended it would have us believe.
 */
export type Verdict = 'verified' | 'falsified' | 'incomplete' | 'unreadable' | 'unpinned';

/** Exit codes of `portarium evidence verify`. */
export const EXIT_CODES: { readonly [V in Verdict]: 0 | 1 | 2 | 3 } = {
  verified: 0,
  falsified: 1,
  incomplete: 1,
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
  /** Entries in the bundle; of a range, without the disposals beside it. */
  readonly entries: number;
  /** Those that no signed checkpoint covers: in no story, end of an action or count below. */
  readonly unsigned: number;
  /** Of a part of a log: its first and last entry, in whole entry bundles. */
  readonly range?: { readonly from: number; readonly to: number };
  readonly checkpoint?: { readonly origin: string; readonly size: number };
  /** Name and id of the key whose signature was verified. */
  readonly signedBy?: string;
  /** How often the key was handed over from the pinned one to the newest; absent when never. */
  readonly keyHandovers?: number;
  /** The entry that is to blame comes first, files last. */
  readonly findings: readonly Finding[];
  readonly actions: number;
  /** Actions that no signed entry ends: still going on when the checkpoint was signed. */
  readonly openActions: number;
  /** Actions of a range that began before it: what the range shows of them is their chain, and no more. */
  readonly partialActions: number;
  /** What the signed entries tell, in sums. */
  readonly told: ToldTotals;
  /** The stories that were asked for, in the order of the log. */
  readonly stories?: readonly ToldStory[];
  /** `disposed`: gone after their retention, as an entry of the log says; `omitted`: left out of the bundle. */
  readonly artifacts: {
    readonly included: number;
    readonly omitted: number;
    readonly disposed: number;
  };
  /** Plugin modules in the bundle; without them nothing can be replayed. */
  readonly modules: number;
  /** Versions whose admission shows a publisher's signature, each of them verified. */
  readonly signedVersions: number;
}

/** An entry whose bytes are canonical and whose fields have the right form. */
export interface ReadEntry {
  readonly entry: Entry;
  /** The leaf hash, 32 bytes. */
  readonly leaf: Uint8Array;
  /** The same, as it stands in `prev`. */
  readonly hash: Digest;
}

/** Says that the entry breaks `rule`. */
export type Say = (rule: string, message: string) => void;

/** One entry of a story, and what is found about it. */
export interface Seen {
  readonly entry: Entry;
  /** It contradicts something. */
  readonly say: Say;
  /** What it can be checked against is not in the bundle. */
  readonly lack: Say;
}

/** Findings beyond these are counted, not kept: a hostile bundle may break every rule at once. */
const MAX_FINDINGS = 200;
/** Characters of a message that are kept. */
const MAX_MESSAGE = 500;

export class Findings {
  readonly list: Finding[] = [];
  #dropped = 0;
  #falsified = false;

  add(rule: string, message: string, seq?: number): void {
    this.#falsified = true;
    this.#keep(rule, message, seq);
  }

  /** Something is missing, or not signed, that an honest export may lack, too. */
  addMissing(rule: string, message: string, seq?: number): void {
    this.#keep(rule, message, seq);
  }

  /** The entry, with a voice that names it. */
  about({ entry }: ReadEntry): Seen {
    return {
      entry,
      say: (rule, message) => this.add(rule, message, entry.seq),
      lack: (rule, message) => this.addMissing(rule, message, entry.seq),
    };
  }

  #keep(rule: string, message: string, seq: number | undefined): void {
    if (this.list.length >= MAX_FINDINGS) {
      this.#dropped++;
      return;
    }
    // What a bundle says of itself ends up on somebody's terminal.
    const shown = plainText(message, MAX_MESSAGE).replaceAll(/[\t\n]/g, ' ');
    const finding = { rule, message: shown };
    this.list.push(seq === undefined ? finding : { ...finding, seq });
  }

  /** What findings make of a bundle; undefined when there are none. */
  get verdict(): 'falsified' | 'incomplete' | undefined {
    if (this.#falsified) return 'falsified';
    return this.list.length > 0 ? 'incomplete' : undefined;
  }

  /** All, with a last one that counts those left out. */
  all(): Finding[] {
    if (this.#dropped === 0) return this.list;
    return [...this.list, { rule: 'findings.more', message: `and ${this.#dropped} more findings` }];
  }
}
