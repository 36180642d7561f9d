import { afterAll, beforeAll, expect, test } from 'bun:test';
import { execFileSync } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startVaultServer, type VaultServer } from '@portarium/local/testing/vault-server';
import type { SecretName } from '../../application/ports/vault.ts';
import { InfraError } from '../../application/ports/workspace-store.ts';
import { startTestInstance } from '../../testing/test-instance.ts';
import { vaultContract } from '../../testing/vault-contract.ts';
import { send } from '../../testing/writes.ts';
import { type KvVaultOptions, openKvVault } from './kv-vault.ts';

const GUIDE = new URL('../../../../docs/how-to/keep-credentials-in-vault.md', import.meta.url);
const SECRET = 'canary-secret-of-the-engine-0123456789';
const NAME = { workspace: 'acme', credential: 'cred_1', version: 1 } as unknown as SecretName;
const bytes = (value: string) => new TextEncoder().encode(value);
const text = (value: Uint8Array | undefined) => value && new TextDecoder().decode(value);

let folder: string;
let tokenFile: string;
let server: VaultServer;
const standIns: Server[] = [];
let prefixes = 0;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'portarium-kv-'));
  tokenFile = join(folder, 'token');
  server = await startVaultServer();
  await server.call('POST', 'sys/mounts/secret', { type: 'kv', options: { version: '2' } });
  await server.call('POST', 'sys/mounts/first', { type: 'kv', options: { version: '1' } });
  // The policy is the one of the guide.
  const [, policy = ''] = /```hcl\n(.*?)```/s.exec(await readFile(GUIDE, 'utf8')) ?? [];
  expect(policy).toContain('capabilities');
  await server.call('PUT', 'sys/policies/acl/portarium', { policy });
  await writeFile(tokenFile, `${await newToken()}\n`);
}, 900_000);
afterAll(async () => {
  await server?.[Symbol.asyncDispose]();
  for (const one of standIns) one.close();
  await rm(folder, { recursive: true, force: true });
});

async function newToken(policy = 'portarium'): Promise<string> {
  const made = await server.call('POST', 'auth/token/create', { policies: [policy], ttl: '1h' });
  return (made as { auth: { client_token: string } }).auth.client_token;
}

const optionsOf = (change: Partial<KvVaultOptions> = {}): KvVaultOptions => ({
  address: server.url,
  tokenFile,
  mount: 'secret',
  prefix: `portarium/${++prefixes}`,
  ...change,
});
const open = (change?: Partial<KvVaultOptions>) => openKvVault(optionsOf(change));

async function refusal(work: Promise<unknown>): Promise<InfraError> {
  const error = await work.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (!(error instanceof InfraError)) throw new Error(`expected an InfraError, got ${error}`);
  const token = (await readFile(tokenFile, 'utf8')).trim();
  for (const hidden of [SECRET, Buffer.from(SECRET).toString('base64'), token || 'none']) {
    expect(error.message).not.toContain(hidden);
  }
  return error;
}

vaultContract('the key-value engine of a real Vault', open);

test('the policy of the guide suffices, and lets nobody overwrite what was written', async () => {
  const options = optionsOf();
  const vault = await openKvVault(options);
  await vault.put(NAME, bytes(SECRET));
  const token = (await readFile(tokenFile, 'utf8')).trim();
  const path = `secret/data/${options.prefix}/workspaces/acme/credentials/cred_1/1`;
  const overwrite = await fetch(`${server.url}/v1/${path}`, {
    method: 'POST',
    headers: { 'x-vault-token': token },
    body: JSON.stringify({ data: { value: 'evil' } }),
  });
  expect(overwrite.status).toBe(403);
  expect(text(await vault.get(NAME))).toBe(SECRET);
});

test('destroying leaves nothing of any version in the engine, and no metadata', async () => {
  const options = optionsOf();
  const vault = await openKvVault(options);
  for (const version of [1, 2]) await vault.put({ ...NAME, version }, bytes(`${SECRET}${version}`));
  const list = () =>
    server.call('GET', `secret/metadata/${options.prefix}/workspaces/acme/credentials?list=true`);
  expect(await list()).toMatchObject({ data: { keys: ['cred_1/'] } });
  // Versions that the engine itself keeps go as well.
  const path = `${options.prefix}/workspaces/acme/credentials/cred_1/1`;
  await server.call('POST', `secret/data/${path}`, { data: { value: 'by somebody else' } });
  await vault.destroy(NAME.workspace, NAME.credential);
  await expect(list()).rejects.toThrow('404');
  await expect(server.call('GET', `secret/metadata/${path}`)).rejects.toThrow('404');
  await expect(server.call('GET', `secret/data/${path}?version=1`)).rejects.toThrow('404');
});

test('a version that is marked as deleted is missing, is not written again, and comes back undeleted', async () => {
  const options = optionsOf();
  const vault = await openKvVault(options);
  await vault.put(NAME, bytes(SECRET));
  const path = `${options.prefix}/workspaces/acme/credentials/cred_1/1`;
  await server.call('DELETE', `secret/data/${path}`);
  expect(await vault.get(NAME)).toBeUndefined();
  await expect(vault.put(NAME, bytes(SECRET))).rejects.toThrow();
  await server.call('POST', `secret/undelete/${path}`, { versions: [1] });
  expect(text(await vault.get(NAME))).toBe(SECRET);
  await server.call('PUT', `secret/destroy/${path}`, { versions: [1] });
  expect(await vault.get(NAME)).toBeUndefined();
});

test('a secret of the largest size and of any bytes comes back as it was', async () => {
  const vault = await open();
  const secret = crypto.getRandomValues(new Uint8Array(16_384));
  await vault.put(NAME, secret);
  expect(await vault.get(NAME)).toEqual(secret);
});

test('a sealed vault is told as such and asked again; unsealed, it answers', async () => {
  const vault = await open();
  await vault.put(NAME, bytes(SECRET));
  await server.call('PUT', 'sys/seal');
  const works = [
    () => vault.ping(),
    () => vault.get(NAME),
    () => vault.put({ ...NAME, version: 2 }, bytes(SECRET)),
    () => vault.destroy(NAME.workspace, NAME.credential),
  ];
  for (const work of works) {
    const { message, retryable } = await refusal(work());
    expect([message, retryable]).toEqual([expect.stringContaining('is sealed; unseal it'), true]);
  }
  await server.unseal();
  expect(text(await vault.get(NAME))).toBe(SECRET);
});

test('a token that is not good is told with its file, and one that takes its place is used at once', async () => {
  const vault = await open();
  const good = await readFile(tokenFile, 'utf8');
  await writeFile(tokenFile, await newToken('default'));
  const weak = await refusal(vault.put(NAME, bytes(SECRET)));
  expect([weak.retryable, weak.message]).toEqual([false, expect.stringContaining(tokenFile)]);
  await writeFile(tokenFile, 'hvs.of-nobody');
  expect((await refusal(vault.get(NAME))).message).toMatch(
    /refuses the token .*or mount the engine/,
  );
  for (const empty of ['', 'two words', 'a\r\nx-evil: 1']) {
    await writeFile(tokenFile, empty);
    expect((await refusal(vault.get(NAME))).message).toContain('holds no token');
  }
  await writeFile(tokenFile, good);
  await vault.put(NAME, bytes(SECRET));
});

test('what can not work is refused at the start, with what to change', async () => {
  const rootFile = join(folder, 'root');
  await writeFile(rootFile, server.rootToken);
  const cases: readonly [Partial<KvVaultOptions>, string][] = [
    [{ mount: 'first', tokenFile: rootFile }, 'PORTARIUM_VAULT_MOUNT'],
    [{ mount: 'first' }, 'sys/internal/ui/mounts/first'],
    [{ mount: 'none' }, 'sys/internal/ui/mounts/none'],
    [{ tokenFile: join(folder, 'none') }, 'PORTARIUM_VAULT_TOKEN_FILE'],
    [{ address: 'http://vault.example.com:8200' }, 'expected https://'],
    [{ address: `${server.url}/v1` }, 'without a path'],
    [{ address: 'https://user@vault.example.com' }, 'expected https://'],
    [{ address: 'vault:8200' }, 'expected https://'],
    [{ address: 'http://127.0.0.1:1' }, 'was not reached'],
  ];
  for (const [change, said] of cases) {
    const { message } = await refusal(open(change));
    expect([change, message.includes(said)]).toEqual([change, true]);
  }
});

test('a certificate is checked by the authority that is given, and by no other', async () => {
  const [key, cert] = [join(folder, 'key.pem'), join(folder, 'cert.pem')];
  const options = [
    ...['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'],
    ...['-keyout', key, '-out', cert, '-days', '1', '-subj', '/CN=vault'],
    ...['-addext', 'subjectAltName=IP:127.0.0.1'],
  ];
  execFileSync('openssl', options, { stdio: 'ignore' });
  await using secure = await startVaultServer({
    key,
    cert,
    authority: await readFile(cert, 'utf8'),
  });
  await secure.call('POST', 'sys/mounts/secret', { type: 'kv', options: { version: '2' } });
  const rootFile = join(folder, 'secure-root');
  await writeFile(rootFile, secure.rootToken);
  const there = { address: secure.url, tokenFile: rootFile };
  const vault = await open({ ...there, authorityFile: cert });
  await vault.put(NAME, bytes(SECRET));
  expect(text(await vault.get(NAME))).toBe(SECRET);
  expect((await refusal(open(there))).message).toContain('was not reached');
});

/** A server that answers what Vault's API documentation says of states that one node has not. */
async function standIn(listener: RequestListener): Promise<string> {
  const one = createServer(listener);
  standIns.push(one);
  await new Promise<void>((resolve) => one.listen(0, '127.0.0.1', resolve));
  return `http://127.0.0.1:${(one.address() as AddressInfo).port}`;
}

test('answers of a standby, of a busy node and of no vault at all, as documented, are told apart', async () => {
  const asked: (string | undefined)[] = [];
  const elsewhere = await standIn((request, response) => {
    asked.push(request.url);
    response.end('{}');
  });
  const json = (body: object) => JSON.stringify(body);
  const cases: readonly [number, string, string, boolean][] = [
    [307, '', 'is a standby that sends callers elsewhere', true],
    [473, '', 'is a standby of its cluster', true],
    [472, '', 'is a standby of its cluster', true],
    [
      429,
      json({ errors: ['request path "x": rate limit quota exceeded'] }),
      'no more requests',
      true,
    ],
    [412, json({ errors: ['required index state not present'] }), 'is not ready', true],
    [400, json({ errors: ['Upgrading from non-versioned to versioned data.'] }), 'not ready', true],
    [502, '<html>', 'failed with status 502', true],
    [200, '<html>', 'and no JSON: is it a vault?', false],
    [404, json({ errors: ['no handler for route'] }), 'status 404: no handler for route', false],
    [200, ' '.repeat(300_000), 'more than', false],
  ];
  let now: (typeof cases)[number] = [200, '', '', true];
  const address = await standIn((request, response) => {
    asked.push(String(request.headers['x-vault-namespace']));
    if (request.url?.includes('ui/mounts')) {
      return response.end(json({ data: { type: 'kv', options: { version: '2' } } }));
    }
    const [status, body] = now;
    response.writeHead(status, { location: `${elsewhere}${request.url}` }).end(body);
  });
  const vault = await open({ address, namespace: 'team-a' });
  for (const one of cases) {
    now = one;
    const [, , said, retryable] = one;
    for (const work of [() => vault.get(NAME), () => vault.put(NAME, bytes(SECRET))]) {
      const error = await refusal(work());
      expect([said, error.message.includes(said), error.retryable]).toEqual([
        said,
        true,
        retryable,
      ]);
    }
  }
  // No token went along with a redirect, and the namespace with every call.
  expect(new Set(asked)).toEqual(new Set(['team-a']));
});

test('a server that does not answer in time is given up, and asked again by whoever needs it', async () => {
  const address = await standIn((request, response) => {
    if (request.url?.includes('ui/mounts')) {
      response.end(JSON.stringify({ data: { type: 'kv', options: { version: '2' } } }));
    } else response.write('{');
  });
  const vault = await open({ address, timeoutMs: 200 });
  const started = performance.now();
  const { message, retryable } = await refusal(vault.get(NAME));
  expect([message, retryable]).toEqual([expect.stringContaining('no answer in 200 ms'), true]);
  expect(performance.now() - started).toBeLessThan(2_000);
});

test('an address without a token file does not start', async () => {
  const start = startTestInstance(undefined, { PORTARIUM_VAULT_ADDR: server.url });
  await expect(start).rejects.toThrow('PORTARIUM_VAULT_TOKEN_FILE');
});

test('an instance keeps its credentials in Vault from creation to revocation, and none in its own folder', async () => {
  const prefix = `portarium/${++prefixes}`;
  await using instance = await startTestInstance(undefined, {
    PORTARIUM_VAULT_ADDR: server.url,
    PORTARIUM_VAULT_TOKEN_FILE: tokenFile,
    PORTARIUM_VAULT_PREFIX: prefix,
  });
  const created = await send(instance, 'admin', 'POST', '/credentials', {
    ...{ name: 'kept', host: 'a.example.com', kind: 'bearer', value: SECRET },
  });
  const id = String(created.body.id);
  const rotated = await send(instance, 'admin', 'POST', `/credentials/${id}/rotate`, {
    value: `${SECRET}-2`,
  });
  expect([created.status, rotated.status]).toEqual([201, 200]);
  const path = `${prefix}/workspaces/local/credentials/${id}`;
  expect(await server.call('GET', `secret/data/${path}/2`)).toMatchObject({
    data: { data: { value: Buffer.from(`${SECRET}-2`).toString('base64') } },
  });
  const own = await readFile(
    join(instance.configuration.PORTARIUM_VAULT_DIR, 'vault.json'),
    'utf8',
  );
  expect([own.includes('log-signing-key'), own.includes(id)]).toEqual([true, false]);
  expect((await send(instance, 'admin', 'DELETE', `/credentials/${id}`)).status).toBe(204);
  await expect(server.call('GET', `secret/metadata/${path}/1`)).rejects.toThrow('404');
  await expect(server.call('GET', `secret/metadata/${path}?list=true`)).rejects.toThrow('404');
}, 60_000);
