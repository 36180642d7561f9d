/** What every store says when bytes are not those that belong there. */
import type { Digest } from '@portarium/contracts/digest';
import { InfraError } from '../../application/ports/workspace-store.ts';

/** @param actual what they hash to, where the name is a digest */
export function otherBytes(name: string, actual?: Digest): InfraError {
  const hash = actual === undefined ? '' : `: they hash to ${actual}`;
  return new InfraError(`the evidence store holds other bytes under ${name}${hash}`, {
    retryable: false,
  });
}
