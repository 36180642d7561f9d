/**
 * The digest of one egress request in the journal, over what the guest asked for: taken before a
 * credential is injected, so that it never depends on a secret.
 */
import { type Digest, digestOfJson } from './digest.ts';

export interface RequestStatement {
  readonly method: string;
  /** Absolute, as it is sent. */
  readonly url: string;
  /** The headers that the guest set; names in any case. */
  readonly headers: Readonly<Record<string, string>> | readonly (readonly [string, string])[];
  /** Digest of the body's bytes; null without a body. */
  readonly bodyDigest: Digest | null;
  /** Id of the rule that allows it; null when none does. */
  readonly rule: string | null;
}

/** The value whose canonical JSON is hashed: headers as pairs, lower case, sorted by name, value. */
export function requestStatement(request: RequestStatement): unknown {
  const pairs = Array.isArray(request.headers) ? request.headers : Object.entries(request.headers);
  const headers = pairs
    .map(([name, value]): [string, string] => [String(name).toLowerCase(), String(value)])
    .sort((a, b) => compare(a[0], b[0]) || compare(a[1], b[1]));
  const { method, url, bodyDigest, rule } = request;
  return { method, url, headers, bodyDigest, rule };
}

/** SHA-256 of JCS({method, url, headers, bodyDigest, rule}). */
export async function requestDigest(request: RequestStatement): Promise<Digest> {
  return digestOfJson(requestStatement(request));
}

/** By UTF-16 code units, as RFC 8785 sorts; never by locale. */
function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
