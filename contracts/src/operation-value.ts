/**
 * Inputs and outputs of operations between the API, where they are JSON, and the exact bytes that a guest
 * reads and writes. The Control Plane and an author's test hold them to the same schemas.
 */
import { fromBase64, toBase64 } from './base64.ts';
import { canonicalBytes, parseStrictJson } from './canonical-json.ts';
import { validateJson } from './json-schema.ts';
import type { Operation } from './manifest.ts';

/** `pointer` into the value. */
export interface ValueProblem {
  readonly pointer: string;
  readonly message: string;
}

/** The exact bytes that the guest will read, or every place where `input` is not what it takes. */
export function encodeInput(
  operation: Pick<Operation, 'encoding' | 'input'>,
  input: unknown,
): { readonly bytes: Uint8Array } | { readonly problems: readonly ValueProblem[] } {
  const wrong = (message: string) => ({ problems: [{ pointer: '', message }] });
  switch (operation.encoding) {
    case 'json': {
      if (input === undefined) return wrong('this field is missing');
      const problems = validateJson(operation.input, input);
      return problems.length > 0 ? { problems } : { bytes: canonicalBytes(input) };
    }
    case 'text':
      return typeof input === 'string'
        ? { bytes: new TextEncoder().encode(input) }
        : wrong('expected a string');
    case 'bytes': {
      const bytes = typeof input === 'string' ? fromBase64(input) : undefined;
      return bytes ? { bytes } : wrong('expected a base64 string');
    }
  }
}

/** A value as the API shows it. Throws for an output of encoding `json` that is none. */
export function decodeValue(encoding: Operation['encoding'], bytes: Uint8Array): unknown {
  if (encoding === 'bytes') return toBase64(bytes);
  const text = new TextDecoder().decode(bytes);
  return encoding === 'text' ? text : parseStrictJson(text);
}

/** What is wrong with an output, in a sentence; undefined when it is what the manifest promises. */
export function outputProblem(
  { encoding, output: schema }: Pick<Operation, 'encoding' | 'output'>,
  output: Uint8Array,
): string | undefined {
  if (encoding !== 'json') return undefined;
  try {
    const value = parseStrictJson(new TextDecoder('utf-8', { fatal: true }).decode(output));
    const [violation] = validateJson(schema, value);
    return violation && `the output at ${violation.pointer || 'the top'}: ${violation.message}`;
  } catch (error) {
    return `the output is not JSON: ${(error as Error).message}`;
  }
}
