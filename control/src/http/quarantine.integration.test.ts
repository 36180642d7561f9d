import { afterAll, beforeAll, expect, test } from 'bun:test';
import type { WorkOrder } from '@portarium/contracts/internal-api';
import { anotherHost } from '../testing/another-host.ts';
import { claim, claimed, report, USAGE } from '../testing/as-host.ts';
import { LEDGER_RULES, pushPlugin } from '../testing/ledger-plugin.ts';
import { startTestInstance, type TestInstance } from '../testing/test-instance.ts';
import { verifyLog } from '../testing/verify-log.ts';
import { type Answer, type AskedAction, decide, intend, look, send } from '../testing/writes.ts';

let instance: TestInstance;
let [ada, bob, eve] = ['', '', ''];
beforeAll(async () => {
  instance = await startTestInstance();
  [ada, bob, eve] = (await Promise.all(['ada', 'bob', 'eve'].map(agentOf))) as [
    string,
    string,
    string,
  ];
}, 60_000);
afterAll(async () => {
  await instance?.[Symbol.asyncDispose]();
});

async function agentOf(owner: string): Promise<string> {
  const json = { name: `agent of ${owner}`, owner, role: 'agent' };
  return (await send<{ key: string }>(instance, 'admin', 'POST', '/keys', json)).body.key;
}

const UNKEYED = LEDGER_RULES.filter(({ id }) => id === 'unkeyed');
let names = 0;
async function plugin(...versions: string[]): Promise<string> {
  const name = `crasher-${names++}`;
  for (const version of versions.length > 0 ? versions : ['1.0.0']) {
    await pushPlugin(instance, { name, version, egress: UNKEYED });
  }
  return name;
}

let inputs = 0;
/** Asks for a read and claims it. */
async function running(
  name: string,
  who: string,
  input: unknown = { n: inputs++ },
  more: object = {},
): Promise<WorkOrder> {
  const body = { plugin: name, operation: 'look', input, ...more };
  const asked = await send<AskedAction>(instance, who, 'POST', '/actions', body);
  if (asked.status >= 300) throw new Error(JSON.stringify(asked.body));
  return claimed(instance, asked.body.id);
}

const end = (order: WorkOrder, code?: string, host = instance) =>
  report(host, order, 'outcome', {
    ...(code === undefined
      ? { verdict: 'succeeded', output: btoa('{}') }
      : { verdict: 'failed', error: { code, message: 'a test' } }),
    ...{ usage: USAGE, calls: [], bodies: [] },
  });

async function crash(
  name: string,
  who: string,
  code = 'guest.trap',
  input?: unknown,
): Promise<void> {
  expect((await end(await running(name, who, input), code)).status).toBe(200);
}
async function works(name: string, who: string): Promise<void> {
  expect((await end(await running(name, who))).status).toBe(200);
}
const times = async (count: number, what: () => Promise<void>) => {
  for (let i = 0; i < count; i++) await what();
};

interface Version {
  readonly state: string;
  readonly quarantine?: { readonly cause: string; readonly crashes?: object };
}
const shown = async (name: string, version = '1.0.0') =>
  (await send<Version>(instance, 'author', 'GET', `/plugins/${name}/versions/${version}`)).body;
const stateOf = async (name: string, version?: string) => (await shown(name, version)).state;

const set = (name: string, quarantined: boolean, role = 'operator', rationale = 'a test') =>
  send(instance, role, 'PUT', `/plugins/${name}/versions/1.0.0/quarantine`, {
    ...{ quarantined, rationale },
  });

const rules = (json: object, role = 'admin'): Promise<Answer> =>
  send(instance, role, 'PUT', '/plugin-rules', {
    ...{ signature: 'optional', quarantineAfter: 5, crashWindowMs: 600_000, ...json },
  });

async function entries(type: string): Promise<{ data: Record<string, unknown> }[]> {
  const { body } = await send<{ items: { entry: { type: string; data: never } }[]; next?: number }>(
    instance,
    'auditor',
    'GET',
    `/evidence?limit=200&after=${marked}`,
  );
  return body.items.map(({ entry }) => entry).filter((entry) => entry.type === type);
}
/** Entries up to here are of tests before. */
let marked = -1;
async function mark(): Promise<void> {
  for (;;) {
    const path = `/evidence?limit=200&after=${marked}`;
    const { body } = await send<{ items: { seq: number }[] }>(instance, 'auditor', 'GET', path);
    const last = body.items.at(-1);
    if (!last) return;
    marked = last.seq;
  }
}

test('a version that is quarantined by hand runs no more: not at a write, not at a claim, not at a request', async () => {
  await mark();
  const name = await plugin();
  const body = { plugin: name, operation: 'write', input: { id: 'one' } };
  const asked = (await send<AskedAction>(instance, ada, 'POST', '/actions', body)).body;
  const waits: AskedAction[] = [];
  for (let i = 0; i < 2; i++) {
    waits.push((await send<AskedAction>(instance, ada, 'POST', '/actions', body)).body);
  }
  expect((await decide(instance, asked)).status).toBe(200);
  const order = await claimed(instance, asked.id);
  const dispatched = await send<AskedAction>(instance, ada, 'POST', '/actions', {
    ...{ plugin: name, operation: 'look', input: {} },
  });
  expect((await set(name, true, 'operator', 'sends twice')).body).toMatchObject({
    state: 'quarantined',
    quarantine: { cause: 'hand', by: 'bootstrap-operator', rationale: 'sends twice' },
  });
  const refused = await intend(instance, order, { rule: 'unkeyed' });
  expect(refused.body).toMatchObject({ status: 'refused', code: 'plugin.quarantined' });
  expect((await claim(instance, dispatched.body.id)).body).toMatchObject({ state: 'failed' });
  expect((await look(instance, dispatched.body.id)).error?.code).toBe('plugin.quarantined');
  const again = await send(instance, ada, 'POST', '/actions', { ...body, plugin: `${name}@1.0.0` });
  expect([again.status, again.body.code]).toEqual([409, 'plugin.quarantined']);
  // What waits for people goes on waiting, and whoever would let it run now ends it.
  const other = waits[0] as AskedAction;
  expect((await decide(instance, other)).body.code).toBe('approval.stale');
  expect((await look(instance, other.id)).state).toBe('cancelled');
  const kept = waits[1] as AskedAction;
  expect((await look(instance, kept.id)).state).toBe('waiting-approval');
  expect((await set(name, false)).body.state).toBe('active');
  expect((await decide(instance, kept)).status).toBe(200);
  expect((await entries('plugin.quarantined')).map(({ data }) => data)).toMatchObject([
    { name, version: '1.0.0', cause: 'hand', by: 'bootstrap-operator', rationale: 'sends twice' },
  ]);
  expect((await entries('plugin.quarantine-lifted')).map(({ data }) => data)).toMatchObject([
    { name, by: 'bootstrap-operator', rationale: 'a test' },
  ]);
});

test('quarantine asks for a reason, a role, and for lifting it somebody who did not upload the version', async () => {
  const name = await plugin();
  for (const role of ['author', 'agent', 'approver', 'auditor']) {
    expect((await set(name, true, role)).status).toBe(403);
  }
  expect((await set(name, true, 'operator', ' ')).status).toBe(422);
  expect((await set(name, false)).status).toBe(409);
  expect((await set(name, true)).status).toBe(200);
  expect((await set(name, true)).status).toBe(409);
  const json = { name: 'operator', owner: 'bootstrap-author', role: 'operator' };
  const uploader = (await send<{ key: string }>(instance, 'admin', 'POST', '/keys', json)).body.key;
  expect((await set(name, false, uploader)).body.code).toBe('approval.excluded');
  const racers = await Promise.all([set(name, false), set(name, false, 'admin')]);
  expect(racers.map(({ status }) => status).sort()).toEqual([200, 409]);
});

test('a version that crashes for whoever uses it is quarantined, whichever hosts say so, and the next runs', async () => {
  await mark();
  const name = await plugin('1.0.0', '1.1.0');
  await using host = await anotherHost(instance, 'second');
  await times(2, () => crash(name, ada));
  await times(2, () => crash(name, ada, 'limit.cpu'));
  expect(await stateOf(name, '1.1.0')).toBe('active');
  const asked = await send<AskedAction>(instance, ada, 'POST', '/actions', {
    ...{ plugin: name, operation: 'look', input: 'other host' },
  });
  const order = await claimed(host, asked.body.id);
  await end(order, 'limit.memory', host);
  expect(await shown(name, '1.1.0')).toMatchObject({
    state: 'quarantined',
    quarantine: {
      cause: 'crashes',
      crashes: {
        ...{ count: 5, people: 1, windowMs: 600_000 },
        codes: { 'guest.trap': 2, 'limit.cpu': 2, 'limit.memory': 1 },
      },
    },
  });
  const [entry] = await entries('plugin.quarantined');
  expect(entry?.data).toMatchObject({ name, version: '1.1.0', cause: 'crashes' });
  expect(JSON.stringify(entry?.data.crashes)).toContain(order.attempt);
  const next = await running(name, ada);
  expect(next.plugin.version).toBe('1.0.0');
  const events = await instance.composed.sql`SELECT envelope FROM portarium.outbox`;
  const types = events.map((row) => (JSON.parse(row.envelope as string) as { type: string }).type);
  expect(types).toContain('io.portarium.plugin.quarantined.v1');
  expect((await verifyLog(instance)).findings).toEqual([]);
});

test('one person’s inputs stop no version that others use, however many of them crash it', async () => {
  await rules({ quarantineAfter: 4 });
  const name = await plugin();
  await works(name, ada);
  await times(4, () => crash(name, eve));
  expect(await stateOf(name)).toBe('active');
  await times(2, () => crash(name, eve));
  expect(await stateOf(name)).toBe('active');
  // Nor with a crash that somebody else ran into, and into the same one again.
  await times(2, () => crash(name, bob, 'guest.trap', 'the same'));
  expect(await stateOf(name)).toBe('active');
});

test('what crashes for more people than it works for is quarantined', async () => {
  await rules({ quarantineAfter: 4 });
  const name = await plugin();
  await works(name, ada);
  await times(2, () => crash(name, bob));
  await times(2, () => crash(name, eve));
  expect(await stateOf(name)).toBe('quarantined');
  const other = await plugin();
  for (const person of [ada, 'operator', 'admin']) await works(other, person);
  await times(2, () => crash(other, bob));
  await times(3, () => crash(other, eve));
  expect(await stateOf(other)).toBe('active');
});

test('what a person lifted is not stopped by one person’s crashes again, and those of before do not count', async () => {
  await rules({ quarantineAfter: 4 });
  const name = await plugin();
  await times(4, () => crash(name, eve));
  expect(await stateOf(name)).toBe('quarantined');
  expect((await set(name, false)).status).toBe(200);
  await times(5, () => crash(name, eve));
  expect(await stateOf(name)).toBe('active');
  await times(2, () => crash(name, bob));
  expect(await stateOf(name)).toBe('quarantined');
});

test('only the guest’s own break-downs count: not its errors, what it waits for, its budgets, the host, or a dry run', async () => {
  await rules({ quarantineAfter: 2 });
  const name = await plugin();
  const others = [
    'guest.error',
    'limit.deadline',
    'limit.output',
    'limit.egress',
    'limit.hostcalls',
  ];
  for (const code of [...others, 'egress.denied', 'output.invalid']) await crash(name, ada, code);
  for (let i = 0; i < 2; i++) {
    await end(await running(name, ada, { dry: i }, { dryRun: true }), 'guest.trap');
  }
  await crash(name, ada);
  expect(await stateOf(name)).toBe('active');
});

test('a workspace says how many crashes it takes, and 0 switches it off', async () => {
  expect((await rules({}, 'operator')).status).toBe(403);
  for (const wrong of [{ quarantineAfter: 1 }, { quarantineAfter: 101 }, { crashWindowMs: 10 }]) {
    expect((await rules(wrong)).status).toBe(422);
  }
  expect((await rules({ quarantineAfter: 2 })).status).toBe(200);
  const first = await plugin();
  await times(2, () => crash(first, ada));
  expect(await stateOf(first)).toBe('quarantined');
  await rules({ quarantineAfter: 0 });
  const second = await plugin();
  await times(3, () => crash(second, ada));
  expect(await stateOf(second)).toBe('active');
});
