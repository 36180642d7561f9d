import { expect, test } from 'bun:test';
import { resolve } from 'node:path';
import {
  configuringVariables,
  inheritedVariables,
  outerVariables,
  planeTuning,
  readEnvironment,
} from './environment.ts';

test('the cache follows PORTARIUM_CACHE, then XDG_CACHE_HOME', () => {
  expect(readEnvironment({ PORTARIUM_CACHE: '/a', XDG_CACHE_HOME: '/b' }).cacheDir).toBe('/a');
  expect(readEnvironment({ XDG_CACHE_HOME: '/b' }).cacheDir).toBe('/b/portarium');
});

test('an unusable variable is refused by name', () => {
  expect(() => readEnvironment({ PORTARIUM_HTTP_PORT: 'eighty' })).toThrow('PORTARIUM_HTTP_PORT');
});

test('children inherit no credentials and no connection settings', () => {
  const environment = readEnvironment({
    PATH: '/bin',
    AWS_SECRET_ACCESS_KEY: 'secret',
    PORTARIUM_DATABASE_URL: 'postgres://elsewhere',
    PORTARIUM_CELLS: '2',
  });
  expect(inheritedVariables(environment)).toEqual({ PATH: '/bin' });
  expect(planeTuning(environment)).toEqual({ PORTARIUM_CELLS: '2' });
});

test('an outer evidence store is the Control Plane’s alone', () => {
  const given = {
    PORTARIUM_EVIDENCE_STORE: 'minio',
    PORTARIUM_EVIDENCE_ENDPOINT: 'https://s3.example.com:9000',
    PORTARIUM_EVIDENCE_SECRET_KEY_FILE: 'secret',
  };
  const environment = readEnvironment({ ...given, PORTARIUM_EVIDENCE_DIR: '/elsewhere' });
  const passed = { ...given, PORTARIUM_EVIDENCE_SECRET_KEY_FILE: resolve('secret') };
  expect(outerVariables(environment)).toEqual(passed);
  expect(configuringVariables(environment)).toEqual(passed);
  expect({ ...inheritedVariables(environment), ...planeTuning(environment) }).toEqual({});
});

test('an outer vault is the Control Plane’s alone, and its files are found from any folder', () => {
  const environment = readEnvironment({
    PORTARIUM_VAULT_ADDR: 'https://vault.example.com:8200',
    PORTARIUM_VAULT_TOKEN_FILE: 'token',
    PORTARIUM_VAULT_DIR: '/elsewhere',
  });
  const given = {
    PORTARIUM_VAULT_ADDR: 'https://vault.example.com:8200',
    PORTARIUM_VAULT_TOKEN_FILE: resolve('token'),
  };
  expect(outerVariables(environment)).toEqual(given);
  expect(configuringVariables(environment)).toEqual(given);
  expect({ ...inheritedVariables(environment), ...planeTuning(environment) }).toEqual({});
});
