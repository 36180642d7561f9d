/** Contracts and requests for properties of the matcher: near enough to each other to meet and to miss. */
import fc from 'fast-check';
import {
  type EgressContract,
  type EgressRequest,
  type EgressRule,
  HTTP_METHODS,
} from '../egress-rule.ts';
import type { Effect } from '../life-cycle.ts';

export type Gen = fc.GeneratorValue;

export interface Scene {
  readonly contract: EgressContract;
  readonly effect: Effect;
  readonly request: EgressRequest;
}

const NAMES = ['a.test', 'b.a.test', 'c.b.a.test', 'a.example.org', 'xn--9ca.test', 'x-a.test'];
const ADDRESSES = ['127.0.0.1', '10.0.0.1', '[::1]'];
const SEGMENTS = ['v1', 'a', 'b', 'a%20b', '%C3%A9', '%FF', 'x.y', 'a@b', '...', '~'];
const QUERY = ['limit', 'expand[]', 'q'];
const HEADERS = ['content-type', 'accept', 'x-a', 'idempotency-key', 'authorization'];
const TYPES = ['application/json', 'text/plain'];
const SLOTS = ['stripe', 'github', undefined];

export function pick<T>(g: Gen, values: readonly T[]): T {
  const value = values[g(fc.nat, values.length - 1)];
  return value as T;
}
export const chance = (g: Gen, percent: number): boolean => g(fc.nat, 99) < percent;
const some = <T>(g: Gen, values: readonly T[]): T[] => g(fc.subarray<T>, [...values]);

/** Without what is undefined, as JSON has it. */
function rule(parts: { [K in keyof EgressRule]: EgressRule[K] | undefined }): EgressRule {
  return Object.fromEntries(
    Object.entries(parts).filter(([, value]) => value !== undefined),
  ) as unknown as EgressRule;
}

const PART: { readonly [K in keyof EgressRule]-?: (g: Gen) => EgressRule[K] | undefined } = {
  id: (g) => `r${g(fc.nat, 9)}`,
  methods: (g) =>
    g(fc.subarray<EgressRule['methods'][number]>, [...HTTP_METHODS], { minLength: 1 }),
  scheme: (g) => pick(g, ['https', 'https', 'http']),
  host: (g) => pick(g, [...NAMES, ...ADDRESSES, '*.a.test', '*.b.a.test', '*.example.org']),
  port: (g) => pick(g, [443, 443, 8_443]),
  path: pathPattern,
  query: (g) => (chance(g, 50) ? undefined : some(g, QUERY)),
  headers: (g) => (chance(g, 50) ? undefined : some(g, HEADERS)),
  contentTypes: (g) => (chance(g, 30) ? undefined : some(g, TYPES)),
  credential: (g) => pick(g, SLOTS),
  idempotency: (g) =>
    chance(g, 60)
      ? undefined
      : { header: pick(g, ['Idempotency-Key', 'idempotency-key', 'X-A']), retentionHours: 1 },
  maxCalls: () => undefined,
  maxBytes: () => undefined,
  maxPerMinute: () => undefined,
};

function pathPattern(g: Gen): string {
  const segments = g(fc.array<string>, fc.constantFrom(...SEGMENTS, '{id}', '{id}'), {
    maxLength: 3,
  });
  return `/${[...segments, ...(chance(g, 30) ? ['**'] : [])].join('/')}`;
}

export function randomRule(g: Gen): EgressRule {
  return rule(
    Object.fromEntries(Object.entries(PART).map(([part, make]) => [part, make(g)])) as never,
  );
}

/** The rule with up to two parts anew; often with another slot only, which two layers can disagree about. */
function variant(g: Gen, one: EgressRule): EgressRule {
  if (chance(g, 30)) return rule({ ...one, credential: pick(g, SLOTS) });
  const parts = g(fc.subarray<keyof EgressRule>, Object.keys(PART) as (keyof EgressRule)[], {
    maxLength: 2,
  });
  return rule({ ...one, ...Object.fromEntries(parts.map((part) => [part, PART[part](g)])) });
}

/** Mostly rules that are near to `others`. */
function layer(g: Gen, others: readonly EgressRule[], most: number): EgressRule[] {
  return Array.from({ length: g(fc.nat, most) }, () =>
    others.length > 0 && chance(g, 85) ? variant(g, pick(g, others)) : randomRule(g),
  );
}

export function randomScene(g: Gen): Scene {
  const first = randomRule(g);
  const plugin = [first, ...layer(g, [first], 2)];
  const operator = [...(chance(g, 90) ? [pick(g, plugin)] : []), ...layer(g, plugin, 3)];
  const approval = chance(g, 60) ? [] : layer(g, plugin, 3);
  return {
    contract: { plugin, operator, networks: [], approval },
    effect: pick(g, ['read', 'write', 'write', 'destructive']),
    request: requestNear(g, pick(g, plugin)),
  };
}

/** A request that the rule covers, in three of ten cases with one part anew. */
export function requestNear(g: Gen, near: EgressRule): EgressRequest {
  const { scheme, port, query = [], headers = ['content-type', 'accept'] } = near;
  const own = chance(g, 8) ? headers : headers.filter((header) => !isReserved(near, header));
  const sent = some(g, own);
  const type = pick(g, [...(near.contentTypes ?? []), undefined]);
  const fitting: EgressRequest = {
    method: pick(g, chance(g, 40) && near.methods.includes('GET') ? ['GET'] : near.methods),
    scheme,
    host: near.host.replace('*', () => pick(g, ['x', 'x.y', 'xn--9ca'])),
    port,
    path: `/${near.path
      .slice(1)
      .split('/')
      .map((segment) => fill(g, segment))
      .join('/')}`,
    query: some(g, query).map((name) => [name, '1'] as const),
    headers: sent.filter((header) => header !== 'content-type' || type !== undefined),
    contentType: type && pick(g, [type, `${type.toUpperCase()} ; charset=utf-8`]),
  };
  return chance(g, 30) ? { ...fitting, ...otherPart(g) } : fitting;
}

function isReserved({ idempotency }: EgressRule, header: string): boolean {
  return idempotency?.header.toLowerCase() === header;
}

function fill(g: Gen, segment: string): string {
  if (segment === '**') return pick(g, ['', 'a', 'a/b', 'v1/']);
  return segment.startsWith('{') ? pick(g, SEGMENTS) : segment;
}

function otherPart(g: Gen): Partial<EgressRequest> {
  return pick<() => Partial<EgressRequest>>(g, [
    () => ({ method: pick(g, [...HTTP_METHODS, 'TRACE', 'CONNECT', 'get']) }),
    () => ({ scheme: pick(g, ['http', 'https', 'ftp']) }),
    () => ({ host: pick(g, [...NAMES, ...ADDRESSES, 'a..test', '.a.test', 'x..a.test', '.test']) }),
    () => ({ port: pick(g, [80, 443, 8_443]) }),
    () => ({ path: fc.sample(oddPath, { seed: g(fc.nat), numRuns: 1 })[0] ?? '/' }),
    () => ({ query: [[pick(g, [...QUERY, 'Limit', '']), 'x']] }),
    () => ({ headers: some(g, [...HEADERS, 'host', 'cookie', 'via', 'x-http-method-override']) }),
    () => ({ contentType: pick(g, [...TYPES, 'text/plain; application/json', '']) }),
  ])();
}

const oddPath = fc
  .array(
    fc.constantFrom(
      ...SEGMENTS,
      ...[
        '',
        '.',
        '..',
        '%2e',
        '.%2E',
        'a;b',
        'a%2fb',
        'a%5Cb',
        '%00',
        '%25',
        '%',
        '%zz',
        'a?b',
        'V1',
      ],
    ),
    { maxLength: 4 },
  )
  .map((segments) => `/${segments.join('/')}`);
