/** Certificates of private authorities, from files and for people. */
import { X509Certificate } from 'node:crypto';
import { readArgument } from './read-argument.ts';
import { UsageError } from './usage-error.ts';

const CERTIFICATE = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g;

/** @returns each certificate of the file by itself; what stands between them is left out */
export async function readAuthorities(file: string): Promise<string[]> {
  const found = (await readArgument(`@${file}`)).match(CERTIFICATE);
  if (found) return found;
  throw new UsageError(
    `${file} has no certificate. Expected PEM: -----BEGIN CERTIFICATE----- and what follows.`,
  );
}

/** `CN=Example Root (SHA-256 0A7C9C67CF5C934F)` */
export function authorityText(pem: string): string {
  try {
    const { subject, fingerprint256 } = new X509Certificate(pem);
    const digest = fingerprint256.replaceAll(':', '').slice(0, 16);
    return `${subject.replaceAll('\n', ', ')} (SHA-256 ${digest})`;
  } catch {
    return 'a certificate that this machine can not read';
  }
}
