/** Proof that an input as the API shows it is the one whose digest was named. */
import { fromBase64 } from '@portarium/contracts/base64';
import { canonicalBytes } from '@portarium/contracts/canonical-json';
import { type Digest, digestOf } from '@portarium/contracts/digest';

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
