import { afterAll, beforeAll, expect, test } from 'bun:test';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { assertOutside } from './assert-outside.ts';
import { choosePorts, randomFreePort } from './free-ports.ts';

const root = mkdtempSync(join(tmpdir(), 'portarium-tls-'));
const file = (name: string) => join(root, name);

function openssl(...args: string[]): void {
  const made = spawnSync('openssl', args, { encoding: 'utf8' });
  expect([made.status, made.status === 0 ? '' : made.stderr]).toEqual([0, '']);
}

beforeAll(() => {
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-subj', '/CN=a'];
  for (const name of ['one', 'two']) {
    openssl(
      ...['req', '-x509', '-nodes', ...key, '-days', '2'],
      ...['-keyout', file(`${name}.key`), '-out', file(`${name}.pem`)],
    );
  }
  openssl('pkey', '-in', file('one.key'), '-aes256', '-passout', 'pass:x', '-out', file('locked'));
  writeFileSync(file('text'), 'no certificate\n');
});
afterAll(() => rmSync(root, { recursive: true, force: true }));

test('a certificate with the key of another, without one, or that is none is refused before a start', async () => {
  const listen = `127.0.0.1:${await randomFreePort()}`;
  const withTls = (cert: string, key: string) =>
    assertOutside({ listen, tls: { certFile: file(cert), keyFile: file(key) } });
  await withTls('one.pem', 'one.key');
  await expect(withTls('one.pem', 'two.key')).rejects.toThrow(
    `${file('two.key')} is not the key of the first certificate in ${file('one.pem')}`,
  );
  await expect(withTls('text', 'one.key')).rejects.toThrow(
    `${file('text')} is not a certificate in PEM`,
  );
  for (const key of ['text', 'locked', 'one.pem']) {
    await expect(withTls('one.pem', key)).rejects.toThrow('not a private key without a password');
  }
});

test('an address that is taken, or not of this machine, is refused with what to do', async () => {
  const taken = createServer().listen(0, '127.0.0.1');
  await new Promise((resolve) => taken.once('listening', resolve));
  const address = taken.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  await expect(assertOutside({ listen: `127.0.0.1:${port}` })).rejects.toThrow(
    /it is taken\. Stop what listens there/,
  );
  taken.close();
  await expect(assertOutside({ listen: '192.0.2.1:8443' })).rejects.toThrow(
    'this machine has no such address',
  );
});

test('the parts on loopback leave the port for other machines free', async () => {
  const port = await randomFreePort();
  const ports = file('ports.json');
  const before = await choosePorts(ports, { wanted: { http: port } });
  expect(before.http).toBe(port);
  expect((await choosePorts(ports, { wanted: {} })).http).toBe(port);
  expect((await choosePorts(ports, { wanted: {}, reserved: [port] })).http).not.toBe(port);
  await expect(choosePorts(ports, { wanted: { http: port }, reserved: [port] })).rejects.toThrow(
    'is taken',
  );
});
