/** What the reconciler did and left over, for people. */
import type { Reconciliation } from '@portarium/client/answers';
import { visibleLine } from '@portarium/client/visible-text';
import { findingLine } from './verification-text.ts';

export function reconciliationText({ ranAt, dryRun, checks, findings }: Reconciliation): string {
  if (ranAt === undefined) return 'The reconciler has not run here yet.';
  const repaired = checks.flatMap((each) =>
    each.repaired.map(({ subject, repair }) => `${subject}  ${each.check}  ${repair}`),
  );
  const failed = checks.flatMap(({ check, failed: why }) =>
    why === undefined ? [] : [`${check}  could not be checked: ${why}`],
  );
  const done = dryRun ? 'would be repaired' : 'repaired';
  return [
    `${ranAt}: ${repaired.length} ${done}, ${findings.length} left over, ${failed.length} of ${checks.length} checks failed`,
    ...repaired.map(visibleLine),
    ...findings.map(findingLine),
    ...failed.map(visibleLine),
  ].join('\n');
}
