/** From valibot's issues to places and what was expected there, such as `errors[]`. Never echoes input. */
import type { BaseIssue, StrictObjectIssue } from 'valibot';

export interface Violation {
  readonly pointer: string;
  readonly message: string;
}

/** More would not be read. */
const MAX_SHOWN = 50;

/** Names that schemas have for types, in words. */
const TYPES: ReadonlyMap<string, string> = new Map([
  ['string', 'text'],
  ['number', 'a number'],
  ['boolean', 'true or false'],
  ['Array', 'a list'],
  ['Object', 'an object'],
]);
const UNKNOWN = 'this field is not known here';

/** What several schemas ask of one place in the same words is told once. */
export function violationsOf(issues: readonly BaseIssue<unknown>[]): readonly Violation[] {
  const all = issues.slice(0, MAX_SHOWN).map(violationOf);
  const told = all.map(({ pointer, message }) => `${pointer} ${message}`);
  return all.filter((_, at) => told.indexOf(told[at] ?? '') === at);
}

/** The message of a strict object: names the known field that was meant by an unknown one, if it is near. */
export function unknownField(known: object): (issue: StrictObjectIssue) => string {
  return ({ expected, message, path }) => {
    if (expected !== 'never') return message;
    const key = String(path?.at(-1)?.key ?? '').toLowerCase();
    const meant = Object.keys(known).find((name) => {
      const lower = name.toLowerCase();
      return key.length > 2 && (lower.startsWith(key) || key.startsWith(lower));
    });
    return meant === undefined ? UNKNOWN : `${UNKNOWN}; did you mean “${meant}”?`;
  };
}

function violationOf(issue: BaseIssue<unknown>): Violation {
  const path = (issue.path ?? []).map((step) =>
    String(step.key).replaceAll('~', '~0').replaceAll('/', '~1'),
  );
  const pointer = path.length === 0 ? '' : `/${path.join('/')}`;
  const own = !issue.message.startsWith('Invalid ');
  if (issue.type === 'strict_object' && issue.expected === 'never')
    return { pointer, message: own ? issue.message : UNKNOWN };
  if (issue.expected !== null && /^Invalid (type|key)/.test(issue.message)) {
    const missing = issue.received === 'undefined';
    return { pointer, message: missing ? 'this field is missing' : expectedText(issue.expected) };
  }
  // Custom messages say what was expected; valibot's own end in what was received.
  const message = issue.message.replace(/ but received .*$/s, '');
  return { pointer, message: message.replace(/^Invalid (\w+): Expected /, 'expected a $1 ') };
}

/** From `Array`, or from `("https" | "http")`. */
function expectedText(expected: string): string {
  const choices = /^\((".*")\)$/.exec(expected)?.[1]?.split(' | ');
  return `expected ${choices ? `one of ${choices.join(', ')}` : (TYPES.get(expected) ?? expected)}`;
}
