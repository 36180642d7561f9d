import { afterAll, beforeAll, expect, test } from 'bun:test';
import { effectiveLimits } from '@portarium/contracts/limits';
import * as host from '../testing/as-host.ts';
import { pushLedger } from '../testing/ledger-plugin.ts';
import { startTestInstance, type TestInstance } from '../testing/test-instance.ts';
import { uploadForm } from '../testing/upload-form.ts';
import { ask, decide, send } from '../testing/writes.ts';

/** The plugin `ledger` asks for these. */
const ASKED = { wallMs: 60_000, memoryMiB: 32 };

let instance: TestInstance;
beforeAll(async () => {
  instance = await startTestInstance();
  await pushLedger(instance, '1.0.0', undefined, ASKED);
  const form = { role: 'author', body: uploadForm() };
  await instance.call('POST', '/v1/workspaces/local/plugins', form);
}, 60_000);
afterAll(() => instance[Symbol.asyncDispose](), 30_000);

const put = (limits: unknown, role = 'admin') => send(instance, role, 'PUT', '/limits', limits);

async function echo(text = 'a') {
  const wanted = { plugin: 'echo', operation: 'echo', input: { text } };
  return send<{ id: string; detail?: string }>(instance, 'operator', 'POST', '/actions', wanted);
}

test('the lower of plugin, workspace and platform is fixed when an action is requested', async () => {
  expect(await put({ wallMs: 2_000, memoryMiB: 128, logLines: 5 })).toMatchObject({ status: 200 });
  const { id } = await ask(instance);
  const lower = { wallMs: 2_000, memoryMiB: 32, logLines: 5 };
  const { body } = await send(instance, 'operator', 'GET', `/actions/${id}`);
  expect(body.limits).toEqual({ ...effectiveLimits({}), ...lower });
  // Later limits are for later actions.
  const first = await echo();
  await put({ wallMs: 3_000 });
  const order = await host.claimed(instance, first.body.id);
  expect(order.limits).toEqual({ ...effectiveLimits({}), wallMs: 2_000, logLines: 5 });
  const next = await host.claimed(instance, (await echo()).body.id);
  expect(next.limits).toEqual({ ...effectiveLimits({}), wallMs: 3_000 });
});

test('an input above the workspace’s limit is refused with 413', async () => {
  await put({ inputBytes: 100 });
  expect(await echo('x'.repeat(200))).toMatchObject({ status: 413 });
  expect(await echo('x')).toMatchObject({ status: 202 });
  await put({});
  expect(await echo('x'.repeat(200))).toMatchObject({ status: 202 });
});

test('a change of limits voids what was approved under others', async () => {
  await put({});
  const action = await ask(instance);
  expect((await decide(instance, action)).status).toBe(200);
  await put({ wallMs: 1_000 });
  const claim = await host.claim(instance, action.id);
  expect(claim.body).toEqual({ status: 'finished', state: 'failed' });
  await put({});
});

test('only an administrator changes them, within the platform’s, and the log says so', async () => {
  for (const role of ['operator', 'approver', 'auditor', 'author', 'agent']) {
    expect((await put({ wallMs: 1 }, role)).status, role).toBe(403);
    expect((await send(instance, role, 'GET', '/limits')).status, role).toBe(200);
  }
  for (const bad of [[], { wallMs: 0 }, { wallMs: 900_001 }, { wallS: 1 }, { cpuMs: '5' }]) {
    expect((await put(bad)).status, JSON.stringify(bad)).toBe(422);
  }
  const before = (await put({ cpuMs: 1_000 })).body.revision as number;
  const again = await instance.call('PUT', '/v1/workspaces/local/limits', {
    role: 'admin',
    json: {},
    headers: { 'if-match': `"${before - 1}"` },
  });
  expect(again.status).toBe(412);
  const { body } = await send<{ items: { entry: { type: string; data: unknown } }[] }>(
    instance,
    'auditor',
    'GET',
    '/evidence?limit=200',
  );
  const told = body.items.filter(({ entry }) => entry.type === 'workspace-limits.changed');
  expect(told.at(-1)?.entry.data).toEqual({ limits: { cpuMs: 1_000 }, revision: before });
});
