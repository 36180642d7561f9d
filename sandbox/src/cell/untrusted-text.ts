/** Makes text of a guest safe to show: no control or bidirectional characters, bounded length. */

/** C0 and C1 controls but tab and newline; bidirectional marks, embeddings and isolates; BOM. */
const UNSAFE =
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is removed
  /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]/g;

export function cleanText(text: string, maxCharacters: number): string {
  const clean = text
    .slice(0, maxCharacters * 2)
    .toWellFormed()
    .replaceAll(UNSAFE, '');
  if (clean.length <= maxCharacters) return clean;
  return `${clean.slice(0, maxCharacters - 1).toWellFormed()}…`;
}
