/** Whether the rows of an action know everything that its entries tell: after a restore they may not. */
import type { Entry } from '@portarium/contracts/evidence-entry';
import type { JournalRecord } from './ports/journal-store.ts';
import type { ActionRecord } from './ports/records.ts';
import type { ReadTransaction } from './ports/workspace-store.ts';

/** Beside the state: attempts, calls and decisions. */
export async function rowsFollow(
  tx: ReadTransaction,
  action: ActionRecord,
  entries: readonly Entry[],
): Promise<boolean> {
  const attempts = new Map((await tx.listAttempts(action.id)).map((one) => [one.id, one]));
  const approval = await tx.approvalOf(action.id);
  const decisions = approval ? (await tx.listDecisions(approval.id)).length : 0;
  const decided = entries.filter(
    ({ type }) => type === 'approval.endorsed' || type === 'approval.granted',
  );
  return (
    new Set(decided.map(({ data }) => data.by)).size <= decisions &&
    journalFollows(await tx.listJournal(action.id), entries) &&
    entries.every(({ type, data }) => {
      const attempt = attempts.get(data.attempt as never);
      if (type === 'attempt.started') return attempt !== undefined;
      return type !== 'attempt.finished' || (attempt?.verdict ?? null) !== null;
    })
  );
}

/** Whether the journal has every write that the entries tell of, and its answer. */
export function journalFollows(
  journal: readonly JournalRecord[],
  entries: readonly Entry[],
): boolean {
  const verdicts = new Map(journal.map(({ record }) => [record.call, record.verdict]));
  return entries.every(({ type, data }) => {
    const verdict = verdicts.get(data.call as number);
    if (type === 'egress.intended') return verdict !== undefined;
    return type !== 'egress.answered' || (verdict !== undefined && verdict !== 'open');
  });
}
