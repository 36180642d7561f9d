import { afterAll, beforeAll, expect, test } from 'bun:test';
import { grantLedger, LEDGER_RULES, pushLedger, storeSecret } from '../testing/ledger-plugin.ts';
import { setPluginState } from '../testing/plugin-state.ts';
import { startTestInstance, type TestInstance } from '../testing/test-instance.ts';
import { verifyLog } from '../testing/verify-log.ts';
import { ask, send } from '../testing/writes.ts';

let instance: TestInstance;
beforeAll(async () => {
  instance = await startTestInstance();
  await storeSecret(instance);
  for (const version of ['1.0.0', '1.1.0']) await pushLedger(instance, version);
}, 60_000);
afterAll(async () => {
  await instance?.[Symbol.asyncDispose]();
});

const choose = (version: string, headers: Record<string, string> = {}, role = 'operator') =>
  instance.call('PUT', '/v1/workspaces/local/plugins/ledger/current', {
    role,
    json: { version, rationale: '1.1.0 double-counts' },
    headers,
  });

async function versions(): Promise<{ current: string; items: { version: string }[]; tag: string }> {
  const answer = await instance.call('GET', '/v1/workspaces/local/plugins/ledger/versions', {
    role: 'author',
  });
  const body = (await answer.json()) as { current: string; items: { version: string }[] };
  return { ...body, tag: answer.headers.get('etag') ?? '' };
}

const ranVersion = async (more: object = {}) =>
  ((await ask(instance, { id: 'x' }, more as never)) as unknown as { plugin: { version: string } })
    .plugin.version;

test('the newest version runs until another is chosen, and that one until a newer is uploaded', async () => {
  expect(await versions()).toMatchObject({
    current: '1.1.0',
    items: [{ version: '1.1.0' }, { version: '1.0.0' }],
    tag: '"0"',
  });
  expect(await ranVersion()).toBe('1.1.0');
  expect((await choose('1.0.0')).status).toBe(200);
  expect(await ranVersion()).toBe('1.0.0');
  expect(await ranVersion({ plugin: 'ledger@1.1.0' })).toBe('1.1.0');
  const shown = await send<{ version: string }>(instance, 'author', 'GET', '/plugins/ledger');
  expect(shown.body.version).toBe('1.0.0');
  await pushLedger(instance, '1.2.0');
  expect(await ranVersion()).toBe('1.2.0');
  expect(await versions()).toMatchObject({ current: '1.2.0', tag: '"2"' });
});

test('a choice names what it saw, a version that exists, and a reason; an agent chooses nothing', async () => {
  expect((await choose('1.0.0', { 'if-match': '"0"' })).status).toBe(412);
  const { tag } = await versions();
  const racers = await Promise.all(
    ['1.0.0', '1.1.0', '1.2.0'].map((version) => choose(version, { 'if-match': tag })),
  );
  expect(racers.map(({ status }) => status).toSorted()).toEqual([200, 412, 412]);
  expect((await choose('9.9.9')).status).toBe(422);
  expect((await choose('1.0.0', {}, 'agent')).status).toBe(403);
  const bare = await instance.call('PUT', '/v1/workspaces/local/plugins/ledger/current', {
    role: 'operator',
    json: { version: '1.0.0', rationale: ' ' },
  });
  expect(bare.status).toBe(422);
});

test('a version that may not run is not chosen, and one that was chosen before runs no more', async () => {
  await choose('1.1.0');
  await setPluginState(instance, 'quarantined', '1.1.0');
  expect((await versions()).current).toBe('1.1.0');
  // Somebody went back from 1.2.0: nothing goes there again until somebody says so.
  await expect(ranVersion()).rejects.toThrow('plugin.quarantined');
  expect(await ranVersion({ plugin: 'ledger@1.2.0' })).toBe('1.2.0');
  // What it may reach can be changed all the same.
  await grantLedger(instance, LEDGER_RULES);
  const refused = await choose('1.1.0');
  expect(refused.status).toBe(422);
  expect(await refused.text()).toContain('this version is quarantined');
  await setPluginState(instance, 'active', '1.1.0');
  expect((await versions()).current).toBe('1.1.0');
});

test('a choice is evidence with its reason, and an event; the log verifies', async () => {
  await choose('1.0.0');
  const { body } = await send<{ items: { entry: { type: string; data: object } }[] }>(
    instance,
    'auditor',
    'GET',
    '/evidence?limit=200',
  );
  const told = body.items.filter(({ entry }) => entry.type === 'plugin.current-set');
  expect(told.at(-1)?.entry.data).toMatchObject({
    name: 'ledger',
    version: '1.0.0',
    by: 'bootstrap-operator',
    rationale: '1.1.0 double-counts',
  });
  const report = await verifyLog(instance);
  expect([report.verdict, report.findings]).toEqual(['verified', []]);
});
