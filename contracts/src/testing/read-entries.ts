/** Entries as a verifier has read them, from what stands in them. For tests only. */
import { INSTANCE_WORKSPACE } from '../ids.ts';
import type { ReadEntry } from '../verify-report.ts';
import type { Draft } from './log-builder.ts';

export type Timed = Draft & { readonly time: string };

/** Hashes are left empty: for checks that look at what entries say. */
export function readEntries(drafts: readonly Timed[]): ReadEntry[] {
  return drafts.map((draft, seq) => ({
    entry: {
      ...{ v: 1, workspace: INSTANCE_WORKSPACE, seq, artifacts: [], trace: null, prev: null },
      ...{ actor: { kind: 'system', id: 'control' }, ...draft },
    },
    leaf: new Uint8Array(32),
    hash: `sha256:${'0'.repeat(64)}`,
  }));
}
