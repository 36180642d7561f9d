/** A failure, and what somebody at a terminal can do about it that its own words do not say. */
export class AdvisedError extends Error {
  override readonly name = 'AdvisedError';
  readonly failure: unknown;
  /** One or more lines. */
  readonly advice: string;

  constructor(failure: unknown, advice: string) {
    super(advice, { cause: failure });
    this.failure = failure;
    this.advice = advice;
  }
}
