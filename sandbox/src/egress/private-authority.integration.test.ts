import { afterAll, beforeAll, expect, test } from 'bun:test';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { EgressRule, OperatorRule } from '@portarium/contracts/egress-rule';
import type { GuestRequest } from '@portarium/contracts/outbound-request';
import { EgressRigs } from '../testing/egress-rig.ts';

const folder = mkdtempSync(join(tmpdir(), 'portarium-authority-'));
const file = (name: string) => join(folder, name);
const pem = (name: string) => readFileSync(file(`${name}.pem`), 'utf8');
const openssl = (...args: string[]) => execFileSync('openssl', args, { stdio: 'ignore' });
const NEW_KEY = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];

/** A private authority, and one that stands for the public ones: options of the broker give it. */
const AUTHORITIES = ['private', 'public'] as const;
type Authority = (typeof AUTHORITIES)[number];

const rigs = new EgressRigs();
const servers: Server[] = [];
const ports = new Map<Authority, number>();

beforeAll(async () => {
  await rigs.start();
  writeFileSync(file('names'), 'subjectAltName=DNS:a.test,DNS:b.test');
  for (const name of AUTHORITIES) {
    const [key, leafKey] = [file(`${name}.key`), file(`${name}-leaf.key`)];
    openssl(
      ...['req', '-x509', ...NEW_KEY, '-keyout', key, '-out', file(`${name}.pem`)],
      ...['-days', '2', '-subj', `/CN=${name} authority`],
    );
    openssl(
      ...['req', ...NEW_KEY, '-keyout', leafKey, '-out', file('leaf.csr'), '-subj', '/CN=a.test'],
    );
    openssl(
      ...['x509', '-req', '-in', file('leaf.csr'), '-CA', file(`${name}.pem`), '-CAkey', key],
      ...['-CAcreateserial', '-days', '1', '-extfile', file('names')],
      ...['-out', file(`${name}-leaf.pem`)],
    );
    const tls = { key: readFileSync(leafKey), cert: pem(`${name}-leaf`) };
    const server = createServer(tls, (request, response) => {
      const { port } = server.address() as AddressInfo;
      if (request.url === '/hop') response.writeHead(302, { location: `https://b.test:${port}/` });
      response.end(name);
    });
    servers.push(server);
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    ports.set(name, (server.address() as AddressInfo).port);
  }
}, 60_000);
afterAll(async () => {
  await rigs.stop();
  for (const server of servers) {
    server.closeAllConnections();
    server.close();
  }
  rmSync(folder, { recursive: true });
});

function rule(of: Authority, host: string, caCertificates?: string[]): OperatorRule {
  return {
    ...{ id: `${host[0]}-${of}`, methods: ['GET', 'POST'], scheme: 'https', host, path: '/**' },
    port: ports.get(of) ?? 0,
    ...(caCertificates ? { caCertificates } : {}),
  };
}

/** A session under these rules of the operator, which the plugin asks for without certificates. */
function session(...operator: OperatorRule[]) {
  const plugin = operator.map(({ caCertificates: _, ...asked }): EgressRule => asked);
  const contract = { plugin, operator, networks: ['loopback'], approval: [] };
  return rigs.attempt({ contract }, { authorities: pem('public') }).session;
}

function ask(of: Authority, host: string, path = '/', method = 'GET'): GuestRequest {
  const url = `https://${host}:${ports.get(of)}${path}`;
  return { method, url, headers: [], body: new Uint8Array() };
}

const answer = (text: string) => ({
  kind: 'response',
  status: 200,
  body: new TextEncoder().encode(text),
});
const ONLY_ITS_OWN = {
  kind: 'failed',
  reason: expect.stringContaining('trusts its caCertificates and no other authority'),
};
const NO_PUBLIC = {
  kind: 'failed',
  reason: expect.stringContaining('an operator can grant the rule caCertificates'),
};

test('a server of a private authority is refused, until the grant names that authority', async () => {
  const without = session(rule('private', 'a.test'));
  expect(await without.request(ask('private', 'a.test'))).toMatchObject(NO_PUBLIC);
  expect(await without.request(ask('private', 'a.test', '/', 'POST'))).toMatchObject(NO_PUBLIC);
  expect(without.calls[1]).toMatchObject({ verdict: 'failed', method: 'POST', sent: false });
  const granted = session(rule('private', 'a.test', [pem('private')]));
  expect(await granted.request(ask('private', 'a.test'))).toMatchObject(answer('private'));
});

test('a rule with certificates of its own trusts no other authority', async () => {
  const plain = session(rule('public', 'a.test'));
  expect(await plain.request(ask('public', 'a.test'))).toMatchObject(answer('public'));
  const pinned = session(rule('public', 'a.test', [pem('private')]));
  expect(await pinned.request(ask('public', 'a.test'))).toMatchObject(ONLY_ITS_OWN);
  expect(pinned.calls[0]).toMatchObject({ verdict: 'failed', bytesOut: 0 });
});

test('the authority of one rule is not that of another, also not after a redirect', async () => {
  const rules = [rule('private', 'a.test', [pem('private')]), rule('private', 'b.test')];
  const both = session(...rules);
  expect(await both.request(ask('private', 'a.test'))).toMatchObject(answer('private'));
  expect(await both.request(ask('private', 'b.test'))).toMatchObject(NO_PUBLIC);
  expect(await both.request(ask('private', 'a.test', '/hop'))).toMatchObject(NO_PUBLIC);
  expect(both.calls.slice(2)).toMatchObject([
    { host: 'a.test', status: 302 },
    { host: 'b.test', verdict: 'failed' },
  ]);
});

test('of several certificates any may have signed, so that an authority can be replaced', async () => {
  const rolling = session(rule('private', 'a.test', [pem('public'), pem('private')]));
  expect(await rolling.request(ask('private', 'a.test'))).toMatchObject(answer('private'));
});

test('the name is checked all the same', async () => {
  const other = { ...rule('private', 'c.test', [pem('private')]), id: 'c' };
  const asked = await session(other).request(ask('private', 'c.test'));
  expect(asked).toMatchObject({
    kind: 'failed',
    reason: expect.stringMatching(/ALTNAME|altname/i),
  });
});
