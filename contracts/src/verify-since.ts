/** Checks that a log still contains what a checkpoint from before signed. */
import { toHex } from './digest.ts';
import type { PerfectSubtrees } from './perfect-subtrees.ts';
import { openCheckpoint, type SignedCheckpoint } from './verify-log.ts';
import { Findings } from './verify-report.ts';
import { rootAt } from './verify-tree.ts';

export interface Since {
  /** The signed note that somebody kept. */
  readonly note: string | undefined;
  /** Of the whole log; undefined when the bundle holds a part of it. */
  readonly tree: PerfectSubtrees | undefined;
  /** What may have signed it. */
  readonly keys: readonly string[];
}

/** @returns why the question can not be answered, or undefined */
export async function checkSince(
  since: Since,
  signed: SignedCheckpoint | undefined,
  findings: Findings,
): Promise<string | undefined> {
  if (since.note === undefined) return undefined;
  const opening = new Findings();
  const older = await openCheckpoint(since.note, since.keys, 'since', opening);
  if (!older) return `the older checkpoint: ${opening.list[0]?.message ?? 'unreadable'}`;
  const { origin, size, root } = older.checkpoint;
  const now = signed?.checkpoint;
  if (now && now.origin !== origin) {
    findings.add('since.origin', `the older checkpoint is of ${origin}, this log ${now.origin}`);
  } else if (!now || now.size < size) {
    const message = `the bundle ends after ${now?.size ?? 0} signed entries, before the ${size} of the checkpoint: it is older than that, or its end was cut off; export again`;
    findings.addMissing('since.size', message);
  } else if (now.size === size) {
    if (toHex(now.root) !== toHex(root)) {
      findings.add('since.root', `two different logs of size ${size} are signed: a fork`);
    }
  } else if (!since.tree) {
    return 'an older checkpoint needs the whole log; export without --action, --from and --to';
  } else if ((await rootAt(since.tree, size)) !== toHex(root)) {
    findings.add('since.root', `the first ${size} entries are not those that were signed before`);
  }
  return undefined;
}
