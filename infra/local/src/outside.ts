/** Where a stack lets callers of other machines in: an address with a certificate, or behind a proxy. */
import { accessSync, constants } from 'node:fs';
import { isIP } from 'node:net';
import { resolve } from 'node:path';
import { LocalStackError } from './local-stack-error.ts';

export interface Outside {
  /** `ADDRESS:PORT`; IPv6 in brackets. */
  readonly listen: string;
  /** Absolute paths of PEM files; undefined behind a proxy. */
  readonly tls?: { readonly certFile: string; readonly keyFile: string } | undefined;
}

export interface OutsideOptions {
  readonly listen?: string | undefined;
  readonly tlsCert?: string | undefined;
  readonly tlsKey?: string | undefined;
  readonly behindProxy?: boolean | undefined;
}

const PORTS = { tls: 443, plain: 8080 } as const;

/**
 * @returns undefined when no address is named
 * @throws LocalStackError that says what belongs together, or which file can not be read
 */
export function outsideOf(options: OutsideOptions): Outside | undefined {
  const { listen, tlsCert, tlsKey, behindProxy = false } = options;
  const refuse = (why: string) => new LocalStackError('usage', why);
  if (listen === undefined) {
    if (tlsCert === undefined && tlsKey === undefined && !behindProxy) return undefined;
    throw refuse('--tls-cert, --tls-key and --behind-proxy belong to --listen ADDRESS[:PORT].');
  }
  if ((tlsCert === undefined) !== (tlsKey === undefined)) {
    throw refuse('Give both --tls-cert and --tls-key: the certificate chain and its key, in PEM.');
  }
  if (behindProxy === (tlsCert !== undefined)) {
    throw refuse(
      behindProxy
        ? '--behind-proxy is for a proxy that has the certificate; leave --tls-cert and --tls-key out, or it.'
        : `Keys would travel to ${listen} in the clear. Give --tls-cert and --tls-key, or --behind-proxy when a proxy in front speaks TLS.`,
    );
  }
  const address = withPort(listen, behindProxy ? PORTS.plain : PORTS.tls);
  if (address === undefined) {
    throw refuse(
      `${JSON.stringify(listen)} is no address. Expected one such as 0.0.0.0, 192.0.2.7:8443 or [::]:443.`,
    );
  }
  if (tlsCert === undefined || tlsKey === undefined) return { listen: address };
  const tls = { certFile: resolve(tlsCert), keyFile: resolve(tlsKey) };
  for (const file of [tls.certFile, tls.keyFile]) {
    try {
      accessSync(file, constants.R_OK);
    } catch {
      throw refuse(`${file} can not be read.`);
    }
  }
  return { listen: address, tls };
}

function withPort(text: string, usual: number): string | undefined {
  const [, bracketed, plain, port = String(usual)] =
    /^(?:(\[[0-9a-fA-F:.]+\])|([0-9A-Za-z.-]+))(?::(\d{1,5}))?$/.exec(text) ?? [];
  const host = bracketed ?? plain;
  if (host === undefined || Number(port) < 1 || Number(port) > 65_535) return undefined;
  if (bracketed !== undefined && isIP(bracketed.slice(1, -1)) !== 6) return undefined;
  return `${host}:${port}`;
}

/** Host, without brackets, and port. */
export function whereOf({ listen }: Outside): { readonly hostname: string; readonly port: number } {
  const at = listen.lastIndexOf(':');
  return {
    hostname: listen.slice(0, at).replaceAll(/[[\]]/g, ''),
    port: Number(listen.slice(at + 1)),
  };
}

/** The variables by which the Control Plane is told. */
export function outsideVariables(outside: Outside | undefined): Record<string, string> {
  if (outside === undefined) return {};
  const { listen, tls } = outside;
  return {
    PORTARIUM_LISTEN: listen,
    ...(tls === undefined
      ? { PORTARIUM_BEHIND_PROXY: 'yes' }
      : { PORTARIUM_TLS_CERT_FILE: tls.certFile, PORTARIUM_TLS_KEY_FILE: tls.keyFile }),
  };
}

/** The options of a process that is to do the same. */
export function outsideArguments(outside: Outside | undefined): string[] {
  if (outside === undefined) return [];
  const { listen, tls } = outside;
  const how = tls ? ['--tls-cert', tls.certFile, '--tls-key', tls.keyFile] : ['--behind-proxy'];
  return ['--listen', listen, ...how];
}
