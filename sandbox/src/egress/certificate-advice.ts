/** What to do about a server whose certificate nobody who is trusted has signed. */
import type { MatchedRules } from '@portarium/contracts/egress-rule';

/** Codes of OpenSSL and BoringSSL, as every runtime names them. */
const UNTRUSTED =
  /^(UNABLE_TO_VERIFY_LEAF_SIGNATURE|UNABLE_TO_GET_ISSUER_CERT(_LOCALLY)?|SELF_SIGNED_CERT_IN_CHAIN|DEPTH_ZERO_SELF_SIGNED_CERT):/;

/** @param reason why no connection stands; comes back as it was when it is about something else */
export function certificateAdvice(reason: string, { operator }: MatchedRules): string {
  if (!UNTRUSTED.test(reason)) return reason;
  return operator.caCertificates
    ? `${reason}; rule ${operator.id} trusts its caCertificates and no other authority`
    : `${reason}; no public authority signed it: an operator can grant the rule caCertificates`;
}
