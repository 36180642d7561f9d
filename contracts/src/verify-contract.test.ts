import { expect, test } from 'bun:test';
import type { EgressRule } from './egress-rule.ts';
import { ShownContract } from './verify-contract.ts';

const rule = (id: string, change: Partial<EgressRule> = {}): EgressRule => ({
  ...{ id, methods: ['GET'], scheme: 'https', host: 'a.test', port: 443, path: '/x' },
  ...change,
});

test('a call that is claimed under two rules that do not name the same credential is not allowed', () => {
  const contract = {
    plugin: [rule('plain'), rule('asks', { credential: 'api' })],
    operator: [rule('free'), rule('gives', { credential: 'api' })],
    networks: [],
    approval: [],
  };
  const call = { method: 'GET', scheme: 'https', host: 'a.test', port: 443, path: '/x' };
  const problem = (name: string) => new ShownContract(contract).problem({ ...call, rule: name });
  expect(problem('plain free')).toBeUndefined();
  expect(problem('asks gives')).toBeUndefined();
  expect(problem('plain gives')).toContain('do not name the same credential');
  expect(problem('asks free')).toContain('do not name the same credential');
});
