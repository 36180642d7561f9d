/**
 * Verifies a bundle that somebody sends, as the command line does. Nothing of it is kept, and no key of this
 * instance is believed: who asks names the key.
 */
import { PLATFORM_LIMITS } from '@portarium/contracts/limits';
import { type VerifyOptions, verifyBundle } from '@portarium/contracts/verify-bundle';
import type { VerifyReport } from '@portarium/contracts/verify-report';

/** Lets other requests through in between. */
const pause = () => new Promise<void>((resolve) => setImmediate(resolve));

/** Bounds how many are verified at once: each is held in memory, and takes a core. */
export class EvidenceVerifier {
  #running = 0;

  /** @returns undefined when as many are running as may run */
  async verify(
    read: () => Promise<Uint8Array>,
    options: Pick<VerifyOptions, 'pin' | 'since' | 'publishers'>,
  ): Promise<VerifyReport | undefined> {
    if (this.#running >= PLATFORM_LIMITS.verifications) return undefined;
    this.#running++;
    try {
      return await verifyBundle(await read(), { ...options, pause });
    } finally {
      this.#running--;
    }
  }
}
