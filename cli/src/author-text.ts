/** What admission and an author's cases say, for people. Plugins' own text is made safe to show. */
import { lineDiff } from '@portarium/client/line-diff';
import { visibleLine, visibleText } from '@portarium/client/visible-text';
import type { CaseResult } from '@portarium/contracts/plugin-cases';

/** A line for a case that is ok; what is wrong, the difference and the log for one that is not. */
export function caseText(result: CaseResult, expected: unknown): string {
  const { ok, name, operation, ms, verdict, problems, output, logs } = result;
  const head = `${ok ? 'ok ' : 'NOT'}  ${visibleLine(name)}  (${operation}: ${verdict}, ${ms} ms)`;
  if (ok) return head;
  const compared = expected !== undefined && output !== undefined;
  const difference = compared ? lineDiff(jsonLines(expected), jsonLines(output)) : [];
  return [
    head,
    ...problems.map((problem) => `      ${visibleLine(problem)}`),
    ...(difference.some((line) => !line.startsWith('  '))
      ? ['      - expected, + got:', ...difference.map((line) => `      │ ${line}`)]
      : []),
    ...logs.map(({ level, message }) => `      log ${level}: ${visibleLine(message)}`),
  ].join('\n');
}

function jsonLines(value: unknown): string[] {
  return visibleText(JSON.stringify(sorted(value), null, 2)).split('\n');
}

/** Members in one order, so that only what differs shows. */
function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== 'object' || value === null) return value;
  const members = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
  return Object.fromEntries(members.map(([name, member]) => [name, sorted(member)]));
}
