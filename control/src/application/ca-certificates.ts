/**
 * Whether the certificates of a grant can check a server at all: a grant that could only ever be refused
 * is told when it is made, not when an action fails.
 */
import type { OperatorRule } from '@portarium/contracts/egress-rule';
import { plainText } from '@portarium/contracts/plain-text';
import type { Context } from './context.ts';
import type { Certificate } from './ports/certificates.ts';
import { timeText } from './ports/clock.ts';

interface Problem {
  readonly pointer: string;
  readonly message: string;
}

export function certificateProblems(
  { readCertificate, clock }: Pick<Context, 'readCertificate' | 'clock'>,
  rules: readonly OperatorRule[],
): Problem[] {
  return rules.flatMap(({ caCertificates = [] }, rule) => {
    const read = caCertificates.map(readCertificate);
    return read.flatMap((certificate, i) => {
      const message = problemOf(certificate, read, clock.nowMs());
      return message === undefined
        ? []
        : [{ pointer: `/rules/${rule}/caCertificates/${i}`, message }];
    });
  });
}

function problemOf(
  certificate: Certificate | undefined,
  all: readonly (Certificate | undefined)[],
  nowMs: number,
): string | undefined {
  if (!certificate) return 'this is no X.509 certificate; expected PEM of one';
  const name = plainText(certificate.subject, 200);
  if (!certificate.isAuthority) {
    return `${name} is no authority (CA:TRUE); expected the one that signed the server’s certificate`;
  }
  if (certificate.endsAtMs <= nowMs) {
    return `${name} has ended at ${timeText(certificate.endsAtMs)}; expected one that has not`;
  }
  const signed = all.some((other) => other && certificate.isSignedBy(other));
  return signed ? undefined : `what signed ${name} is not among them; add it, up to the root`;
}
