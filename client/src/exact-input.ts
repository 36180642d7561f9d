/** An action's input as people read it, and proof that its digest is the one that was named. */
import { fromBase64 } from '@portarium/contracts/base64';
import { canonicalBytes, canonicalText } from '@portarium/contracts/canonical-json';
import { type Digest, digestOf } from '@portarium/contracts/digest';
import { visibleText } from './visible-text.ts';

export type InputEncoding = 'JSON' | 'text' | 'base64 of bytes';

/**
 * How `input` has to be encoded to have this digest; undefined when no encoding gives it. The API
 * decodes: JSON stands as such, text as a string, bytes as a base64 string.
 */
export async function encodingOf(
  input: unknown,
  digest: Digest,
): Promise<InputEncoding | undefined> {
  if ((await digestOf(canonicalBytes(input))) === digest) return 'JSON';
  if (typeof input !== 'string') return undefined;
  if ((await digestOf(new TextEncoder().encode(input))) === digest) return 'text';
  const bytes = fromBase64(input);
  return bytes && (await digestOf(bytes)) === digest ? 'base64 of bytes' : undefined;
}

/**
 * In full, nothing hidden. JSON is indented, with the members in canonical order; text stands as it is,
 * or as a JSON string when it holds what would not show.
 */
export function inputLines(input: unknown, encoding: InputEncoding): string[] {
  if (encoding === 'JSON' || typeof input !== 'string') {
    return visibleText(JSON.stringify(JSON.parse(canonicalText(input)), null, 2)).split('\n');
  }
  return visibleText(input) === input ? input.split('\n') : [visibleText(JSON.stringify(input))];
}
