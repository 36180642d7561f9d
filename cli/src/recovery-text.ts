/** What recovery of a log found, and did or would do. */
import type { Recovery } from '@portarium/client/answers';

export function recoveryText(plan: Recovery): string {
  const { state, dryRun, size, storedSize, entries, at, frozen } = plan;
  const lines = [
    `database: ${size} entries. Evidence store: a checkpoint over ${storedSize}.`,
    ...(frozen ? [`frozen since ${frozen.at} (${frozen.reason}): ${frozen.detail}`] : []),
  ];
  if (state === 'forked') {
    return [
      'FORKED, NOTHING CHANGED',
      ...lines,
      `Entry ${at ?? 0} in the database is not the one that was signed. Keep a copy of this database, and restore one that is a beginning of the stored log.`,
    ].join('\n');
  }
  if (state === 'none') {
    const done = frozen ? (dryRun ? 'The freeze would be lifted.' : 'The freeze is lifted.') : '';
    return ['Both agree.', ...lines, ...(done === '' ? [] : [done])].join('\n');
  }
  const what = dryRun
    ? `${entries} entries would be put back`
    : `${entries} entries were put back, byte for byte; the log takes entries again`;
  return [
    ...lines,
    `${what}. Holds and retention come back with them. Actions that they tell of end as they say, or are cancelled or wait for a person. All other state stays that of the older database.`,
  ].join('\n');
}
