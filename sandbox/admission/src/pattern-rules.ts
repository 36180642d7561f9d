/**
 * Which regular expressions a plugin's schema may carry. The engines backtrack, so everything that
 * can make one backtrack exponentially is refused before it ever meets an input.
 */

const MAX_PATTERN_LENGTH = 256;
const MAX_UNBOUNDED = 4;
const MAX_REPEAT = 1_000;

/** Escapes with a fixed meaning that neither look around nor refer back. */
const ESCAPE = /^\\(?:[dDwWsStnrfv]|u[0-9a-fA-F]{4}|x[0-9a-fA-F]{2}|[\^$\\.*+?()[\]{}|/-])/;

interface Group {
  quantified: boolean;
  alternation: boolean;
}

/** Why `pattern` is refused, or undefined. */
export function patternProblem(pattern: string): string | undefined {
  if (pattern.length > MAX_PATTERN_LENGTH) return `longer than ${MAX_PATTERN_LENGTH} characters`;
  try {
    new RegExp(pattern, 'u');
  } catch {
    return 'not a regular expression';
  }
  return scan(pattern);
}

function scan(pattern: string): string | undefined {
  const open: Group[] = [{ quantified: false, alternation: false }];
  /** The group that ended just before, when the last token was a closing parenthesis. */
  let closed: Group | undefined;
  let unbounded = 0;
  let i = 0;
  while (i < pattern.length) {
    const rest = pattern.slice(i);
    const quantifier = /^(?:[*+?]|\{(\d+)(,(\d*))?\})\??/.exec(rest);
    const inner = open.at(-1);
    if (!inner) return 'unbalanced parentheses';
    if (quantifier) {
      const problem = quantifierProblem(quantifier, closed);
      if (problem) return problem;
      if (isUnbounded(quantifier)) unbounded++;
      if (unbounded > MAX_UNBOUNDED) return `more than ${MAX_UNBOUNDED} unbounded quantifiers`;
      inner.quantified = true;
      closed = undefined;
      i += quantifier[0].length;
      continue;
    }
    closed = undefined;
    const char = pattern[i];
    if (char === '(') {
      const special = /^\(\?/.test(rest);
      if (special && !rest.startsWith('(?:')) return 'lookaround or a named group';
      open.push({ quantified: false, alternation: false });
      i += special ? 3 : 1;
    } else if (char === ')') {
      closed = open.pop();
      const outer = open.at(-1);
      if (outer && closed) {
        outer.quantified ||= closed.quantified;
        outer.alternation ||= closed.alternation;
      }
      i += 1;
    } else {
      if (char === '|') inner.alternation = true;
      const length = tokenLength(rest);
      if (typeof length === 'string') return length;
      i += length;
    }
  }
  return undefined;
}

function tokenLength(rest: string): number | string {
  if (rest.startsWith('[')) {
    const set = /^\[(?:\\.|[^\]\\])*\]/.exec(rest)?.[0];
    if (set === undefined) return 'an open character class';
    for (const found of set.matchAll(/\\(?:u....|x..|.)/g)) {
      if (!ESCAPE.test(found[0])) return `the escape ${found[0]}`;
    }
    return set.length;
  }
  if (!rest.startsWith('\\')) return 1;
  return ESCAPE.exec(rest)?.[0].length ?? `the escape ${rest.slice(0, 2)} (back-references too)`;
}

function isUnbounded(quantifier: RegExpExecArray): boolean {
  return /^[*+]/.test(quantifier[0]) || (quantifier[2] !== undefined && quantifier[3] === '');
}

function quantifierProblem(
  quantifier: RegExpExecArray,
  group: Group | undefined,
): string | undefined {
  const most = Number(quantifier[3] || quantifier[1] || 0);
  if (most > MAX_REPEAT) return `more than ${MAX_REPEAT} repetitions`;
  // `?` on a group tries it once or not at all: it can not multiply the paths.
  if (!group || quantifier[0].startsWith('?')) return undefined;
  if (group.quantified) return 'a quantifier on a group that holds a quantifier';
  if (group.alternation) return 'a quantifier on a group that holds alternatives';
  return undefined;
}
