/** What a verified bundle proves and what it does not, in sentences for whoever reads the report. */
import type { VerifyReport } from '@portarium/contracts/verify-report';

/** How to have proved what was not compared; undefined where it was. */
export interface Hints {
  readonly since: string | undefined;
  readonly publishers: string | undefined;
}

/** @param report whose verdict is `verified` */
export function provedLines(report: VerifyReport): string[] {
  const { entries, unsigned, range, partialActions, checkpoint } = report;
  if (unsigned > 0) {
    return [
      `The first ${entries - unsigned} entries are what the log signed, in full and in order. The ${unsigned} behind them are not signed and prove nothing.`,
    ];
  }
  const ofAction = range === undefined && entries < (checkpoint?.size ?? 0);
  const which = range
    ? `Entries ${range.from} to ${range.to} are what the log signed, each in its place, and none between them is missing.`
    : ofAction
      ? 'Every entry here is in the log that was signed, and none of this action is missing.'
      : 'Every entry is what the log signed, in order, and none up to the checkpoint is missing.';
  const whole = ofAction
    ? 'The action'
    : partialActions > 0
      ? 'Every action that begins here'
      : 'Every action';
  return [
    which,
    `${whole} is told as it may happen: no attempt without an outcome, no write without leave, and what ran is what was approved.`,
  ];
}

export function unprovedLines({ artifacts, openActions }: VerifyReport, hints: Hints): string[] {
  const { since, publishers } = hints;
  return [
    ...(since === undefined
      ? []
      : [`that nothing was cut off or rewritten since you looked last: ${since}`]),
    ...(publishers === undefined ? [] : [`who made the plugins: ${publishers}`]),
    ...(artifacts.omitted > 0
      ? [`what the ${artifacts.omitted} artifacts held that were left out`]
      : []),
    ...(openActions > 0 ? [`what became of the ${openActions} actions that have not ended`] : []),
    'what the outside systems did with what they answered',
  ];
}
