import { afterAll, beforeAll, expect, test } from 'bun:test';
import { pushLedger, storeSecret } from '../testing/ledger-plugin.ts';
import { startTestInstance, type TestInstance } from '../testing/test-instance.ts';
import { ask, decide } from '../testing/writes.ts';

let instance: TestInstance;
beforeAll(async () => {
  instance = await startTestInstance();
}, 60_000);
afterAll(async () => {
  await instance?.[Symbol.asyncDispose]();
});

const RULES = '/v1/workspaces/local/approval-rules';
const rules = (quorum: number) => ({
  quorum,
  roles: ['approver'],
  decideWithinMs: 60_000,
  executeWithinMs: 60_000,
});

function put(quorum: number, ifMatch?: string): Promise<Response> {
  const headers = ifMatch === undefined ? {} : { 'if-match': ifMatch };
  return instance.call('PUT', RULES, { role: 'admin', json: rules(quorum), headers });
}

test('a change that names an older state is refused and changes nothing', async () => {
  const first = await instance.call('GET', RULES, { role: 'admin' });
  expect(first.headers.get('etag')).toBe('"0"');
  const changed = await put(2, '"0"');
  expect(changed.status).toBe(200);
  expect(changed.headers.get('etag')).toBe('"1"');
  const late = await put(3, '"0"');
  expect(late.status).toBe(412);
  expect(((await late.json()) as { code: string }).code).toBe('precondition.failed');
  const now = await instance.call('GET', RULES, { role: 'admin' });
  expect(now.headers.get('etag')).toBe('"1"');
  expect(((await now.json()) as { quorum: number }).quorum).toBe(2);
});

test('of many changes that name the same state one wins, the first one of all too', async () => {
  const tag = (await instance.call('GET', RULES, { role: 'admin' })).headers.get('etag') ?? '';
  const racers = await Promise.all(Array.from({ length: 8 }, (_, i) => put(i + 1, tag)));
  expect(racers.filter(({ status }) => status === 200)).toHaveLength(1);
  expect(racers.filter(({ status }) => status === 412)).toHaveLength(7);
  await instance.call('POST', '/v1/workspaces', {
    role: 'admin',
    json: { id: 'fresh', name: 'F' },
  });
  const fresh = '/v1/workspaces/fresh/approval-rules';
  const first = await Promise.all(
    Array.from({ length: 8 }, (_, i) =>
      instance.call('PUT', fresh, {
        role: 'admin',
        json: rules(i + 1),
        headers: { 'if-match': '"0"' },
      }),
    ),
  );
  expect(first.filter(({ status }) => status === 200)).toHaveLength(1);
});

test('no header and * match whatever is there; several tags match by one; weak and broken ones do not', async () => {
  expect((await put(1)).status).toBe(200);
  expect((await put(1, '*')).status).toBe(200);
  const tag = (await instance.call('GET', RULES, { role: 'admin' })).headers.get('etag');
  expect((await put(1, `"nothing", ${tag}`)).status).toBe(200);
  const next = (await instance.call('GET', RULES, { role: 'admin' })).headers.get('etag');
  expect((await put(1, `W/${next}`)).status).toBe(412);
  const broken = await put(1, 'three');
  expect(broken.status).toBe(422);
  expect(((await broken.json()) as { errors: unknown }).errors).toEqual([
    { pointer: 'If-Match', message: 'expected an entity tag in quotes, as ETag has it, or *' },
  ]);
});

test('a credential is rotated and revoked as it was seen, or not at all', async () => {
  const made = await instance.call('POST', '/v1/workspaces/local/credentials', {
    role: 'admin',
    json: {
      name: 'payments',
      host: 'api.example.com',
      kind: 'bearer',
      value: 'a-secret-of-a-test',
    },
  });
  const { id } = (await made.json()) as { id: string };
  const path = `/v1/workspaces/local/credentials/${id}`;
  const first = made.headers.get('etag') ?? '';
  const rotate = (ifMatch: string) =>
    instance.call('POST', `${path}/rotate`, {
      role: 'admin',
      json: { value: 'another-secret-of-a-test' },
      headers: { 'if-match': ifMatch },
    });
  const rotated = await rotate(first);
  expect(rotated.status).toBe(200);
  expect((await rotate(first)).status).toBe(412);
  const revoke = (ifMatch: string) =>
    instance.call('DELETE', path, { role: 'admin', headers: { 'if-match': ifMatch } });
  expect((await revoke(first)).status).toBe(412);
  const shown = await instance.call('GET', path, { role: 'auditor' });
  expect(shown.headers.get('etag')).toBe(rotated.headers.get('etag'));
  expect(JSON.stringify(await shown.json())).not.toContain('secret');
  expect((await revoke(rotated.headers.get('etag') ?? '')).status).toBe(204);
});

test('an action is cancelled as it was seen, or not at all', async () => {
  await storeSecret(instance);
  await pushLedger(instance);
  const action = await ask(instance);
  const path = `/v1/workspaces/local/actions/${action.id}`;
  const tag = async () =>
    (await instance.call('GET', path, { role: 'operator' })).headers.get('etag') ?? '';
  const seen = await tag();
  await decide(instance, action);
  expect(await tag()).not.toBe(seen);
  const cancel = (ifMatch: string) =>
    instance.call('POST', `${path}/cancel`, {
      role: 'operator',
      json: {},
      headers: { 'if-match': ifMatch },
    });
  expect((await cancel(seen)).status).toBe(412);
  expect((await cancel(await tag())).status).toBe(200);
});

test('a grant is made for the version and the rules that were seen', async () => {
  const path = '/v1/workspaces/local/plugins/ledger/egress';
  const seen = (await instance.call('GET', path, { role: 'operator' })).headers.get('etag') ?? '';
  const grant = () =>
    instance.call('PUT', path, {
      role: 'operator',
      json: { rules: [], networks: [] },
      headers: { 'if-match': seen },
    });
  expect((await grant()).status).toBe(200);
  expect((await grant()).status).toBe(412);
});
