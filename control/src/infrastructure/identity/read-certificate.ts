/** Certificates as the runtime's OpenSSL or BoringSSL reads them. */
import { X509Certificate } from 'node:crypto';
import type { Certificate } from '../../application/ports/certificates.ts';

class NodeCertificate implements Certificate {
  readonly #read: X509Certificate;

  constructor(pem: string) {
    this.#read = new X509Certificate(pem);
  }

  get subject(): string {
    return this.#read.subject.replaceAll('\n', ', ');
  }

  get isAuthority(): boolean {
    return this.#read.ca;
  }

  get endsAtMs(): number {
    return Date.parse(this.#read.validTo);
  }

  isSignedBy(other: Certificate): boolean {
    if (!(other instanceof NodeCertificate)) return false;
    const signer = other.#read;
    return this.#read.checkIssued(signer) && this.#read.verify(signer.publicKey);
  }
}

export function readCertificate(pem: string): Certificate | undefined {
  try {
    return new NodeCertificate(pem);
  } catch {
    return undefined;
  }
}
