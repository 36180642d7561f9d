/** Exit codes of every command; `portarium --help` shows them. */
import { PortariumError } from '@portarium/client/portarium-error';
import { AdvisedError } from './advised-error.ts';
import { UsageError } from './usage-error.ts';

export const EXIT_CODES = {
  /** Done. */
  ok: 0,
  /** It was tried and failed; standard error says why. */
  failed: 1,
  /** The command line, an input file or what it asks for is not usable; nothing was done. */
  usage: 2,
} as const;

export type ExitCode = (typeof EXIT_CODES)[keyof typeof EXIT_CODES];

/** Statuses by which the Control Plane says that what was sent is not usable. */
const BAD_INPUT: ReadonlySet<number> = new Set([400, 413, 415, 422]);

/** Who finds bad input, the command or the Control Plane, makes no difference. */
export function exitCodeOf(error: unknown): ExitCode {
  if (error instanceof AdvisedError) return exitCodeOf(error.failure);
  if (error instanceof UsageError) return EXIT_CODES.usage;
  const refused = error instanceof PortariumError && BAD_INPUT.has(error.status);
  return refused ? EXIT_CODES.usage : EXIT_CODES.failed;
}
