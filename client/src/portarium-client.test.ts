import { expect, test } from 'bun:test';
import { toBase64 } from '@portarium/contracts/base64';
import { PortariumClient } from './portarium-client.ts';
import { ACTION, digest, failureOf, json, problem, scripted } from './testing/scripted.ts';

test('every request carries the key, and goes to the workspace', async () => {
  const { client, requests } = scripted(json(ACTION));
  const action = await client.actions.get(ACTION.id);
  expect(action).toEqual(ACTION as never);
  expect(requests[0]?.url).toBe(`http://127.0.0.1:3000/v1/workspaces/acme/actions/${ACTION.id}`);
  expect(requests[0]?.headers.get('authorization')).toBe('Bearer ptk_test');
  expect(requests[0]?.redirect).toBe('error');
});

test('an action is asked for with a wait and an Idempotency-Key, made when none is given', async () => {
  const { client, requests } = scripted(json(ACTION), json(ACTION, 202));
  const request = { plugin: 'p', operation: 'o', input: { a: 1 } };
  await client.actions.create(request, { waitSeconds: 5, idempotencyKey: 'k' });
  await client.actions.create(request);
  expect(requests[0]?.headers.get('prefer')).toBe('wait=5');
  expect(requests[0]?.headers.get('idempotency-key')).toBe('k');
  expect(await requests[0]?.json()).toEqual(request);
  expect(requests[1]?.headers.get('prefer')).toBeNull();
  expect(requests[1]?.headers.get('idempotency-key')).toMatch(/^[0-9a-f-]{36}$/);
});

test('an action is asked for again after 429, 503 and a lost answer, with the same key', async () => {
  const { client, requests, pauses } = scripted(
    problem('rate.limited', 429, { 'retry-after': '2' }),
    new TypeError('connection reset'),
    problem('unavailable', 503),
    json(ACTION),
  );
  await client.actions.create({ plugin: 'p', operation: 'o', input: null });
  const keys = requests.map((request) => request.headers.get('idempotency-key'));
  expect(keys).toHaveLength(4);
  expect(new Set(keys).size).toBe(1);
  expect(pauses).toEqual([2_000, 400, 800]);
});

test('what creates something without an Idempotency-Key is never sent twice', async () => {
  const lost = () => new TypeError('connection reset');
  const calls = [
    (client: PortariumClient) => client.keys.create({ name: 'n', owner: 'o', role: 'agent' }),
    (client: PortariumClient) => client.keys.revoke('key_1'),
    (client: PortariumClient) => client.plugins.push('{}', new Uint8Array()),
    (client: PortariumClient) => client.plugins.putEgress('p', { rules: [], networks: [] }),
    (client: PortariumClient) =>
      client.workspaces.create({ id: 'w1', name: 'W', tenancyTier: 'A' }),
  ];
  for (const call of calls) {
    const { client, requests } = scripted(lost());
    expect(await failureOf(call(client))).toMatchObject({ code: 'network', status: 0 });
    expect(requests).toHaveLength(1);
  }
});

test('retries end, and the last error is told', async () => {
  const answers = Array.from({ length: 4 }, () => problem('unavailable', 503));
  const { client, requests } = scripted(...answers);
  expect(await failureOf(client.actions.list())).toMatchObject({
    code: 'unavailable',
    status: 503,
  });
  expect(requests).toHaveLength(4);
});

test('a problem document becomes an error with everything that it says', async () => {
  const errors = [{ pointer: '/input/csv', message: 'this field is missing' }];
  const body = { code: 'input.invalid', detail: 'No.', hint: 'Do.', trace: 'ab', errors, more: 1 };
  const { client, requests } = scripted(json(body, 422));
  const error = await failureOf(client.actions.get('x'));
  expect(error).toMatchObject({
    status: 422,
    code: 'input.invalid',
    hint: 'Do.',
    trace: 'ab',
    errors,
  });
  expect(error.problem.more).toBe(1);
  expect(error.message).toBe(
    'No. /input/csv: this field is missing. Do. (input.invalid, trace ab)',
  );
  expect(requests).toHaveLength(1);
  const told = { ...body, detail: '/input/csv: this field is missing.' };
  const again = await failureOf(scripted(json(told, 422)).client.actions.get('x'));
  expect(again.message).toBe('/input/csv: this field is missing. Do. (input.invalid, trace ab)');
});

test('an answer that is no problem document, or of another shape, says so', async () => {
  const html = () => new Response('<html>', { status: 404 });
  expect(await failureOf(scripted(html()).client.health())).toMatchObject({
    code: 'answer.unexpected',
    status: 404,
  });
  const other = json({ ...ACTION, state: 'dancing' });
  const error = await failureOf(scripted(other).client.actions.get('x'));
  expect(error.message).toContain('state');
});

test('lists are read page by page', async () => {
  const { client, requests } = scripted(
    json({ items: [ACTION], next: ACTION.id }),
    json({ items: [{ ...ACTION, id: 'b' }] }),
  );
  const ids: string[] = [];
  for await (const action of client.actions.all({ state: 'succeeded' })) ids.push(action.id);
  expect(ids).toEqual([ACTION.id, 'b']);
  expect(new URL(requests[1]?.url ?? '').search).toBe(`?state=succeeded&cursor=${ACTION.id}`);
});

test('waiting ends with the outcome, or with a timeout', async () => {
  const running = () => json({ ...ACTION, state: 'running' });
  const { client, pauses } = scripted(running(), running(), json(ACTION));
  expect((await client.actions.waitFor(ACTION.id)).state).toBe('succeeded');
  expect(pauses).toEqual([500, 500]);
  const slow = scripted(running(), running(), running());
  const error = await failureOf(slow.client.actions.waitFor(ACTION.id, { timeoutMs: 1_000 }));
  expect(error).toMatchObject({ code: 'timeout' });
});

test('a plugin is uploaded as manifest and module', async () => {
  const plugin = { name: 'p', version: '1.0.0', digest, state: 'active', admission: {} };
  const { client, requests } = scripted(json(plugin, 201));
  await client.plugins.push({ name: 'p' }, new Uint8Array([0, 97, 115, 109]));
  const form = (await requests[0]?.formData()) ?? new FormData();
  const module = form.get('module') as Blob;
  expect(module.type).toBe('application/wasm');
  expect([...new Uint8Array(await module.arrayBuffer())]).toEqual([0, 97, 115, 109]);
  expect(await (form.get('manifest') as Blob).text()).toBe('{"name":"p"}');
});

test('attempts come with their logs, and keys of the instance from its own path', async () => {
  const attempt = {
    id: 'att_1',
    fence: 1,
    host: 'h',
    isolation: 'process',
    engine: 'e',
    startedAt: '2026-01-01T00:00:00.000Z',
    logs: [{ level: 'info', message: 'hello' }],
  };
  const { client, requests } = scripted(
    json({ items: [attempt] }),
    json({ items: [] }),
    new Response(null, { status: 204 }),
    json({ items: [] }),
  );
  expect((await client.actions.attempts('act_1'))[0]?.logs).toEqual(attempt.logs);
  await client.keys.list({ instance: true });
  await client.keys.revoke('key_1', { instance: true });
  await client.keys.list();
  expect(requests.map(({ method, url }) => `${method} ${new URL(url).pathname}`)).toEqual([
    'GET /v1/workspaces/acme/actions/act_1/attempts',
    'GET /v1/keys',
    'DELETE /v1/keys/key_1',
    'GET /v1/workspaces/acme/keys',
  ]);
});

test('entries come as exact bytes', async () => {
  const entry = {
    v: 1,
    workspace: 'acme',
    seq: 0,
    time: '2026-01-01T00:00:00.000Z',
    type: 'workspace.created',
    actor: { kind: 'system', id: 'control' },
    subject: {},
    data: {},
    artifacts: [],
    trace: null,
    prev: null,
  };
  const item = { seq: 0, hash: digest, bytes: toBase64(new Uint8Array([1, 255])), entry };
  const { client, requests } = scripted(json({ items: [item], next: 0 }));
  const page = await client.evidence.page({ after: 3, limit: 1 });
  expect([...(page.items[0]?.bytes ?? [])]).toEqual([1, 255]);
  expect(page.next).toBe(0);
  expect(new URL(requests[0]?.url ?? '').search).toBe('?after=3&limit=1');
});

test('readiness tells reasons instead of failing', async () => {
  const { client } = scripted(new TypeError('refused'));
  expect(await client.readiness()).toMatchObject({ ready: false });
  const starting = scripted(json({ ready: false, reasons: ['database: away'] }, 503));
  expect(await starting.client.readiness()).toEqual({ ready: false, reasons: ['database: away'] });
});

test('an address that is none is refused at once', () => {
  for (const url of ['', 'localhost:3000', 'ftp://x', 'http://']) {
    expect(() => new PortariumClient({ url, key: 'k', workspace: 'w' })).toThrow(RangeError);
  }
});
