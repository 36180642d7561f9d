/** Exit codes of every command; `portarium --help` shows them. */
export const EXIT_CODES = {
  /** Done. */
  ok: 0,
  /** It was tried and failed; standard error says why. */
  failed: 1,
  /** The command line or an input file is not usable; nothing was tried. */
  usage: 2,
} as const;

export type ExitCode = (typeof EXIT_CODES)[keyof typeof EXIT_CODES];
