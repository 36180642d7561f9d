import { afterAll, beforeAll, expect, test } from 'bun:test';
import { type GrowthStatement, growthDigest, growthOf } from '@portarium/contracts/contract-growth';
import { type Digest, digestOf } from '@portarium/contracts/digest';
import type { EgressRule } from '@portarium/contracts/egress-rule';
import type { WorkspaceId } from '@portarium/contracts/ids';
import type { Manifest } from '@portarium/contracts/manifest';
import { LEDGER_RULES, storeSecret } from '../testing/ledger-plugin.ts';
import { setPluginState } from '../testing/plugin-state.ts';
import { startTestInstance, type TestInstance } from '../testing/test-instance.ts';
import { ECHO_MODULE } from '../testing/upload-form.ts';
import { verifyLog } from '../testing/verify-log.ts';
import { type Answer, ask, send } from '../testing/writes.ts';

interface Version {
  readonly version: string;
  readonly state: string;
  readonly approval?: {
    readonly digest: string;
    readonly statement: GrowthStatement;
    readonly decisions: readonly { readonly person: string; readonly decision: string }[];
    readonly excluded: readonly string[];
    readonly refusal?: { readonly code: string };
  };
}

let instance: TestInstance;
beforeAll(async () => {
  instance = await startTestInstance();
  await storeSecret(instance);
}, 60_000);
afterAll(async () => {
  await instance?.[Symbol.asyncDispose]();
});

const rule = (change: Partial<EgressRule> = {}): EgressRule => ({
  ...(LEDGER_RULES[0] as EgressRule),
  ...change,
});
const WIDER = [rule({ host: '*.example.com' })];

let names = 0;
/** Another plugin for each test, with one version that runs. */
async function newPlugin(rules: readonly EgressRule[] = [rule()]): Promise<string> {
  const name = `grower-${names++}`;
  expect((await push(name, '1.0.0', rules)).body.state).toBe('active');
  return name;
}

async function push(
  name: string,
  version: string,
  egress: readonly EgressRule[],
  role = 'author',
): Promise<Answer<Version>> {
  const form = new FormData();
  const manifest = {
    ...{ schema: 1, name, version, egress },
    operations: [{ name: 'write', export: 'echo', effect: 'write' }],
    credentials: [{ slot: 'ledger', kind: 'bearer', host: 'ledger.example.com' }],
  };
  form.set('manifest', new Blob([JSON.stringify(manifest)], { type: 'application/json' }));
  const module = new Blob([ECHO_MODULE as Uint8Array<ArrayBuffer>], { type: 'application/wasm' });
  form.set('module', module, 'module.wasm');
  const key = role.startsWith('ptk_') ? { key: role } : { role };
  const pushed = await instance.call('POST', '/v1/workspaces/local/plugins', {
    ...key,
    body: form,
  });
  return { status: pushed.status, body: (await pushed.json()) as Version };
}

const show = async (name: string, version: string, role = 'approver') =>
  (await send<Version>(instance, role, 'GET', `/plugins/${name}/versions/${version}`)).body;

async function decide(
  name: string,
  version: string,
  change: { role?: string; decision?: string; digest?: string; rationale?: string } = {},
): Promise<Answer<Version & { code?: string }>> {
  const { role = 'approver', decision = 'approve', rationale = 'looked at it' } = change;
  const digest = change.digest ?? (await show(name, version)).approval?.digest;
  const path = `/plugins/${name}/versions/${version}/decisions`;
  return send(instance, role, 'POST', path, { decision, rationale, digest });
}

const run = (plugin: string) =>
  send<{ code?: string; plugin?: { version: string } }>(instance, 'agent', 'POST', '/actions', {
    ...{ plugin, operation: 'write', input: { id: 'x' } },
  });
const choose = (name: string, version: string, role = 'operator') =>
  send<{ code?: string }>(instance, role, 'PUT', `/plugins/${name}/current`, {
    ...{ version, rationale: 'try it' },
  });
const versionsOf = async (name: string) =>
  (
    await send<{ current: string; items: Version[] }>(
      instance,
      'author',
      'GET',
      `/plugins/${name}/versions`,
    )
  ).body;

test('a version that could do more waits: it is not current, not chosen, and nothing runs it', async () => {
  const name = await newPlugin();
  expect(await push(name, '1.1.0', WIDER)).toMatchObject({
    status: 201,
    body: { state: 'pending-approval' },
  });
  expect((await versionsOf(name)).current).toBe('1.0.0');
  expect(await run(name)).toMatchObject({ status: 202, body: { plugin: { version: '1.0.0' } } });
  expect(await run(`${name}@1.1.0`)).toMatchObject({
    status: 409,
    body: { code: 'plugin.not-approved' },
  });
  expect(await choose(name, '1.1.0')).toMatchObject({
    status: 409,
    body: { code: 'plugin.not-approved' },
  });
  const egress = await send<{ plugin: object }>(
    instance,
    'operator',
    'GET',
    `/plugins/${name}/egress`,
  );
  expect(egress.body.plugin).toMatchObject({ version: '1.0.0' });
});

test('an older version that could do more is another person’s to choose than its author’s', async () => {
  const name = await newPlugin(WIDER);
  expect((await push(name, '1.1.0', [rule()])).body.state).toBe('active');
  expect(await choose(name, '1.0.0', 'author')).toMatchObject({
    status: 403,
    body: { code: 'auth.forbidden' },
  });
  expect((await versionsOf(name)).current).toBe('1.1.0');
  expect((await choose(name, '1.0.0')).status).toBe(200);
  expect((await choose(name, '1.1.0', 'author')).status).toBe(200);
});

test('equal and narrower versions run at once, and so does the first', async () => {
  const name = await newPlugin(WIDER);
  expect((await push(name, '1.1.0', WIDER)).body.state).toBe('active');
  expect((await push(name, '1.2.0', [rule()])).body.state).toBe('active');
  expect(await run(name)).toMatchObject({ body: { plugin: { version: '1.2.0' } } });
  expect((await show(name, '1.2.0')).approval).toBeUndefined();
  const asked = await decide(name, '1.2.0', { digest: `sha256:${'0'.repeat(64)}` });
  expect(asked).toMatchObject({ status: 409, body: { code: 'approval.closed' } });
});

test('who decides sees the difference and what it is bound to; the uploader may not decide', async () => {
  const name = await newPlugin();
  const owner = { name: 'both', owner: 'grace', role: 'admin' };
  const { body: key } = await send<{ key: string }>(instance, 'admin', 'POST', '/keys', owner);
  await push(name, '1.1.0', WIDER, key.key);
  const shown = await show(name, '1.1.0');
  expect(shown.approval).toMatchObject({
    statement: {
      workspace: 'local',
      plugin: name,
      version: '1.1.0',
      from: { version: '1.0.0' },
      growth: [
        {
          kind: 'rule-widened',
          name: 'look',
          fields: ['host'],
          before: { host: 'ledger.example.com' },
          after: { host: '*.example.com' },
        },
      ],
    },
    decisions: [],
  });
  expect(shown.approval?.digest).toBe(
    await growthDigest(shown.approval?.statement as GrowthStatement),
  );
  expect(shown.approval?.excluded).toContain('grace');
  expect((await show(name, '1.1.0', key.key)).approval?.refusal?.code).toBe('approval.excluded');
  const own = await decide(name, '1.1.0', { role: key.key });
  expect(own).toMatchObject({ status: 403, body: { code: 'approval.excluded' } });
  // Who made the key that uploaded stands behind it as well.
  const maker = await decide(name, '1.1.0', { role: 'admin' });
  expect(maker).toMatchObject({ status: 403, body: { code: 'approval.excluded' } });
  for (const role of ['author', 'operator', 'agent']) {
    expect((await decide(name, '1.1.0', { role })).status).toBe(403);
  }
  expect((await decide(name, '1.1.0', { digest: `sha256:${'0'.repeat(64)}` })).body.code).toBe(
    'approval.stale',
  );
  expect((await show(name, '1.1.0')).state).toBe('pending-approval');
  const approved = await decide(name, '1.1.0');
  expect(approved).toMatchObject({
    status: 200,
    body: { state: 'active', approval: { decisions: [{ person: 'bootstrap-approver' }] } },
  });
  expect(await run(name)).toMatchObject({ body: { plugin: { version: '1.1.0' } } });
  expect((await decide(name, '1.1.0')).body.code).toBe('approval.closed');
});

test('a version that was denied stays unusable, and its bytes under its name too', async () => {
  const name = await newPlugin();
  await push(name, '1.1.0', WIDER);
  expect(
    (await decide(name, '1.1.0', { decision: 'deny', rationale: 'too wide' })).body.state,
  ).toBe('denied');
  expect((await run(`${name}@1.1.0`)).body.code).toBe('plugin.not-approved');
  expect((await choose(name, '1.1.0')).body.code).toBe('plugin.not-approved');
  expect((await decide(name, '1.1.0')).body.code).toBe('approval.closed');
  expect((await push(name, '1.1.0', WIDER)).body.state).toBe('denied');
  expect((await push(name, '1.1.1', WIDER)).body.state).toBe('pending-approval');
  expect(await run(name)).toMatchObject({ body: { plugin: { version: '1.0.0' } } });
});

test('of decisions at once one wins, and the others are told', async () => {
  const name = await newPlugin();
  await push(name, '1.1.0', WIDER);
  const answers = await Promise.all(
    ['approve', 'deny', 'approve', 'deny'].map((decision, i) =>
      decide(name, '1.1.0', { decision, role: i < 2 ? 'approver' : 'admin' }),
    ),
  );
  expect(answers.map(({ status }) => status).toSorted()).toEqual([200, 409, 409, 409]);
  const winner = answers.find(({ status }) => status === 200)?.body;
  const after = await show(name, '1.1.0');
  expect(after.state).toBe(winner?.state as string);
  expect(after.approval?.decisions).toHaveLength(1);
});

test('a quorum of two needs two people, each once', async () => {
  const before = await send<Record<string, unknown>>(instance, 'admin', 'GET', '/approval-rules');
  const { revision: _, ...rules } = before.body;
  await send(instance, 'admin', 'PUT', '/approval-rules', { ...rules, quorum: 2 });
  const name = await newPlugin();
  await push(name, '1.1.0', WIDER);
  await send(instance, 'admin', 'PUT', '/approval-rules', rules);
  expect((await decide(name, '1.1.0')).body.state).toBe('pending-approval');
  expect((await decide(name, '1.1.0')).body.code).toBe('conflict');
  expect((await decide(name, '1.1.0', { role: 'admin' })).body.state).toBe('active');
});

test('when another version runs by then, what was looked at is stale, and agreed to by nobody', async () => {
  const name = await newPlugin(WIDER);
  expect((await push(name, '1.1.0', [rule()])).body.state).toBe('active');
  await push(name, '1.2.0', [...WIDER, rule({ id: 'more' })]);
  const first = await show(name, '1.2.0');
  expect(first.approval?.statement.growth.map(({ kind }) => kind)).toEqual([
    'rule-widened',
    'rule-added',
  ]);
  expect((await choose(name, '1.0.0')).status).toBe(200);
  const stale = await decide(name, '1.2.0', { digest: first.approval?.digest as string });
  expect(stale).toMatchObject({ status: 409, body: { code: 'approval.stale' } });
  const now = await show(name, '1.2.0');
  expect(now.approval?.statement).toMatchObject({
    from: { version: '1.0.0' },
    growth: [{ kind: 'rule-added', name: 'more' }],
  });
  // Somebody chose what runs after the upload: an approval of what came before does not undo that.
  expect((await decide(name, '1.2.0')).body.state).toBe('active');
  expect((await versionsOf(name)).current).toBe('1.0.0');
  expect((await choose(name, '1.2.0')).status).toBe(200);
  // What was decided about stays shown, whatever runs.
  expect((await show(name, '1.2.0')).approval?.digest).toBe(now.approval?.digest as string);
});

test('a choice of before the upload gives way when the version is approved, as to any upload', async () => {
  const name = await newPlugin();
  await push(name, '1.1.0', [rule()]);
  await choose(name, '1.0.0');
  await push(name, '1.2.0', WIDER);
  expect((await versionsOf(name)).current).toBe('1.0.0');
  await decide(name, '1.2.0');
  expect((await versionsOf(name)).current).toBe('1.2.0');
});

test('where every version is quarantined, a new one is compared with the newest of those', async () => {
  expect((await push('ledger', '1.0.0', [rule()])).body.state).toBe('active');
  await setPluginState(instance, 'quarantined');
  expect((await push('ledger', '1.1.0', WIDER)).body.state).toBe('pending-approval');
  expect((await push('ledger', '1.2.0', [rule()])).body.state).toBe('active');
});

test('asked, agreed, approved and denied are evidence and events; the log verifies offline', async () => {
  type Told = { entry: { type: string; data: Record<string, unknown>; artifacts: unknown[] } };
  const { body } = await send<{ items: Told[] }>(instance, 'auditor', 'GET', '/evidence?limit=200');
  const told = (type: string) =>
    body.items.filter(({ entry }) => entry.type === type).map(({ entry }) => entry.data);
  expect(told('plugin.approval-requested')[0]).toMatchObject({
    ...{ name: 'grower-0', version: '1.1.0', quorum: 1, from: { version: '1.0.0' } },
    growth: ['rule-widened look'],
  });
  expect(told('plugin.endorsed')).toMatchObject([{ by: 'bootstrap-approver', quorum: 2 }]);
  expect(told('plugin.approved')[0]).toMatchObject({ version: '1.1.0', by: 'bootstrap-approver' });
  expect(told('plugin.denied')[0]).toMatchObject({
    by: 'bootstrap-approver',
    rationale: 'too wide',
  });
  const { context } = instance.composed;
  const events = await context.store.read('local' as WorkspaceId, (tx) =>
    tx.listEvents({ after: -1, limit: 1_000 }),
  );
  for (const type of ['approval-requested', 'endorsed', 'approved', 'denied']) {
    expect(events.map((event) => event.type)).toContain(`io.portarium.plugin.${type}.v1`);
  }
  const report = await verifyLog(instance);
  expect([report.verdict, report.findings]).toEqual(['verified', []]);
});

test('an auditor computes what was approved from the two manifests that the evidence names', async () => {
  const name = await newPlugin();
  await push(name, '1.1.0', WIDER);
  const decided = (await decide(name, '1.1.0')).body;
  const path = '/evidence?limit=200&after=30';
  const { body } = await send<{
    items: { entry: { type: string; data: Record<string, unknown> } }[];
  }>(instance, 'auditor', 'GET', path);
  const entry = (type: string, version: string) =>
    body.items.find(
      ({ entry: { type: is, data } }) =>
        is === type && data.name === name && data.version === version,
    )?.entry.data;
  const manifestOf = async (version: string) => {
    const digest = entry('plugin.admitted', version)?.manifestDigest as Digest;
    const bytes = await instance.composed.context.objects.get('local' as WorkspaceId, digest);
    if (!bytes) throw new Error(`${digest} is not kept`);
    expect(await digestOf(bytes)).toBe(digest);
    return JSON.parse(new TextDecoder().decode(bytes)) as Manifest;
  };
  const growth = growthOf(await manifestOf('1.0.0'), await manifestOf('1.1.0'));
  const approved = entry('plugin.approved', '1.1.0');
  const statement = { ...(decided.approval?.statement as GrowthStatement), growth: [...growth] };
  expect(statement.from).toEqual(approved?.from as GrowthStatement['from']);
  expect(await growthDigest(statement)).toBe(approved?.growthDigest as Digest);
});

test('a version that is not there has no approval', async () => {
  const none = await send(instance, 'approver', 'GET', '/plugins/nobody/versions/1.0.0');
  expect(none.status).toBe(404);
  expect((await decide('nobody', '1.0.0', { digest: `sha256:${'0'.repeat(64)}` })).status).toBe(
    404,
  );
  await expect(ask(instance, {}, { plugin: 'nobody' })).rejects.toThrow('not taken');
});
