/** Reads a JSON file of a known shape; every place that is wrong is named, nothing is corrected. */
import { CanonicalJsonError, parseStrictJson } from '@portarium/contracts/canonical-json';
import { messageOf } from '@portarium/local/local-stack-error';
import * as v from 'valibot';
import { UsageError } from './usage-error.ts';

/** More would not be read. */
const MAX_SHOWN = 50;

/**
 * The text as a value of the shape `schema`.
 * @param name of the file, for the error
 * @throws UsageError with a JSON Pointer for each violation
 */
export function checkedJson<const S extends v.GenericSchema>(
  name: string,
  text: string,
  schema: S,
): v.InferOutput<S> {
  let value: unknown;
  try {
    value = parseStrictJson(text);
  } catch (error) {
    const where = error instanceof CanonicalJsonError && error.path !== '' ? ` ${error.path}` : '';
    throw new UsageError(`${name} is not usable JSON:${where} ${messageOf(error)}. Correct it.`);
  }
  const parsed = v.safeParse(schema, value);
  if (parsed.success) return parsed.output;
  const errors = parsed.issues.slice(0, MAX_SHOWN).map(violationOf);
  const lines = errors.map(({ pointer, message }) => `  ${pointer || '(whole file)'}  ${message}`);
  throw new UsageError([`${name} is not what it must be:`, ...lines].join('\n'), errors);
}

/** Pointer (RFC 6901) and what was expected there; never what was found. */
function violationOf(issue: v.BaseIssue<unknown>) {
  const steps = (issue.path ?? []).map((step) =>
    String(step.key).replaceAll('~', '~0').replaceAll('/', '~1'),
  );
  const pointer = steps.map((step) => `/${step}`).join('');
  if (issue.type === 'strict_object' && issue.expected === 'never') {
    return { pointer, message: 'this field is not known here' };
  }
  if (issue.expected !== null && /^Invalid (type|key)/.test(issue.message)) {
    const missing = issue.received === 'undefined';
    return { pointer, message: missing ? 'this field is missing' : `expected ${issue.expected}` };
  }
  const message = issue.message.replace(/ but received .*$/s, '');
  return { pointer, message: message.replace(/^Invalid (\w+): Expected /, 'expected a $1 ') };
}
