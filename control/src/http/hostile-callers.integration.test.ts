import { afterAll, beforeAll, expect, test } from 'bun:test';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import type { EgressCall, WorkOrder } from '@portarium/contracts/internal-api';
import { PLATFORM_LIMITS } from '@portarium/contracts/limits';
import { readTar } from '@portarium/contracts/tar';
import { connect } from '../infrastructure/postgres/connect.ts';
import * as host from '../testing/as-host.ts';
import { pushLedger } from '../testing/ledger-plugin.ts';
import { startTestInstance, type TestInstance } from '../testing/test-instance.ts';
import { uploadForm } from '../testing/upload-form.ts';
import { answered } from '../testing/writes.ts';

let instance: TestInstance;
beforeAll(async () => {
  instance = await startTestInstance();
  for (const id of ['tena', 'tenb']) {
    await instance.call('POST', '/v1/workspaces', { role: 'admin', json: { id, name: id } });
  }
  await instance.call('POST', '/v1/workspaces/local/plugins', {
    role: 'author',
    body: uploadForm(),
  });
}, 60_000);
afterAll(() => instance[Symbol.asyncDispose](), 30_000);

const good = { plugin: 'echo', operation: 'echo', input: { text: 'a' } };
const ACTIONS = '/v1/workspaces/local/actions';

async function claimed(): Promise<{ id: string; order: WorkOrder }> {
  const asked = await instance.call('POST', ACTIONS, { role: 'operator', json: good });
  const { id } = (await asked.json()) as { id: string };
  return { id, order: await host.claimed(instance, id) };
}

const report = (order: WorkOrder, what: 'outcome' | 'heartbeat', json: unknown) =>
  host.report(instance, order, what, json);

function objects(): number {
  try {
    return readdirSync(join(instance.configuration.PORTARIUM_EVIDENCE_DIR, 'local', 'sha256'))
      .length;
  } catch {
    return 0;
  }
}

const call = (change: Partial<EgressCall>): EgressCall => ({
  call: 0,
  method: 'GET',
  scheme: 'https',
  host: 'a.example',
  port: 443,
  path: '/',
  verdict: 'denied',
  reason: 'no',
  layer: 'plugin',
  requestDigest: `sha256:${'0'.repeat(64)}`,
  bytesOut: 0,
  bytesIn: 0,
  ms: 1,
  ...change,
});

test('an output that can not be told of is still final at its first report', async () => {
  for (const output of [
    '{"\\ud800":1}',
    '{"\\u0000k":1,"\\u0000k":2}',
    JSON.stringify({ ['k'.repeat(200_000)]: '\ud800' }),
    '\u0000',
  ]) {
    const { id, order } = await claimed();
    const answer = await report(order, 'outcome', {
      verdict: 'succeeded',
      output: Buffer.from(output).toString('base64'),
      usage: host.USAGE,
      calls: [],
    });
    expect([answer.status, answer.body.again]).toEqual([200, false]);
    const action = (await (
      await instance.call('GET', `${ACTIONS}/${id}`, { role: 'operator' })
    ).json()) as { state: string; error: { code: string } };
    expect([action.state, action.error.code]).toEqual(['failed', 'output.invalid']);
  }
});

test('an error message that a guest wrote is cleaned and cut, in the row and in the entry', async () => {
  const { id, order } = await claimed();
  const message = `\u0007\u202e${'x'.repeat(4_000)}`;
  expect(
    (
      await report(order, 'outcome', {
        verdict: 'failed',
        error: { code: 'guest.error', message },
        usage: host.USAGE,
        logs: [{ level: 'info', message: 'a\u0000b' }],
        calls: [],
      })
    ).status,
  ).toBe(200);
  const text = await (
    await instance.call('GET', `/v1/workspaces/local/evidence?action=${id}`, { role: 'auditor' })
  ).text();
  expect(text).not.toContain('\\u0007');
  const attempts = (await (
    await instance.call('GET', `${ACTIONS}/${id}/attempts`, { role: 'operator' })
  ).json()) as { items: { error: { message: string }; logs: unknown[] }[] };
  expect(attempts.items[0]?.error.message.length).toBeLessThanOrEqual(1_000);
  expect(attempts.items[0]?.logs).toEqual([{ level: 'info', message: 'ab' }]);
});

test('a call that is reported twice must say the same, and stands once in journal and evidence', async () => {
  const { id, order } = await claimed();
  expect((await report(order, 'heartbeat', { calls: [call({})] })).status).toBe(200);
  expect((await report(order, 'heartbeat', { calls: [call({})] })).status).toBe(200);
  expect((await report(order, 'heartbeat', { calls: [call({ host: 'b.example' })] })).status).toBe(
    409,
  );
  const twice = await report(order, 'heartbeat', {
    calls: [call({ call: 1 }), call({ call: 1, host: 'c.example' })],
  });
  expect(twice.status).toBe(422);
  const { items } = (await (
    await instance.call('GET', `/v1/workspaces/local/evidence?action=${id}`, { role: 'auditor' })
  ).json()) as { items: { entry: { type: string } }[] };
  expect(items.filter(({ entry }) => entry.type === 'egress.denied')).toHaveLength(1);
});

test('the bundle holds the journal of an attempt under the digest that its entry names', async () => {
  await pushLedger(instance);
  const json = { plugin: 'ledger', operation: 'look', input: {} };
  const asked = await instance.call('POST', ACTIONS, { role: 'operator', json });
  const { id } = (await asked.json()) as { id: string };
  const order = await host.claimed(instance, id);
  const look = { rule: 'look', method: 'GET' };
  const first = await answered(look, '', { status: 204 });
  // A record is worth as much as its replay: the body has to come with it.
  expect((await report(order, 'heartbeat', { calls: first.calls })).status).toBe(409);
  expect((await report(order, 'heartbeat', first)).status).toBe(200);
  await report(order, 'outcome', {
    verdict: 'succeeded',
    output: btoa('{}'),
    usage: host.USAGE,
    calls: (await answered({ ...look, number: 1 }, '')).calls,
  });
  const { items } = (await (
    await instance.call('GET', `/v1/workspaces/local/evidence?action=${id}`, { role: 'auditor' })
  ).json()) as { items: { entry: { type: string; data: { journalDigest?: string } } }[] };
  const digest =
    items.find(({ entry }) => entry.type === 'attempt.finished')?.entry.data.journalDigest ?? '';
  const bundle = readTar(
    new Uint8Array(
      await (
        await instance.call('GET', `/v1/workspaces/local/evidence/export?action=${id}`, {
          role: 'auditor',
        })
      ).arrayBuffer(),
    ),
  );
  if (!bundle.ok) throw new Error(bundle.error);
  const journal = JSON.parse(
    new TextDecoder().decode(bundle.files.get(`artifacts/sha256/${digest.slice(7)}`)),
  ) as EgressCall[];
  expect(journal.map(({ call: number, status }) => [number, status])).toEqual([
    [0, 204],
    [1, 200],
  ]);
});

test('one module with two manifests is judged by each manifest, in each workspace', async () => {
  const upload = (type: string) => {
    const form = uploadForm();
    const operation = {
      name: 'pay',
      export: 'echo',
      effect: 'read',
      input: { type: 'object', properties: { amount: { type, 'x-policy': true } } },
    };
    form.set(
      'manifest',
      new Blob([
        JSON.stringify({ schema: 1, name: 'pay', version: '1.0.0', operations: [operation] }),
      ]),
    );
    return form;
  };
  const ask = async (workspace: string, amount: unknown) => {
    const response = await instance.call('POST', `/v1/workspaces/${workspace}/actions`, {
      role: 'admin',
      json: { plugin: 'pay', operation: 'pay', input: { amount } },
    });
    return ((await response.json()) as { state: string }).state;
  };
  for (const [workspace, type] of [
    ['tena', 'string'],
    ['tenb', 'number'],
  ] as const) {
    expect(
      (
        await instance.call('POST', `/v1/workspaces/${workspace}/plugins`, {
          role: 'admin',
          body: upload(type),
        })
      ).status,
    ).toBe(201);
  }
  expect([await ask('tena', 'five'), await ask('tenb', 5), await ask('tenb', 5.5)]).toEqual([
    'dispatched',
    'dispatched',
    'dispatched',
  ]);
});

test('what policy could not judge is told without quoting the input', async () => {
  const form = uploadForm();
  const operation = {
    name: 'pay',
    export: 'echo',
    effect: 'read',
    input: { type: 'object', properties: { to: { 'x-policy': true } } },
  };
  form.set(
    'manifest',
    new Blob([
      JSON.stringify({ schema: 1, name: 'quiet', version: '1.0.0', operations: [operation] }),
    ]),
  );
  await instance.call('POST', '/v1/workspaces/local/plugins', { role: 'author', body: form });
  for (const to of [
    ['secret-value-1'],
    { __entity: { type: 'Principal', id: 'secret-value-2' } },
    'secret-value-3'.repeat(10_000),
  ]) {
    const response = await instance.call('POST', ACTIONS, {
      role: 'operator',
      json: { plugin: 'quiet', operation: 'pay', input: { to } },
    });
    expect(((await response.json()) as { state: string }).state).toBe('denied');
  }
  const log = await (
    await instance.call('GET', '/v1/workspaces/local/evidence?limit=200', { role: 'auditor' })
  ).text();
  expect(log).not.toContain('secret-value');
});

test('a repeated request is answered before anything is planned anew', async () => {
  const name = { name: 'again' };
  await instance.call('POST', '/v1/workspaces/local/plugins', {
    role: 'author',
    body: uploadForm(name),
  });
  const send = () =>
    instance.call('POST', ACTIONS, {
      role: 'operator',
      json: { ...good, plugin: 'again' },
      headers: { 'idempotency-key': 'again-1' },
    });
  const first = (await (await send()).json()) as { id: string };
  const form = uploadForm({ ...name, version: '2.0.0' });
  const stricter = {
    name: 'echo',
    export: 'echo',
    effect: 'read',
    input: { type: 'object', required: ['b'] },
  };
  form.set(
    'manifest',
    new Blob([
      JSON.stringify({ schema: 1, name: 'again', version: '2.0.0', operations: [stricter] }),
    ]),
  );
  expect(
    (await instance.call('POST', '/v1/workspaces/local/plugins', { role: 'author', body: form }))
      .status,
  ).toBe(201);
  const before = objects();
  const second = await send();
  expect([second.status, ((await second.json()) as { id: string }).id]).toEqual([202, first.id]);
  expect(objects()).toBe(before);
});

test('a key that is revoked while its body is on the way asks for nothing and changes nothing', async () => {
  const requests: readonly [string, string, object][] = [
    ['POST', ACTIONS, good],
    ['PUT', '/v1/workspaces/local/plugins/echo/egress', { rules: [], networks: ['loopback'] }],
    ['POST', '/v1/workspaces/local/keys', { name: 'next', owner: 'eve', role: 'admin' }],
    [
      'PUT',
      '/v1/workspaces/local/approval-rules',
      { quorum: 1, roles: ['admin'], decideWithinMs: 60_000, executeWithinMs: 60_000 },
    ],
    [
      'POST',
      '/v1/workspaces/local/credentials',
      { name: 'late', host: 'a.example', kind: 'bearer', value: 'a-secret-that-came-too-late' },
    ],
  ];
  for (const [method, path, json] of requests) {
    const created = (await (
      await instance.call('POST', '/v1/workspaces/local/keys', {
        role: 'admin',
        json: { name: 'slow', owner: 'eve', role: 'admin' },
      })
    ).json()) as { id: string; key: string };
    const rest = Promise.withResolvers<void>();
    const text = new TextEncoder().encode(JSON.stringify(json));
    const body = new ReadableStream<Uint8Array>({
      async start(controller) {
        controller.enqueue(text.subarray(0, 10));
        await rest.promise;
        controller.enqueue(text.subarray(10));
        controller.close();
      },
    });
    const pending = instance.call(method, path, {
      key: created.key,
      body: body as unknown as BodyInit,
      headers: { 'content-type': 'application/json' },
    });
    await Bun.sleep(100);
    const revoked = await instance.call('DELETE', `/v1/workspaces/local/keys/${created.id}`, {
      role: 'admin',
    });
    expect(revoked.status).toBe(204);
    rest.resolve();
    expect((await pending).status, `${method} ${path}`).toBe(401);
  }
});

test('a key and its evidence, and a revocation and its evidence, are stored together', async () => {
  const count = async (type: string) => {
    const text = await (
      await instance.call('GET', '/v1/workspaces/tena/evidence?limit=200', { role: 'admin' })
    ).text();
    return text.split(`"type":"${type}"`).length - 1;
  };
  const bad = await instance.call('POST', '/v1/workspaces/tena/keys', {
    role: 'admin',
    json: { name: 'a\u0000b', owner: 'o', role: 'agent' },
  });
  expect([bad.status, await count('key.created')]).toEqual([422, 0]);
  const { id } = (await (
    await instance.call('POST', '/v1/workspaces/tena/keys', {
      role: 'admin',
      json: { name: 'k', owner: 'o', role: 'agent' },
    })
  ).json()) as { id: string };
  const ends = await Promise.all(
    [1, 2, 3].map(() =>
      instance.call('DELETE', `/v1/workspaces/tena/keys/${id}`, { role: 'admin' }),
    ),
  );
  expect(ends.map(({ status }) => status).sort()).toEqual([204, 404, 404]);
  expect([await count('key.created'), await count('key.revoked')]).toEqual([1, 1]);
});

test('keys of the whole instance can be listed and revoked, and only by their like', async () => {
  const list = (await (await instance.call('GET', '/v1/keys', { role: 'admin' })).json()) as {
    items: { id: string; role: string }[];
  };
  expect(list.items.map(({ role }) => role).sort()).toEqual(['admin', 'sandbox-host']);
  const bound = (await (
    await instance.call('POST', '/v1/workspaces/local/keys', {
      role: 'admin',
      json: { name: 'k', owner: 'o', role: 'admin' },
    })
  ).json()) as { key: string };
  expect((await instance.call('GET', '/v1/keys', { key: bound.key })).status).toBe(403);
  expect(
    (await instance.call('DELETE', `/v1/keys/${list.items[0]?.id}`, { key: bound.key })).status,
  ).toBe(403);
});

test('a workspace is there with its policy or not at all, also when two ask for it', async () => {
  const create = () =>
    instance.call('POST', '/v1/workspaces', {
      role: 'admin',
      json: { id: 'twice', name: 'Twice' },
    });
  const ends = await Promise.all([create(), create(), create()]);
  expect(ends.map(({ status }) => status).sort()).toEqual([201, 409, 409]);
  const owner = connect(instance.ownerUrl, { max: 1, name: 'test' });
  const [row] =
    await owner`SELECT (SELECT count(*) FROM portarium.policies WHERE workspace_id = 'twice') AS policies, (SELECT count(*) FROM portarium.log_entries WHERE workspace_id = 'twice') AS entries`;
  await owner.end();
  expect([Number(row?.policies), Number(row?.entries)]).toEqual([1, 2]);
});

test('a refused upload of an existing version, and a report that comes too late, store no object', async () => {
  const form = uploadForm({ module: new Uint8Array([...(await wasmWithName('other'))]) });
  const before = objects();
  expect(
    (await instance.call('POST', '/v1/workspaces/local/plugins', { role: 'author', body: form }))
      .status,
  ).toBe(409);
  expect(objects()).toBe(before);
  const { order } = await claimed();
  await report(order, 'outcome', {
    verdict: 'succeeded',
    output: btoa('{"first":1}'),
    usage: host.USAGE,
    calls: [],
  });
  const after = objects();
  await report(order, 'outcome', {
    verdict: 'succeeded',
    output: btoa('{"late":1}'),
    usage: host.USAGE,
    calls: [],
  });
  expect(objects()).toBe(after);
});

/** The echo module with a custom section, so that its bytes differ. */
async function wasmWithName(name: string): Promise<Uint8Array> {
  const { ECHO_MODULE } = await import('../testing/upload-form.ts');
  const text = new TextEncoder().encode(name);
  return new Uint8Array([...ECHO_MODULE, 0, text.length + 1, text.length, ...text]);
}

test('one key that waits with many requests is refused beyond its share, and others go on', async () => {
  const waiting = Array.from({ length: PLATFORM_LIMITS.requestsPerKey + 20 }, () =>
    instance.call('POST', ACTIONS, { role: 'agent', json: good, headers: { prefer: 'wait=4' } }),
  );
  await Bun.sleep(1_500);
  const started = performance.now();
  expect((await instance.call('GET', ACTIONS, { role: 'operator' })).status).toBe(200);
  expect(performance.now() - started).toBeLessThan(3_000);
  const statuses = await Promise.all(waiting.map(async (response) => (await response).status));
  expect(statuses.filter((status) => status === 429)).toHaveLength(20);
  expect((await instance.call('GET', ACTIONS, { role: 'agent' })).status).toBe(200);
}, 60_000);

test('connections that PostgreSQL ends under load fail their requests and nothing else', async () => {
  const owner = connect(instance.ownerUrl, { max: 1, name: 'test' });
  let running = true;
  const statuses = new Map<number, number>();
  const lanes = Array.from({ length: 20 }, async () => {
    while (running) {
      const { status } = await instance.call('POST', ACTIONS, { role: 'operator', json: good });
      statuses.set(status, (statuses.get(status) ?? 0) + 1);
    }
  });
  try {
    for (let i = 0; i < 6; i++) {
      await Bun.sleep(250);
      await owner`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'portarium-control'`;
    }
  } finally {
    running = false;
    await Promise.all(lanes);
    await owner.end();
  }
  expect([...statuses.keys()].filter((status) => status !== 202 && status !== 503)).toEqual([]);
  // The pool finds the last of those that ended only when it asks them.
  const asked: number[] = [];
  while (asked.at(-1) !== 202 && asked.length < 40) {
    const { status } = await instance.call('POST', ACTIONS, { role: 'operator', json: good });
    asked.push(status);
  }
  expect([...new Set(asked)].filter((status) => status !== 503)).toEqual([202]);
}, 60_000);
