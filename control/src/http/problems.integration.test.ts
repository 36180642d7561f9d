import { afterAll, beforeAll, expect, test } from 'bun:test';
import type { Problem } from '@portarium/contracts/errors';
import { INSTANCE_WORKSPACE, type WorkspaceId } from '@portarium/contracts/ids';
import { connect } from '../infrastructure/postgres/connect.ts';
import {
  type CallOptions,
  startTestInstance,
  type TestInstance,
} from '../testing/test-instance.ts';
import { uploadForm } from '../testing/upload-form.ts';

let instance: TestInstance;
beforeAll(async () => {
  instance = await startTestInstance();
  await instance.call('POST', '/v1/workspaces', {
    role: 'admin',
    json: { id: 'other', name: 'Other' },
  });
  const pushed = await instance.call('POST', '/v1/workspaces/local/plugins', {
    role: 'author',
    body: uploadForm(),
  });
  expect(pushed.status).toBe(201);
}, 60_000);
afterAll(() => instance[Symbol.asyncDispose](), 30_000);

/** Rows of every table and entries of every log; whatever is stored changes it. */
/** Rows of every table but the one that counts requests. */
async function everythingStored(): Promise<string> {
  const sql = connect(instance.ownerUrl, { max: 1, name: 'test' });
  const tables =
    await sql`SELECT tablename FROM pg_tables WHERE schemaname = 'portarium' AND tablename <> 'rate_buckets' ORDER BY 1`;
  const counts: string[] = [];
  for (const { tablename } of tables) {
    const [row] = await sql`SELECT count(*) AS n FROM ${sql(`portarium.${tablename}`)}`;
    counts.push(`${tablename}=${row?.n}`);
  }
  await sql.end();
  return counts.join(' ');
}

const ACTIONS = '/v1/workspaces/local/actions';
const good = { plugin: 'echo', operation: 'echo', input: { text: 'a' } };

const CASES: readonly (readonly [
  name: string,
  status: number,
  code: string,
  method: string,
  path: string,
  options: CallOptions,
])[] = [
  [
    'malformed JSON',
    400,
    'request.malformed',
    'POST',
    ACTIONS,
    { role: 'operator', body: '{"plugin":', headers: { 'content-type': 'application/json' } },
  ],
  [
    'duplicate keys',
    400,
    'request.malformed',
    'POST',
    ACTIONS,
    {
      role: 'operator',
      body: '{"plugin":"echo","plugin":"x"}',
      headers: { 'content-type': 'application/json' },
    },
  ],
  [
    'an integer that JSON can not keep',
    400,
    'request.malformed',
    'POST',
    ACTIONS,
    {
      role: 'operator',
      body: '{"plugin":"echo","operation":"echo","input":9007199254740993}',
      headers: { 'content-type': 'application/json' },
    },
  ],
  [
    'bytes that are not UTF-8',
    400,
    'request.malformed',
    'POST',
    ACTIONS,
    {
      role: 'operator',
      body: new Uint8Array([0x22, 0xff, 0x22]),
      headers: { 'content-type': 'application/json' },
    },
  ],
  [
    'an unknown field',
    422,
    'input.invalid',
    'POST',
    ACTIONS,
    { role: 'operator', json: { ...good, tier: 'auto' } },
  ],
  [
    'a wrong type',
    422,
    'input.invalid',
    'POST',
    ACTIONS,
    { role: 'operator', json: { ...good, operation: 7 } },
  ],
  [
    'an input outside the schema',
    422,
    'input.invalid',
    'POST',
    ACTIONS,
    { role: 'operator', json: { ...good, input: { text: 7 } } },
  ],
  [
    'a missing input',
    422,
    'input.invalid',
    'POST',
    ACTIONS,
    { role: 'operator', json: { plugin: 'echo', operation: 'echo' } },
  ],
  [
    'an unusable Idempotency-Key',
    422,
    'input.invalid',
    'POST',
    ACTIONS,
    { role: 'operator', json: good, headers: { 'idempotency-key': 'a b' } },
  ],
  [
    'an oversized body',
    413,
    'body.too-large',
    'POST',
    '/v1/workspaces',
    { role: 'admin', json: { id: 'big', name: 'x'.repeat(300_000) } },
  ],
  [
    'an input over the plugin’s limit',
    413,
    'body.too-large',
    'POST',
    ACTIONS,
    { role: 'operator', json: { ...good, input: { text: 'x'.repeat(1_100_000) } } },
  ],
  [
    'another media type',
    415,
    'media.unsupported',
    'POST',
    ACTIONS,
    {
      role: 'operator',
      body: 'plugin=echo',
      headers: { 'content-type': 'application/x-www-form-urlencoded' },
    },
  ],
  [
    'an unknown plugin',
    404,
    'not-found',
    'POST',
    ACTIONS,
    { role: 'operator', json: { ...good, plugin: 'nobody' } },
  ],
  [
    'an unknown operation',
    404,
    'not-found',
    'POST',
    ACTIONS,
    { role: 'operator', json: { ...good, operation: 'shout' } },
  ],
  ['an unknown path', 404, 'not-found', 'GET', '/v1/nothing', { role: 'admin' }],
  ['an id of the wrong kind', 404, 'not-found', 'GET', `${ACTIONS}/key_1`, { role: 'admin' }],
  [
    'a tile with a line end in its path',
    404,
    'not-found',
    'GET',
    '/v1/workspaces/local/evidence/log/tile/y%0D%0Ax%E2%80%A8',
    { role: 'auditor' },
  ],
  ['an unknown method', 405, 'method.not-allowed', 'PATCH', ACTIONS, { role: 'admin' }],
  ['no key', 401, 'auth.missing', 'GET', ACTIONS, {}],
  [
    'a forged key',
    401,
    'auth.invalid',
    'GET',
    ACTIONS,
    { key: `ptk_key_${'0'.repeat(12)}7${'0'.repeat(3)}8${'0'.repeat(15)}_${'a'.repeat(64)}` },
  ],
  ['something that is no key', 401, 'auth.invalid', 'GET', ACTIONS, { key: 'hello' }],
  [
    'a role without the permission',
    403,
    'auth.forbidden',
    'POST',
    ACTIONS,
    { role: 'auditor', json: good },
  ],
  [
    'a foreign workspace',
    403,
    'auth.forbidden',
    'POST',
    '/v1/workspaces/other/actions',
    { role: 'operator', json: good },
  ],
  [
    'a foreign workspace that does not exist',
    403,
    'auth.forbidden',
    'GET',
    '/v1/workspaces/nowhere/actions',
    { role: 'operator' },
  ],
  [
    'a taken workspace id',
    409,
    'workspace.exists',
    'POST',
    '/v1/workspaces',
    { role: 'admin', json: { id: 'other', name: 'Again' } },
  ],
  [
    'a reserved workspace id',
    422,
    'input.invalid',
    'POST',
    '/v1/workspaces',
    { role: 'admin', json: { id: '_instance', name: 'Mine' } },
  ],
  [
    'a tier that is not there',
    422,
    'tenancy.unavailable',
    'POST',
    '/v1/workspaces',
    { role: 'admin', json: { id: 'tier-b', name: 'B', tenancyTier: 'B' } },
  ],
  [
    'a key that is born expired',
    422,
    'input.invalid',
    'POST',
    '/v1/workspaces/local/keys',
    {
      role: 'admin',
      json: { name: 'k', owner: 'o', role: 'agent', expiresAt: '2001-01-01T00:00:00Z' },
    },
  ],
  [
    'a host key asked for over the API',
    422,
    'input.invalid',
    'POST',
    '/v1/workspaces/local/keys',
    { role: 'admin', json: { name: 'k', owner: 'o', role: 'sandbox-host' } },
  ],
  [
    'an egress rule without a host',
    422,
    'input.invalid',
    'PUT',
    '/v1/workspaces/local/plugins/echo/egress',
    {
      role: 'operator',
      json: {
        rules: [{ id: 'a', methods: ['GET'], scheme: 'https', port: 443, path: '/' }],
        networks: [],
      },
    },
  ],
  [
    'a claim with a caller’s key',
    403,
    'auth.forbidden',
    'POST',
    '/internal/v1/claims',
    { role: 'admin', json: {} },
  ],
];

for (const [name, status, code, method, path, options] of CASES) {
  test(`${name} gets ${status} ${code} as a problem document, and nothing is stored`, async () => {
    const before = await everythingStored();
    const response = await instance.call(method, path, options);
    const problem = (await response.json()) as Problem;
    expect({ status: response.status, code: problem.code }).toEqual({ status, code } as never);
    expect(response.headers.get('content-type')).toBe('application/problem+json');
    expect(problem.trace).toMatch(/^[0-9a-f]{32}$/);
    expect(problem.hint.length).toBeGreaterThan(5);
    expect(JSON.stringify(problem)).not.toMatch(/\bat .*\.ts:\d|node_modules/);
    expect(await everythingStored()).toBe(before);
  });
}

test('a module that is not wasm is refused with findings, and only the refusal is evidence', async () => {
  const before = await everythingStored();
  const response = await instance.call('POST', '/v1/workspaces/local/plugins', {
    role: 'author',
    body: uploadForm({ version: '2.0.0', module: new TextEncoder().encode('hello') }),
  });
  const problem = (await response.json()) as Problem & {
    admission: { findings: { rule: string; hint: string }[] };
  };
  expect(response.status).toBe(422);
  expect(problem.code).toBe('plugin.not-admitted');
  expect(problem.admission.findings[0]?.hint.length).toBeGreaterThan(5);
  const after = await everythingStored();
  const entries = (text: string) => Number(/log_entries=(\d+)/.exec(text)?.[1]);
  expect(entries(after)).toBe(entries(before) + 1);
  expect(/ plugins=(\d+)/.exec(after)?.[1]).toBe(/ plugins=(\d+)/.exec(before)?.[1] ?? 'none');
});

test('an upload without its parts, or with others, names each part', async () => {
  const form = new FormData();
  form.set('surprise', 'x');
  const response = await instance.call('POST', '/v1/workspaces/local/plugins', {
    role: 'author',
    body: form,
  });
  const problem = (await response.json()) as Problem;
  expect(response.status).toBe(422);
  expect(problem.errors?.map((error) => error.pointer).sort()).toEqual([
    '/manifest',
    '/module',
    '/surprise',
  ]);
});

test('a revoked key and an expired key are refused', async () => {
  const create = async (json: Record<string, unknown>) => {
    const response = await instance.call('POST', '/v1/workspaces/local/keys', {
      role: 'admin',
      json: { name: 'k', owner: 'o', role: 'agent', ...json },
    });
    return (await response.json()) as { id: string; key: string };
  };
  const revoked = await create({});
  expect((await instance.call('GET', ACTIONS, { key: revoked.key })).status).toBe(200);
  expect(
    (await instance.call('DELETE', `/v1/workspaces/local/keys/${revoked.id}`, { role: 'admin' }))
      .status,
  ).toBe(204);
  expect((await instance.call('GET', ACTIONS, { key: revoked.key })).status).toBe(401);
  const short = await create({ expiresAt: new Date(Date.now() + 400).toISOString() });
  expect((await instance.call('GET', ACTIONS, { key: short.key })).status).toBe(200);
  await Bun.sleep(500);
  expect((await instance.call('GET', ACTIONS, { key: short.key })).status).toBe(401);
});

test('a key’s expiry that is no time is refused, however it looks', async () => {
  for (const expiresAt of ['0'.repeat(201), '2026-02-30T00:00:00Z', '0000-00-00T00:00:00Z', '']) {
    const response = await instance.call('POST', '/v1/workspaces/local/keys', {
      role: 'admin',
      json: { name: 'k', owner: 'o', role: 'agent', expiresAt },
    });
    expect([expiresAt, response.status]).toEqual([expiresAt, 422]);
  }
});

test('the same Idempotency-Key gives the same action once, and another body is refused', async () => {
  const send = (input: unknown) =>
    instance.call('POST', ACTIONS, {
      role: 'operator',
      json: { ...good, input },
      headers: { 'idempotency-key': 'order-1' },
    });
  const responses = await Promise.all([1, 2, 3, 4, 5].map(() => send({ text: 'a' })));
  const ids = new Set(
    await Promise.all(
      responses.map(async (response) => ((await response.json()) as { id: string }).id),
    ),
  );
  expect(ids.size).toBe(1);
  const again = await send({ text: 'b' });
  expect(again.status).toBe(422);
  expect(((await again.json()) as Problem).code).toBe('idempotency.mismatch');
  const requested = await instance.composed.context.store.read('local' as WorkspaceId, (tx) =>
    tx.listEntries({ after: -1, limit: 1000 }),
  );
  const texts = requested
    .map(({ bytes }) => new TextDecoder().decode(bytes))
    .filter((text) => text.includes('order-1'));
  expect(texts).toHaveLength(1);
});

test('the instance’s own log tells of bootstrap and workspaces', async () => {
  const entries = await instance.composed.context.store.read(INSTANCE_WORKSPACE, (tx) =>
    tx.listEntries({ after: -1, limit: 100 }),
  );
  const types = entries.map(
    ({ bytes }) => (JSON.parse(new TextDecoder().decode(bytes)) as { type: string }).type,
  );
  expect(types).toContain('instance.bootstrapped');
  expect(types.filter((type) => type === 'workspace.created').length).toBeGreaterThanOrEqual(2);
});
