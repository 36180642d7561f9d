/** The expected failures of use cases, as values that the HTTP layer turns into problem documents. */
import type { ApiErrorCode } from '@portarium/contracts/errors';

export interface Failure {
  readonly ok: false;
  readonly code: ApiErrorCode;
  readonly detail: string;
  readonly errors?: readonly { readonly pointer: string; readonly message: string }[];
  /** Further members of the problem document. */
  readonly extensions?: Readonly<Record<string, unknown>>;
}

export interface Success<T> {
  readonly ok: true;
  readonly value: T;
}

export type Result<T> = Success<T> | Failure;

export function success<T>(value: T): Success<T> {
  return { ok: true, value };
}

export function failure(
  code: ApiErrorCode,
  detail: string,
  more?: Pick<Failure, 'errors' | 'extensions'>,
): Failure {
  return { ok: false, code, detail, ...more };
}
