/** The exact bytes of an input or output as the API shows them, by the operation's encoding. */
import { toBase64 } from '@portarium/contracts/base64';
import { parseStrictJson } from '@portarium/contracts/canonical-json';
import type { Operation } from '@portarium/contracts/manifest';

export function decodeValue(encoding: Operation['encoding'], bytes: Uint8Array): unknown {
  if (encoding === 'bytes') return toBase64(bytes);
  const text = new TextDecoder().decode(bytes);
  return encoding === 'text' ? text : parseStrictJson(text);
}
