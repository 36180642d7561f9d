import { afterAll, beforeAll, expect, test } from 'bun:test';
import type { EgressRule } from '@portarium/contracts/egress-rule';
import { drawVersion } from '@portarium/contracts/rollout';
import { LEDGER_RULES, pushPlugin } from '../testing/ledger-plugin.ts';
import { startTestInstance, type TestInstance } from '../testing/test-instance.ts';
import { ECHO_MODULE } from '../testing/upload-form.ts';
import { verifyLog } from '../testing/verify-log.ts';
import { type Answer, send } from '../testing/writes.ts';

let instance: TestInstance;
beforeAll(async () => {
  instance = await startTestInstance();
}, 60_000);
afterAll(async () => {
  await instance?.[Symbol.asyncDispose]();
});

const LOOK = LEDGER_RULES[0] as EgressRule;
let names = 0;
/** A plugin for each test, with these versions, uploaded in that order; each of them may run. */
async function plugin(versions: Readonly<Record<string, readonly EgressRule[]>>): Promise<string> {
  const name = `rolled-${names++}`;
  for (const [version, egress] of Object.entries(versions)) {
    await pushPlugin(instance, { name, version, egress });
  }
  return name;
}

/** @returns the state in which the version is then */
async function upload(
  name: string,
  version: string,
  egress: readonly EgressRule[],
): Promise<string> {
  const form = new FormData();
  const operations = ['write', 'look', 'wipe'].map((one, i) => ({
    ...{ name: one, export: 'echo', effect: ['write', 'read', 'destructive'][i] },
  }));
  form.set('manifest', JSON.stringify({ schema: 1, name, version, egress, operations }));
  form.set('module', new Blob([ECHO_MODULE as Uint8Array<ArrayBuffer>]), 'module.wasm');
  const answer = await instance.call('POST', '/v1/workspaces/local/plugins', {
    ...{ role: 'author', body: form },
  });
  return ((await answer.json()) as { state: string }).state;
}

const choose = (name: string, wanted: object, role = 'operator'): Promise<Answer> =>
  send(instance, role, 'PUT', `/plugins/${name}/current`, { rationale: 'a test', ...wanted });

interface Versions {
  readonly current: string;
  readonly weights?: Readonly<Record<string, number>>;
}
const versions = async (name: string) =>
  (await send<Versions>(instance, 'author', 'GET', `/plugins/${name}/versions`)).body;

interface Asked {
  readonly id: string;
  readonly plugin: { readonly version: string };
}
async function ask(name: string, key?: string): Promise<Asked> {
  const response = await instance.call('POST', '/v1/workspaces/local/actions', {
    role: 'agent',
    json: { plugin: name, operation: 'look', input: {} },
    headers: key === undefined ? {} : { 'idempotency-key': key },
  });
  if (response.status >= 300) throw new Error(await response.text());
  return (await response.json()) as Asked;
}

const quarantine = (name: string, version: string, quarantined = true) =>
  send(instance, 'operator', 'PUT', `/plugins/${name}/versions/${version}/quarantine`, {
    ...{ quarantined, rationale: 'a test' },
  });

test('actions go to versions by weight, each where its key or its id puts it, and evidence tells from what', async () => {
  const name = await plugin({ '1.0.0': [LOOK], '1.1.0': [LOOK] });
  const weights = { '1.0.0': 50, '1.1.0': 50 };
  expect((await choose(name, { weights })).body).toMatchObject({ weights });
  const seen = new Set<string>();
  const keys = [...Array(10).keys()].map((i) => `order-${i}`);
  for (const key of [...keys, undefined]) {
    const { id, plugin: got } = await ask(name, key);
    const draw = { workspace: 'local', plugin: name, key: key ?? id };
    expect(got.version).toBe(await drawVersion(weights, draw));
    seen.add(got.version);
    const path = `/evidence?action=${id}&limit=1`;
    const { body } = await send<{ items: { entry: { data: object } }[] }>(
      instance,
      'auditor',
      'GET',
      path,
    );
    expect(body.items[0]?.entry.data).toMatchObject({
      version: got.version,
      rollout: { weights, revision: 1 },
    });
  }
  expect([...seen].sort()).toEqual(['1.0.0', '1.1.0']);
  expect((await ask(`${name}@1.0.0`)).plugin.version).toBe('1.0.0');
  // A repeat stays with its version, even when that has lost its weight since.
  const first = await ask(name, 'order-0');
  await choose(name, { version: first.plugin.version === '1.0.0' ? '1.1.0' : '1.0.0' });
  expect((await ask(name, 'order-0')).plugin.version).toBe(first.plugin.version);
  expect((await verifyLog(instance)).findings).toEqual([]);
});

test('one call gives everything back to an earlier version; weights hold until then, whatever is uploaded', async () => {
  const name = await plugin({ '1.0.0': [LOOK], '1.1.0': [LOOK] });
  await choose(name, { weights: { '1.0.0': 90, '1.1.0': 10 } });
  await pushPlugin(instance, { name, version: '1.2.0', egress: [LOOK] });
  expect(await versions(name)).toMatchObject({ current: '1.0.0', weights: { '1.1.0': 10 } });
  await choose(name, { version: '1.0.0' });
  expect((await versions(name)).weights).toBeUndefined();
  for (let i = 0; i < 8; i++) expect((await ask(name)).plugin.version).toBe('1.0.0');
  // The rollback is over with the next version, as one that was chosen by hand always is.
  await pushPlugin(instance, { name, version: '1.3.0', egress: [LOOK] });
  expect((await versions(name)).current).toBe('1.3.0');
});

test('a version that comes before the one that runs does not take its place by being uploaded', async () => {
  const name = await plugin({ '1.1.0': [LOOK] });
  await pushPlugin(instance, { name, version: '1.0.9', egress: [LOOK] });
  expect((await versions(name)).current).toBe('1.1.0');
  expect((await ask(name)).plugin.version).toBe('1.1.0');
  await pushPlugin(instance, { name, version: '1.1.0-rc.1', egress: [LOOK] });
  expect((await versions(name)).current).toBe('1.1.0');
  await pushPlugin(instance, { name, version: '1.10.0', egress: [LOOK] });
  expect((await versions(name)).current).toBe('1.10.0');
  expect((await choose(name, { version: '1.0.9' })).status).toBe(200);
  expect((await ask(name)).plugin.version).toBe('1.0.9');
});

test('a quarantined version leaves its weight to the others, and when none is left nothing runs', async () => {
  const name = await plugin({ '1.0.0': [LOOK], '1.1.0': [LOOK], '1.2.0': [LOOK] });
  await choose(name, { weights: { '1.0.0': 1, '1.1.0': 999 } });
  await quarantine(name, '1.1.0');
  for (let i = 0; i < 6; i++) expect((await ask(name)).plugin.version).toBe('1.0.0');
  await quarantine(name, '1.0.0');
  // 1.2.0 was given no weight, so it gets nothing by the others' misfortune.
  await expect(ask(name)).rejects.toThrow('plugin.quarantined');
  await expect(ask(`${name}@1.0.0`)).rejects.toThrow('plugin.quarantined');
  expect((await ask(`${name}@1.2.0`)).plugin.version).toBe('1.2.0');
  await expect(ask('nobodys')).rejects.toThrow('not-found');
});

test('what comes before the version that stands takes no place, although that one is quarantined', async () => {
  const name = await plugin({ '1.1.0': [LOOK] });
  await quarantine(name, '1.1.0');
  await pushPlugin(instance, { name, version: '1.0.0', egress: [LOOK] });
  await expect(ask(name)).rejects.toThrow('plugin.quarantined');
  await pushPlugin(instance, { name, version: '1.2.0', egress: [LOOK] });
  expect((await ask(name)).plugin.version).toBe('1.2.0');
});

test('while the chosen version is quarantined, an upload is compared with it and not with a larger one', async () => {
  const wide: EgressRule = { ...LOOK, methods: ['GET', 'POST'] };
  const name = await plugin({ '1.0.0': [LOOK], '1.1.0': [wide] });
  await choose(name, { version: '1.0.0' });
  await quarantine(name, '1.1.0');
  await quarantine(name, '1.0.0');
  await expect(ask(name)).rejects.toThrow('plugin.quarantined');
  expect(await upload(name, '1.2.0', [wide])).toBe('pending-approval');
  expect(await upload(name, '1.3.0', [LOOK])).toBe('active');
});

test('who uploaded a larger version brings no action to it by quarantine of what runs beside it', async () => {
  const wide: EgressRule = { ...LOOK, methods: ['GET', 'POST'] };
  const operator = await keyOf('operator', 'bootstrap-author');
  const stop = (name: string, role: string) =>
    send(instance, role, 'PUT', `/plugins/${name}/versions/1.1.0/quarantine`, {
      ...{ quarantined: true, rationale: 'a test' },
    });
  const name = await plugin({ '1.0.0': [wide], '1.1.0': [LOOK] });
  expect((await stop(name, operator)).body.code).toBe('approval.excluded');
  expect((await ask(name)).plugin.version).toBe('1.1.0');
  await choose(name, { weights: { '1.0.0': 1, '1.1.0': 999 } });
  expect((await stop(name, operator)).body.code).toBe('approval.excluded');
  // The way that the answer names: then nothing is left to go elsewhere.
  expect((await choose(name, { weights: { '1.1.0': 1 } }, operator)).status).toBe(200);
  expect((await stop(name, operator)).status).toBe(200);
  await expect(ask(name)).rejects.toThrow('plugin.quarantined');
  const other = await plugin({ '1.0.0': [wide], '1.1.0': [LOOK] });
  expect((await stop(other, 'operator')).status).toBe(200);
  expect((await ask(other)).plugin.version).toBe('1.0.0');
});

test('weights are of versions that may run, and either they or a version is given', async () => {
  const name = await plugin({ '1.0.0': [LOOK], '1.1.0': [LOOK] });
  await quarantine(name, '1.1.0');
  const wrong = [
    { weights: { '1.0.0': 1, '1.1.0': 1 } },
    { weights: { '1.0.0': 1, '9.9.9': 1 } },
    { weights: {} },
    { weights: { '1.0.0': 0 } },
    { weights: { '1.0.0': 1 }, version: '1.0.0' },
    {},
  ];
  for (const body of wrong) expect([body, (await choose(name, body)).status]).toEqual([body, 422]);
  expect((await choose(name, { weights: { '1.0.0': 1 } }, 'agent')).status).toBe(403);
});

test('who uploaded a larger version, or is an author, moves no action to it, not by a part either', async () => {
  const wide: EgressRule = { ...LOOK, methods: ['GET', 'POST'] };
  const name = await plugin({ '1.0.0': [LOOK], '1.1.0': [wide] });
  await choose(name, { version: '1.0.0' });
  const operator = await keyOf('operator', 'bootstrap-author');
  const some = { weights: { '1.0.0': 999, '1.1.0': 1 } };
  expect((await choose(name, some, 'author')).body.code).toBe('auth.forbidden');
  expect((await choose(name, some, operator)).body.code).toBe('approval.excluded');
  expect((await choose(name, some)).status).toBe(200);
  const more = { weights: { '1.0.0': 1, '1.1.0': 999 } };
  expect((await choose(name, more, operator)).body.code).toBe('approval.excluded');
  expect((await choose(name, { version: '1.1.0' }, operator)).body.code).toBe('approval.excluded');
  // Away from it anybody may move them who may choose at all.
  expect((await choose(name, { version: '1.0.0' }, 'author')).status).toBe(200);
});

async function keyOf(role: string, owner: string): Promise<string> {
  const json = { name: `${role} of ${owner}`, owner, role };
  const made = await send<{ key: string }>(instance, 'admin', 'POST', '/keys', json);
  return made.body.key;
}
