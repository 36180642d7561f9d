/** Text that a plugin wrote, made safe to show: no control or bidirectional characters, bounded. */

const UNSAFE =
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what is removed
  /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]/g;

/**
 * Looks at no more than twice `maxLength`, however long the text is.
 * @param maxLength in UTF-16 code units; longer text is cut and marked with …
 */
export function plainText(text: string, maxLength = 4_096): string {
  const head = text.slice(0, 2 * maxLength);
  const clean = head.replaceAll(UNSAFE, '').toWellFormed();
  if (clean.length <= maxLength && head.length === text.length) return clean;
  return `${clean.slice(0, maxLength - 1).toWellFormed()}…`;
}
