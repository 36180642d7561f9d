/** An argument or an input file that is not usable; the command has tried nothing yet. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
  /** What is wrong where in the file, when it was read and is of the wrong shape. */
  readonly errors: readonly { readonly pointer: string; readonly message: string }[];

  constructor(message: string, errors: UsageError['errors'] = []) {
    super(message);
    this.errors = errors;
  }
}
