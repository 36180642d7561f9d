/** An argument or an input file that is not usable; the command has tried nothing yet. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}
