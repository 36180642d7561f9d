/** The one exception of this package: why the stack could not do what was asked, for people. */

export type LocalStackErrorCode =
  /** A live supervisor holds the data folder. */
  | 'already-running'
  /** A server binary can not be had. */
  | 'binary-unavailable'
  /** The data folder can not be used as it is. */
  | 'data-folder'
  /** A chosen port is taken. */
  | 'port-taken'
  /** A part did not become ready. */
  | 'part-failed'
  /** Options that do not go together. */
  | 'usage'
  /** The stack was told to stop while it was starting. */
  | 'interrupted';

export class LocalStackError extends Error {
  override readonly name = 'LocalStackError';
  readonly code: LocalStackErrorCode;

  constructor(code: LocalStackErrorCode, message: string) {
    super(message);
    this.code = code;
  }
}

/** The text of any thrown value, without its stack. */
export function messageOf(thrown: unknown): string {
  return thrown instanceof Error ? thrown.message : String(thrown);
}
