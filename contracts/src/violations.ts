/** From valibot's issues to places and what was expected there, such as `errors[]`. Never echoes input. */
import type { BaseIssue } from 'valibot';

export interface Violation {
  readonly pointer: string;
  readonly message: string;
}

/** More would not be read. */
const MAX_SHOWN = 50;

export function violationsOf(issues: readonly BaseIssue<unknown>[]): readonly Violation[] {
  return issues.slice(0, MAX_SHOWN).map((issue) => {
    const path = (issue.path ?? []).map((step) =>
      String(step.key).replaceAll('~', '~0').replaceAll('/', '~1'),
    );
    const pointer = path.length === 0 ? '' : `/${path.join('/')}`;
    if (issue.type === 'strict_object' && issue.expected === 'never')
      return { pointer, message: 'this field is not known here' };
    if (issue.expected !== null && /^Invalid (type|key)/.test(issue.message)) {
      const missing = issue.received === 'undefined';
      return { pointer, message: missing ? 'this field is missing' : `expected ${issue.expected}` };
    }
    // Custom messages say what was expected; valibot's own end in what was received.
    const message = issue.message.replace(/ but received .*$/s, '');
    return { pointer, message: message.replace(/^Invalid (\w+): Expected /, 'expected a $1 ') };
  });
}
