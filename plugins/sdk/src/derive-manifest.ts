/**
 * A variant of a manifest that talks to another server, such as a mock on loopback.
 * Never changes what the plugin may do there: methods, paths, headers and budgets stay.
 */
import type { PluginManifest } from './plugin-manifest.ts';

export interface Target {
  readonly scheme: 'https' | 'http';
  /** A host name in lower case, an IPv4 address, or an IPv6 address in brackets. */
  readonly host: string;
  readonly port: number;
}

/** Versions are at most this long (`contracts/src/manifest.ts`). */
const MAX_VERSION = 64;

/**
 * Rewrites every egress rule's scheme, host and port, the host of every credential, the default of
 * the config value `baseUrl` when there is one, and the version, which gets a prerelease suffix that names the target:
 * versions are immutable, so each target needs its own.
 */
export function pointAt<M extends PluginManifest>(manifest: M, target: Target): M {
  const { scheme, host, port } = target;
  const baseUrl = manifest.config?.baseUrl;
  return {
    ...manifest,
    version: versionAt(manifest.version, target),
    ...(manifest.egress && {
      egress: manifest.egress.map((rule) => ({ ...rule, scheme, host, port })),
    }),
    ...(manifest.credentials && {
      credentials: manifest.credentials.map((credential) => ({ ...credential, host })),
    }),
    ...(baseUrl && {
      config: { ...manifest.config, baseUrl: { ...baseUrl, default: originOf(target) } },
    }),
  };
}

function originOf({ scheme, host, port }: Target): string {
  const usual = scheme === 'https' ? 443 : 80;
  return port === usual ? `${scheme}://${host}` : `${scheme}://${host}:${port}`;
}

function versionAt(version: string, { scheme, host, port }: Target): string {
  const name = host.replaceAll(/[^0-9a-z]+/g, '-').replaceAll(/^-+|-+$/g, '');
  const suffix = `at-${scheme}-${name}-${port}`;
  const derived = `${version}${version.includes('-') ? '.' : '-'}${suffix}`;
  if (derived.length > MAX_VERSION) {
    throw new RangeError(
      `version ${derived} would have ${derived.length} characters, at most ${MAX_VERSION} are ` +
        'allowed; point at an address or a shorter host name',
    );
  }
  return derived;
}
