/**
 * Verifies evidence where it is looked at, with the code that the command line and strangers use. Loaded
 * when somebody asks for it.
 */
import type { PortariumClient } from '@portarium/client/portarium-client';
import { verifyBundle } from '@portarium/contracts/verify-bundle';
import type { VerifyReport } from '@portarium/contracts/verify-report';

export interface Verified {
  readonly report: VerifyReport;
  /** The key that was believed. */
  readonly pin: string;
  readonly bundle: Uint8Array<ArrayBuffer>;
}

/** @param pin the verifier key to believe; the one that the Control Plane names when left out */
export async function verifyInBrowser(
  client: PortariumClient,
  options: { readonly action?: string; readonly pin?: string },
): Promise<Verified> {
  const pin = options.pin ?? (await client.evidence.verifierKeys())[0] ?? '';
  const { action } = options;
  const bundle = new Uint8Array(
    await client.evidence.exportBundle(action === undefined ? {} : { action }),
  );
  return { report: await verifyBundle(bundle, { pin }), pin, bundle };
}
