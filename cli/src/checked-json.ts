/** Reads a JSON file of a known shape; every place that is wrong is named, nothing is corrected. */
import { CanonicalJsonError, parseStrictJson } from '@portarium/contracts/canonical-json';
import { violationsOf } from '@portarium/contracts/violations';
import { messageOf } from '@portarium/local/local-stack-error';
import * as v from 'valibot';
import { UsageError } from './usage-error.ts';

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
  const errors = violationsOf(parsed.issues);
  const lines = errors.map(({ pointer, message }) => `  ${pointer || '(whole file)'}  ${message}`);
  throw new UsageError([`${name} is not what it must be:`, ...lines].join('\n'), errors);
}
