/**
 * Whether a rule lets more through than it did: field by field, and when in doubt, yes. Overlapping
 * rules are not looked at together: each counts as allowed in full.
 */
import {
  DEFAULT_HEADERS,
  decodePath,
  type EgressRule,
  hostMatches,
  isPathParameter,
} from './egress-rule.ts';

type Covers = (before: EgressRule, after: EgressRule) => boolean;

/** For each field: whether what `after` lets through there, `before` let through as well. */
const COVERS: { readonly [Field in Exclude<keyof EgressRule, 'id'>]-?: Covers } = {
  methods: (before, after) => isWithin(after.methods, before.methods),
  scheme: (before, after) => after.scheme === before.scheme,
  host: (before, after) => hostCovers(before.host, after.host),
  port: (before, after) => after.port === before.port,
  path: (before, after) => pathCovers(before.path, after.path),
  query: (before, after) => isWithin(after.query ?? [], before.query ?? []),
  headers: (before, after) =>
    isWithin(after.headers ?? DEFAULT_HEADERS, before.headers ?? DEFAULT_HEADERS),
  contentTypes: (before, after) => isWithin(after.contentTypes ?? [], before.contentTypes ?? []),
  credential: ({ credential }, after) =>
    after.credential === undefined || after.credential === credential,
  idempotency: (before, after) => idempotencyCovers(before.idempotency, after.idempotency),
  maxCalls: (before, after) => atMost(after.maxCalls, before.maxCalls),
  maxBytes: (before, after) => atMost(after.maxBytes, before.maxBytes),
  maxPerMinute: (before, after) => atMost(after.maxPerMinute, before.maxPerMinute),
};

/** @returns the fields in which `after` allows what `before` did not; empty when it is as narrow */
export function widenedFields(before: EgressRule, after: EgressRule): readonly string[] {
  return Object.entries(COVERS)
    .filter(([, covers]) => !covers(before, after))
    .map(([field]) => field);
}

function isWithin(after: readonly string[], before: readonly string[]): boolean {
  return after.every((item) => before.includes(item));
}

/** Without a budget only the attempt's limits hold, without a rate nothing does. */
function atMost(after = Number.POSITIVE_INFINITY, before = Number.POSITIVE_INFINITY): boolean {
  return after <= before;
}

function hostCovers(before: string, after: string): boolean {
  if (before === after) return true;
  if (!after.startsWith('*.')) return hostMatches(before, after);
  // Both stand for names that end so.
  return before.startsWith('*.') && after.slice(1).endsWith(before.slice(1));
}

/** Segment by segment, as `pathMatches` reads them. */
function pathCovers(before: string, after: string): boolean {
  const old = before.split('/');
  const now = after.split('/');
  for (const [i, segment] of old.entries()) {
    if (segment === '**') return now.length > i;
    const other = now[i];
    if (other === undefined || other === '**') return false;
    if (isPathParameter(segment)) {
      if (other === '') return false;
    } else if (isPathParameter(other) || decodePath(segment) !== decodePath(other)) {
      return false;
    }
  }
  return old.length === now.length;
}

/** With a key a write may be sent again, so a key that was not there lets more be sent. */
function idempotencyCovers(
  before: EgressRule['idempotency'],
  after: EgressRule['idempotency'],
): boolean {
  if (after === undefined) return true;
  if (before === undefined) return false;
  return (
    after.header.toLowerCase() === before.header.toLowerCase() &&
    after.retentionHours <= before.retentionHours
  );
}
