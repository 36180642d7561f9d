/** What a caller believes of a resource that it is about to change (`If-Match`, RFC 9110, 13.1.1). */
import { type Failure, failure } from './failure.ts';

/** Revisions of which one has to be the resource's; undefined when the caller does not care. */
export type Precondition = readonly string[] | undefined;

/** To be asked on the locked row, in the transaction of the change. @returns why not */
export function unmet(expected: Precondition, revision: string): Failure | undefined {
  if (expected === undefined || expected.includes(revision)) return undefined;
  return failure('precondition.failed', `The resource is at "${revision}" by now.`);
}
