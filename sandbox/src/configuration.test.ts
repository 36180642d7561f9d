import { expect, test } from 'bun:test';
import { readConfiguration } from './configuration.ts';
import { removeProxies } from './egress/proxy-environment.ts';

const LEAST = { PORTARIUM_CONTROL_URL: 'http://127.0.0.1:3000/', PORTARIUM_HOST_KEY: 'ptk_a_b' };

test('the least environment gives the defaults', async () => {
  const read = await readConfiguration(LEAST);
  expect(read).toEqual({
    ok: true,
    configuration: {
      controlUrl: 'http://127.0.0.1:3000',
      hostKey: 'ptk_a_b',
      temporalAddress: '127.0.0.1:7233',
      temporalNamespace: 'default',
      taskQueue: 'sandbox.default',
      cells: 4,
      requireIsolation: 'process',
      healthPort: 0,
      drainMs: 10_000,
      telemetryEndpoint: undefined,
      searchPath: '/usr/bin:/bin',
    },
  });
});

test('each wrong variable is named, and a missing key or key file is said', async () => {
  const wrong = await readConfiguration({
    ...LEAST,
    PORTARIUM_CELLS: '0',
    PORTARIUM_CONTROL_URL: 'x',
  });
  expect(wrong.ok ? [] : wrong.problems.map((problem) => problem.split(':')[0]).sort()).toEqual([
    'PORTARIUM_CELLS',
    'PORTARIUM_CONTROL_URL',
  ]);
  const { PORTARIUM_HOST_KEY: _key, ...keyless } = LEAST;
  expect(await readConfiguration(keyless)).toMatchObject({ ok: false });
  const file = await readConfiguration({ ...keyless, PORTARIUM_HOST_KEY_FILE: '/nonexistent/key' });
  expect(file.ok ? [] : file.problems[0]).toContain('PORTARIUM_HOST_KEY_FILE');
});

test('every proxy variable is removed, in both cases', () => {
  const environment = {
    HTTP_PROXY: 'a',
    https_proxy: 'b',
    ALL_PROXY: 'c',
    NODE_USE_ENV_PROXY: '1',
    PATH: 'p',
  };
  removeProxies(environment);
  expect(environment as Record<string, string>).toEqual({ PATH: 'p' });
});
