/**
 * The one place of a request that a credential's kind gives its secret. Chosen by whoever stores the
 * credential, never by a plugin; fixed for as long as the credential lives. Holds no secret.
 */
import * as v from 'valibot';
import { FORBIDDEN_HEADERS } from './egress-rule.ts';

export const CREDENTIAL_KINDS = ['bearer', 'basic', 'header', 'query'] as const;
export type CredentialKind = (typeof CREDENTIAL_KINDS)[number];

/** Headers that say what a message is: a secret there would break it, or its scrubbing. */
const MESSAGE_HEADERS: ReadonlySet<string> = new Set([
  'accept',
  'accept-encoding',
  'content-encoding',
  'content-type',
  'range',
]);

/** RFC 7617, section 2: a user-id may be empty, and has no colon. */
const username = v.pipe(
  v.string(),
  v.maxLength(255),
  v.regex(/^[\x21-\x39\x3b-\x7e]*$/, 'expected visible ASCII characters without spaces and colons'),
);
/** In any case, as documents of APIs write it. */
const header = v.pipe(
  v.string(),
  v.regex(/^[A-Za-z0-9][A-Za-z0-9-]{0,62}$/, 'expected a header name such as X-Api-Key'),
  v.check(
    (name) =>
      !FORBIDDEN_HEADERS.has(name.toLowerCase()) && !MESSAGE_HEADERS.has(name.toLowerCase()),
    'this header belongs to the connection or the message; name the one that carries the secret',
  ),
);
/** Characters that stand in a URL as they are (RFC 3986, section 2.3). */
const parameter = v.pipe(
  v.string(),
  v.regex(/^[A-Za-z0-9._~-]{1,64}$/, 'expected letters, digits, “-”, “.”, “_” and “~”'),
);

/** `entries`, and beside them the fields of each kind; nothing else. */
export function placedSchema<const T extends v.ObjectEntries>(entries: T) {
  return v.variant('kind', [
    v.strictObject({ ...entries, kind: v.literal('bearer') }),
    v.strictObject({ ...entries, kind: v.literal('basic'), username }),
    v.strictObject({ ...entries, kind: v.literal('header'), header }),
    v.strictObject({ ...entries, kind: v.literal('query'), parameter }),
  ]);
}

export type CredentialPlacement =
  | { readonly kind: 'bearer' }
  | { readonly kind: 'basic'; readonly username: string }
  | { readonly kind: 'header'; readonly header: string }
  | { readonly kind: 'query'; readonly parameter: string };

/** Of whatever has more fields, those that tell the place; the header's name in lower case. */
export function placementOf(of: CredentialPlacement): CredentialPlacement {
  switch (of.kind) {
    case 'bearer':
      return { kind: of.kind };
    case 'basic':
      return { kind: of.kind, username: of.username };
    case 'header':
      return { kind: of.kind, header: of.header.toLowerCase() };
    case 'query':
      return { kind: of.kind, parameter: of.parameter };
  }
}

/** The header that carries it, in lower case; undefined when none does. */
export function credentialHeader(placement: CredentialPlacement): string | undefined {
  switch (placement.kind) {
    case 'bearer':
    case 'basic':
      return 'authorization';
    case 'header':
      return placement.header.toLowerCase();
    case 'query':
      return undefined;
  }
}

/** What a request or its rules put in the credential's place, for a message; undefined when it is free. */
export function placeTaken(
  placement: CredentialPlacement,
  request: {
    readonly headers: readonly string[];
    readonly query: readonly (readonly [name: string, value: string])[];
  },
  idempotencyHeader: string | undefined,
): string | undefined {
  const header = credentialHeader(placement);
  if (header !== undefined) {
    if (header === idempotencyHeader) return `its rules put the idempotency key in ${header}`;
    return request.headers.includes(header) ? `the request sets ${header} itself` : undefined;
  }
  const parameter = placement.kind === 'query' ? placement.parameter : '';
  // Servers differ in whether case counts, and in which of two they take.
  const own = request.query.some(([name]) => name.toLowerCase() === parameter.toLowerCase());
  return own ? `the request sets the query parameter ${parameter} itself` : undefined;
}

/** For people: `bearer`, `basic as ada`, `header x-api-key`, `query parameter key`. */
export function placementText(of: {
  readonly kind: string;
  readonly username?: string | undefined;
  readonly header?: string | undefined;
  readonly parameter?: string | undefined;
}): string {
  if (of.username !== undefined) return `${of.kind} as ${of.username || '(no user name)'}`;
  if (of.header !== undefined) return `${of.kind} ${of.header}`;
  return of.parameter === undefined ? of.kind : `${of.kind} parameter ${of.parameter}`;
}
