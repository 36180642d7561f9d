/** An action's input as people read it. */
import type { InputEncoding } from '@portarium/client/input-encoding';
import { canonicalText } from '@portarium/contracts/canonical-json';
import { visibleText } from './visible-text.ts';

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
