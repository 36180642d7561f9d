import { expect, test } from 'bun:test';
import * as fc from 'fast-check';
import { allowedCalls } from './allowed-calls.ts';
import { type EgressContract, type EgressRule, pathMatches } from './egress-rule.ts';
import { runCount } from './testing/run-count.ts';

const RULE: EgressRule = {
  id: 'refunds',
  methods: ['GET', 'POST'],
  scheme: 'https',
  host: 'api.stripe.com',
  port: 443,
  path: '/v1/refunds/{id}',
  contentTypes: ['application/json'],
  credential: 'stripe',
  maxBytes: 100,
};
const contract = (plugin: Partial<EgressRule>, operator: Partial<EgressRule>): EgressContract => ({
  plugin: [{ ...RULE, ...plugin }],
  operator: [{ ...RULE, ...operator }],
  networks: [],
  approval: [],
});
const shown = (plugin: Partial<EgressRule>, operator: Partial<EgressRule>) =>
  allowedCalls(contract(plugin, operator), 'write');

test('what both rules let through is shown with the narrower host, path and budget', () => {
  const budgets = { maxCalls: 2, maxBytes: 900, maxPerMinute: 60 };
  const wide = { id: 'granted', host: '*.stripe.com', path: '/**', ...budgets };
  expect(shown({ maxPerMinute: 90 }, wide)).toEqual([
    {
      rule: 'refunds granted',
      methods: ['GET', 'POST'],
      scheme: 'https',
      host: 'api.stripe.com',
      port: 443,
      path: '/v1/refunds/{id}',
      query: [],
      headers: ['content-type', 'accept'],
      contentTypes: ['application/json'],
      credential: 'stripe',
      maxCalls: 2,
      maxBytes: 100,
      maxPerMinute: 60,
    },
  ]);
  expect(shown(wide, {})[0]?.path).toBe('/v1/refunds/{id}');
});

test('paths meet segment by segment', () => {
  const path = (a: string, b: string) => shown({ path: a }, { path: b })[0]?.path;
  expect(path('/{a}/refunds', '/v1/{b}')).toBe('/v1/refunds');
  expect(path('/v1/{a}', '/v1/{b}')).toBe('/v1/{b}');
  expect(path('/v1/**', '/v1/refunds/{id}')).toBe('/v1/refunds/{id}');
  expect(path('/v1/refunds', '/v1/charges')).toBeUndefined();
  expect(path('/v1', '/v1/charges')).toBeUndefined();
  expect(path('/v1/**', '/v1')).toBeUndefined();
  // A contract of before escapes had one spelling: what a request may match is shown.
  expect(path('/v1/%72efunds', '/v1/refunds')).toBe('/v1/%72efunds');
});

test('whatever request path two rules both match is matched by the path that is shown', () => {
  const segment = fc.constantFrom('a', 'b', '%41', '{x}', '{y}', '');
  const literal = fc.constantFrom('a', 'b', 'A', '%41', '');
  const rulePath = fc
    .tuple(fc.array(segment, { minLength: 1, maxLength: 3 }), fc.boolean())
    .map(([parts, open]) => `/${[...parts, ...(open ? ['**'] : [])].join('/')}`);
  const requestPath = fc
    .array(literal, { minLength: 1, maxLength: 4 })
    .map((parts) => `/${parts.join('/')}`);
  fc.assert(
    fc.property(rulePath, rulePath, requestPath, (a, b, request) => {
      const met = shown({ path: a }, { path: b })[0]?.path;
      const both = pathMatches(a, request) && pathMatches(b, request);
      expect(met !== undefined && pathMatches(met, request)).toBe(both);
    }),
    { numRuns: runCount(2_000, 50_000), seed: 20_261_126 },
  );
});

test('rules that can not meet show nothing', () => {
  for (const other of [
    { scheme: 'http' as const },
    { port: 8443 },
    { host: 'stripe.com' },
    { host: '*.example.com' },
    { methods: ['PUT' as const] },
    { credential: 'other' },
    { credential: undefined },
  ]) {
    expect(shown({}, other as Partial<EgressRule>)).toEqual([]);
  }
});

test('an operation that only reads is shown with the methods that it may use', () => {
  expect(allowedCalls(contract({}, {}), 'read')[0]?.methods).toEqual(['GET']);
});

test('private authorities of the operator’s rule are shown, by their number', () => {
  const caCertificates = ['one', 'two'];
  const { plugin, operator, ...rest } = contract({}, {});
  const trusting = operator.map((rule) => ({ ...rule, caCertificates }));
  const [call] = allowedCalls({ ...rest, plugin, operator: trusting }, 'write');
  expect(call?.caCertificates).toBe(2);
  expect(allowedCalls(contract({}, {}), 'write')[0]).not.toHaveProperty('caCertificates');
});
