import { expect, test } from 'bun:test';
import { resolveConnection } from './connection.ts';

const keys = { admin: 'a', operator: 'o', approver: 'p', auditor: 'u', author: 't', agent: 'g' };
const stack = () => ({ url: 'http://127.0.0.1:1', workspace: 'local', keys });
const none = () => undefined;
const refuseToAsk = () => {
  throw new Error('the stack was asked for nothing');
};

test('options win over the environment, and the environment over the stack', () => {
  const variables = { PORTARIUM_URL: 'http://b', PORTARIUM_KEY: 'kb', PORTARIUM_WORKSPACE: 'wb' };
  expect(
    resolveConnection({ url: 'http://a', key: 'ka', workspace: 'wa' }, variables, refuseToAsk),
  ).toEqual({
    url: 'http://a',
    key: 'ka',
    workspace: 'wa',
  });
  expect(resolveConnection({}, variables, refuseToAsk)).toEqual({
    url: 'http://b',
    key: 'kb',
    workspace: 'wb',
  });
  expect(resolveConnection({}, {}, stack)).toEqual({
    url: 'http://127.0.0.1:1',
    key: 'a',
    workspace: 'local',
  });
});

test('a command may use the stack’s key of another role, but a given key wins', () => {
  expect(resolveConnection({}, {}, stack, 'approver').key).toBe('p');
  expect(resolveConnection({ key: 'mine' }, {}, stack, 'approver').key).toBe('mine');
});

test('key and workspace may differ from the stack’s own', () => {
  expect(resolveConnection({ key: 'mine', workspace: 'acme' }, {}, stack)).toEqual({
    url: 'http://127.0.0.1:1',
    key: 'mine',
    workspace: 'acme',
  });
});

test('the stack’s key never goes to an address that was named', () => {
  expect(() => resolveConnection({ url: 'http://elsewhere' }, {}, stack)).toThrow('--key');
  const variables = { PORTARIUM_URL: 'http://elsewhere', PORTARIUM_KEY: 'k' };
  expect(() => resolveConnection({}, variables, stack)).toThrow('--workspace');
});

test('without address and stack the error says what to do', () => {
  expect(() => resolveConnection({}, {}, none)).toThrow('portarium up');
  expect(() => resolveConnection({}, {}, none)).toThrow('--data or PORTARIUM_DATA');
  expect(() => resolveConnection({ url: '' }, { PORTARIUM_URL: '' }, none)).toThrow('--url');
});
