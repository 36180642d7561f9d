/**
 * Text that somebody has to judge, with nothing hidden in it: what does not show, or shows as
 * something else, stands as the escape that JSON would have. `plainText` leaves such characters out,
 * which is right for a log line and wrong for an approval.
 */

/** Controls, format and ignorable characters, unassigned ones, and spaces other than the plain one. */
const HIDDEN =
  /(?![\n\t ])[\p{Cc}\p{Cf}\p{Cn}\p{Co}\p{Cs}\p{Zl}\p{Zp}\p{Zs}\p{Default_Ignorable_Code_Point}]/gu;

/** Line feeds and tabs stay. */
export function visibleText(text: string): string {
  return text.replaceAll(HIDDEN, escaped);
}

/** The same on one line. */
export function visibleLine(text: string): string {
  return visibleText(text).replaceAll('\n', '\\n').replaceAll('\t', '\\t');
}

function escaped(character: string): string {
  let text = '';
  for (let i = 0; i < character.length; i++) {
    text += `\\u${character.charCodeAt(i).toString(16).padStart(4, '0')}`;
  }
  return text;
}
