import { expect, test } from 'bun:test';
import { allowedCalls } from './allowed-calls.ts';
import type { EgressContract, EgressRule } from './egress-rule.ts';

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
  const wide = { id: 'granted', host: '*.stripe.com', path: '/**', maxCalls: 2, maxBytes: 900 };
  expect(shown({}, wide)).toEqual([
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
