/** Problem documents (RFC 9457): the only form in which this API fails. Never a stack trace. */
import { API_ERRORS, type ApiErrorCode, type Problem } from '@portarium/contracts/errors';
import type { Failure } from '../application/failure.ts';

export function problemResponse(
  failure: Omit<Failure, 'ok'>,
  trace: string,
  headers: Record<string, string> = {},
): Response {
  const [status, title, hint] = API_ERRORS[failure.code];
  const problem: Problem = {
    ...failure.extensions,
    type: `urn:portarium:problem:${failure.code}`,
    title,
    status,
    code: failure.code,
    detail: failure.detail,
    hint,
    trace,
    ...(failure.errors === undefined ? {} : { errors: failure.errors }),
  };
  return new Response(JSON.stringify(problem), {
    status,
    headers: {
      'content-type': 'application/problem+json',
      'cache-control': 'no-store',
      ...headers,
    },
  });
}

/** Thrown inside a handler to end the request with a problem document. */
export class ProblemError extends Error {
  override readonly name = 'ProblemError';
  readonly failure: Omit<Failure, 'ok'>;
  readonly headers: Record<string, string>;
  constructor(failure: Omit<Failure, 'ok'>, headers: Record<string, string> = {}) {
    super(failure.detail);
    this.failure = failure;
    this.headers = headers;
  }
}

export function refuse(code: ApiErrorCode, detail: string, errors?: Failure['errors']): never {
  throw new ProblemError({ code, detail, ...(errors === undefined ? {} : { errors }) });
}
