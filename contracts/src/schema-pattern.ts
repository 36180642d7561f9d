/**
 * Patterns of plugins' schemas, as RE2 reads them: linear in the text, and in the size of the
 * program, which is therefore bounded here. Never runs a pattern that it refused.
 */
import { RE2JS } from 're2js';
import { PATTERN_LIMITS } from './limits.ts';

export interface CompiledPattern {
  /** Whether the pattern is found anywhere in the text. */
  readonly test: (text: string) => boolean;
  /** Instructions: matching costs at most about this many steps for each character. */
  readonly size: number;
}

/** Each may keep a few megabytes of automaton; what was used longest ago goes first. */
const MAX_CACHED = 128;
const cache = new Map<string, CompiledPattern | string>();

/** `(?i)` and its like: no JSON Schema has them, and folding cases of wide classes takes 40 ms. */
const FLAGS = /(?<!\\)(?:\\\\)*\(\?[a-zA-Z-]+[:)]/;

/** The pattern, compiled, or why it is refused. */
export function compilePattern(pattern: string): CompiledPattern | string {
  const known = cache.get(pattern);
  const result = known ?? compile(pattern);
  cache.delete(pattern);
  cache.set(pattern, result);
  const [oldest] = cache.keys();
  if (cache.size > MAX_CACHED && oldest !== undefined) cache.delete(oldest);
  return result;
}

function compile(pattern: string): CompiledPattern | string {
  const { length, program } = PATTERN_LIMITS;
  if (pattern.length > length) return `longer than ${length} characters`;
  if (FLAGS.test(pattern)) return 'it sets flags such as (?i); write both cases instead';
  try {
    const regex = RE2JS.compile(pattern);
    const size = regex.programSize();
    if (size > program) {
      return `it compiles to ${size} instructions, at most ${program} are run; lower its repetition counts`;
    }
    // test(), not matcher().find(): it needs no groups, so it runs on the automaton.
    return { test: (text) => regex.test(text), size };
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}
