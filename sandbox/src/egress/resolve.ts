/** Turns a host name into addresses, once per call. The broker checks every one of them. */
import { lookup } from 'node:dns/promises';
import { isIP } from 'node:net';
import { networkInterfaces } from 'node:os';

/** All addresses of a name; rejects when the name has none. */
export type Resolve = (hostName: string) => Promise<readonly string[]>;

/**
 * The system's resolver. Dotted names are asked for with a trailing dot, so that no search domain
 * of this host can answer for them.
 */
export const systemResolve: Resolve = async (hostName) => {
  const name = hostName.includes('.') ? `${hostName}.` : hostName;
  const found = await lookup(name, { all: true, verbatim: true });
  return found.map(({ address }) => address);
};

/** The address inside a literal host (`10.0.0.1`, `[::1]`), or undefined for a name. */
export function literalAddress(host: string): string | undefined {
  const bare = host.startsWith('[') ? host.slice(1, -1) : host;
  return isIP(bare) > 0 ? bare : undefined;
}

/** Addresses of this machine's own interfaces. */
export function ownAddresses(): ReadonlySet<string> {
  return new Set(
    Object.values(networkInterfaces()).flatMap((list) =>
      (list ?? []).map(({ address }) => address),
    ),
  );
}
