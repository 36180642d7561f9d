import { expect, test } from 'bun:test';
import { type OutsideOptions, outsideArguments, outsideOf, outsideVariables } from './outside.ts';

const file = import.meta.path;
const refusal = (options: OutsideOptions) => {
  try {
    return outsideOf(options);
  } catch (error) {
    return String(error);
  }
};

test('an address for other machines needs a certificate, or a proxy that has one', () => {
  expect(outsideOf({})).toBeUndefined();
  expect(refusal({ listen: '0.0.0.0' })).toContain('in the clear');
  expect(refusal({ behindProxy: true })).toContain('belong to --listen');
  expect(refusal({ listen: '0.0.0.0', tlsCert: file })).toContain('both --tls-cert and --tls-key');
  expect(refusal({ listen: '0.0.0.0', tlsCert: file, tlsKey: file, behindProxy: true })).toContain(
    'leave --tls-cert',
  );
  expect(refusal({ listen: '0.0.0.0', tlsCert: file, tlsKey: '/nowhere' })).toContain(
    '/nowhere can not be read',
  );
  for (const listen of ['', '0.0.0.0:0', '0.0.0.0:99999', 'a b', '[1.2.3.4]', ':443', 'x:y']) {
    expect([listen, refusal({ listen, behindProxy: true })]).toEqual([
      listen,
      expect.stringContaining('is no address'),
    ] as never);
  }
});

test('it has a usual port, and goes on to a process as it was given', () => {
  const tls = { certFile: file, keyFile: file };
  expect(outsideOf({ listen: '192.0.2.7', behindProxy: true })).toEqual({
    listen: '192.0.2.7:8080',
  });
  const outside = outsideOf({ listen: '[::]', tlsCert: file, tlsKey: file });
  expect(outside).toEqual({ listen: '[::]:443', tls });
  expect(outsideArguments(outside)).toEqual([
    '--listen',
    '[::]:443',
    '--tls-cert',
    file,
    '--tls-key',
    file,
  ]);
  expect(outsideVariables(outside)).toEqual({
    PORTARIUM_LISTEN: '[::]:443',
    PORTARIUM_TLS_CERT_FILE: file,
    PORTARIUM_TLS_KEY_FILE: file,
  });
  expect(outsideVariables({ listen: 'a:1' })).toEqual({
    PORTARIUM_LISTEN: 'a:1',
    PORTARIUM_BEHIND_PROXY: 'yes',
  });
});
