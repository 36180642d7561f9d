/** The statements of a file, with what is only text in them blanked, so that words can be looked for. No parser. */

export interface Statement {
  /** Comments, literals and bodies of functions are blanks. One line of words, with single blanks between them. */
  readonly words: string;
  /** In the file, from 1. */
  readonly line: number;
}

const COMMENT = String.raw`--[^\n]*|/\*[\s\S]*?\*/`;
const LITERAL = "'(?:[^']|'')*'";
const BODY = String.raw`\$(\w*)\$[\s\S]*?\$\1\$`;

/** Of the same length, with the same lines. */
const blank = (text: string) => text.replaceAll(/[^\n]/g, ' ');

/** @param of what is blanked; bodies are code of their own */
export function blanked(sql: string, of: 'all' | 'text'): string {
  return sql.replaceAll(new RegExp(`${BODY}|${LITERAL}|${COMMENT}`, 'g'), (found) => {
    if (!found.startsWith('$')) return blank(found);
    return of === 'all' ? blank(found) : withinBody(found);
  });
}

function withinBody(body: string): string {
  return body.replaceAll(new RegExp(`${LITERAL}|${COMMENT}`, 'g'), blank);
}

export function statementsIn(sql: string): readonly Statement[] {
  const text = blanked(sql, 'all');
  const statements: Statement[] = [];
  let from = 0;
  for (const part of text.split(';')) {
    const words = part.trim().replaceAll(/\s+/g, ' ');
    const begins = from + part.search(/\S|$/);
    if (words !== '') statements.push({ words, line: lineOf(text, begins) });
    from += part.length + 1;
  }
  return statements;
}

export const lineOf = (text: string, at: number) => text.slice(0, at).split('\n').length;

/** The actions of an `ALTER TABLE`, or what else commas part; those in brackets part nothing. */
export function partsOf(words: string): readonly string[] {
  const parts = [''];
  let depth = 0;
  for (const sign of words) {
    if (sign === '(') depth += 1;
    if (sign === ')') depth -= 1;
    if (sign === ',' && depth === 0) parts.push('');
    else parts[parts.length - 1] += sign;
  }
  return parts.map((part) => part.trim());
}
