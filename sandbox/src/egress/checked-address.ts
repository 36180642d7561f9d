/** The one address that a call connects to: every address of the name has to pass the check first. */
import { checkAddress } from './address.ts';
import { literalAddress, type Resolve } from './resolve.ts';

export interface AddressOptions {
  readonly resolve: Resolve;
  readonly ownAddresses: ReadonlySet<string>;
  readonly networks: readonly string[];
  readonly signal: AbortSignal;
}

export type CheckedAddress =
  | { readonly ok: true; readonly address: string }
  /** `denied`: an address is refused; otherwise there is none. */
  | { readonly ok: false; readonly denied: boolean; readonly reason: string };

const RESOLVE_TIMEOUT_MS = 5_000;

export async function checkedAddress(
  host: string,
  options: AddressOptions,
): Promise<CheckedAddress> {
  const literal = literalAddress(host);
  const addresses = literal ? [literal] : await resolved(host, options);
  if (typeof addresses === 'string') return { ok: false, denied: false, reason: addresses };
  for (const address of addresses) {
    const decision = checkAddress(address, options.networks, options.ownAddresses);
    if (!decision.ok) return { ok: false, denied: true, reason: decision.reason };
  }
  const [address] = addresses;
  if (address === undefined) return { ok: false, denied: false, reason: 'the name has no address' };
  return { ok: true, address };
}

/** The addresses, or why there are none. */
async function resolved(
  host: string,
  { resolve, signal }: AddressOptions,
): Promise<readonly string[] | string> {
  const over = AbortSignal.any([signal, AbortSignal.timeout(RESOLVE_TIMEOUT_MS)]);
  const { promise, reject } = Promise.withResolvers<never>();
  const stop = () => reject(new Error('the resolver did not answer in time'));
  over.addEventListener('abort', stop, { once: true });
  if (over.aborted) stop();
  try {
    return await Promise.race([resolve(host), promise]);
  } catch (error) {
    return `the name can not be resolved: ${error instanceof Error ? error.message : 'unknown'}`;
  } finally {
    over.removeEventListener('abort', stop);
  }
}
