/**
 * Whether the certificates of a grant can check a server at all: a grant that could only ever be refused
 * is told when it is made, not when an action fails.
 */
import { X509Certificate } from 'node:crypto';
import type { OperatorRule } from '@portarium/contracts/egress-rule';
import { plainText } from '@portarium/contracts/plain-text';

interface Problem {
  readonly pointer: string;
  readonly message: string;
}

export function certificateProblems(rules: readonly OperatorRule[], nowMs: number): Problem[] {
  return rules.flatMap(({ caCertificates = [] }, rule) => {
    const read = caCertificates.map(certificateOf);
    return read.flatMap((certificate, i) => {
      const message = problemOf(certificate, read, nowMs);
      return message === undefined
        ? []
        : [{ pointer: `/rules/${rule}/caCertificates/${i}`, message }];
    });
  });
}

function certificateOf(pem: string): X509Certificate | undefined {
  try {
    return new X509Certificate(pem);
  } catch {
    return undefined;
  }
}

function problemOf(
  certificate: X509Certificate | undefined,
  all: readonly (X509Certificate | undefined)[],
  nowMs: number,
): string | undefined {
  if (!certificate) return 'this is no X.509 certificate; expected PEM of one';
  const name = plainText(certificate.subject.replaceAll('\n', ', '), 200);
  if (!certificate.ca) {
    return `${name} is no authority (CA:TRUE); expected the one that signed the server’s certificate`;
  }
  if (Date.parse(certificate.validTo) <= nowMs) {
    return `${name} is valid until ${certificate.validTo} only; expected one that has not ended`;
  }
  const signed = all.some(
    (other) => other && certificate.checkIssued(other) && certificate.verify(other.publicKey),
  );
  return signed ? undefined : `what signed ${name} is not among them; add it, up to the root`;
}
