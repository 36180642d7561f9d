/** Prices of checking a value against a schema; `PLATFORM_LIMITS.schemaSteps` is the budget. */

/**
 * What things cost, in steps. A step is what RE2 needs at worst for one character and one
 * instruction of a pattern: about 40 ns where it was measured (two shared server cores). Everything
 * else is weighed against that.
 */
export const COST = {
  /** One schema against one value. */
  check: 12,
  /** One property of an object, one name that is looked up. */
  key: 6,
  /** One node of a value that is brought into canonical form. */
  node: 16,
  /** Compiling a pattern: each character of it, each instruction, and one that is refused. */
  patternCharacter: 200,
  patternInstruction: 20,
  patternRefused: 1_000_000,
} as const;
