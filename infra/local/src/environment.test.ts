import { expect, test } from 'bun:test';
import { inheritedVariables, planeTuning, readEnvironment } from './environment.ts';

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
