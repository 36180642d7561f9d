import { afterAll, beforeAll, expect, test } from 'bun:test';
import type { Followed, FollowOptions } from '@portarium/client/events';
import { PortariumClient } from '@portarium/client/portarium-client';
import { compose } from '../compose.ts';
import { ratesOf } from '../configuration.ts';
import { pushLedger, storeSecret } from '../testing/ledger-plugin.ts';
import { startTestInstance, type TestInstance } from '../testing/test-instance.ts';
import { ask } from '../testing/writes.ts';
import type { Api } from './api.ts';
import { createApp } from './app.ts';

/** The instance's clock, which a test moves. */
let skewMs = 0;
let instance: TestInstance;
beforeAll(async () => {
  instance = await startTestInstance({ nowMs: () => Date.now() + skewMs });
}, 60_000);
afterAll(async () => {
  await instance?.[Symbol.asyncDispose]();
});

function clientOf(role: string, app: Api = instance.app): PortariumClient {
  return new PortariumClient({
    url: 'http://control.test',
    key: instance.keys[role] ?? '',
    workspace: 'local',
    fetch: async (request) => app.fetch(request),
  });
}

/** Without a message for so long, no other is expected. */
const QUIET_MS = 1_000;

/** Collects what is followed, until there are `count` events or nothing more comes. */
async function collect(
  client: PortariumClient,
  count: number,
  options: FollowOptions = {},
  onOpen: () => Promise<unknown> = async () => undefined,
): Promise<Followed[]> {
  const followed: Followed[] = [];
  const quiet = new AbortController();
  let timer = setTimeout(() => quiet.abort(), 10 * QUIET_MS);
  for await (const one of client.events.follow({ ...options, signal: quiet.signal })) {
    clearTimeout(timer);
    followed.push(one);
    if (one.kind === 'open') await onOpen();
    if (followed.filter(({ kind }) => kind === 'event').length >= count) break;
    timer = setTimeout(() => quiet.abort(), QUIET_MS);
  }
  clearTimeout(timer);
  return followed;
}

let made = 0;
function createCredential(): Promise<unknown> {
  made += 1;
  return clientOf('admin').credentials.create({
    name: `cred-${made}`,
    host: 'api.example.com',
    kind: 'bearer',
    value: 'a-secret-of-a-test-and-nobody',
  });
}
test('a stream begins at the newest event and tells of each one after it, in order', async () => {
  await createCredential();
  const followed = await collect(clientOf('operator'), 3, {}, async () => {
    for (let i = 0; i < 3; i++) await createCredential();
  });
  expect(followed[0]?.kind).toBe('open');
  const events = followed.flatMap((one) => (one.kind === 'event' ? [one] : []));
  expect(events.map(({ event }) => event.type)).toEqual(
    Array.from({ length: 3 }, () => 'io.portarium.credential.created.v1'),
  );
  expect(events.map(({ event }) => event.data.name)).toEqual(['cred-2', 'cred-3', 'cred-4']);
  const ids = events.map(({ id }) => id);
  expect(ids).toEqual(ids.toSorted((a, b) => a - b));
});

test('another replica goes on after the last event that was seen, and none is lost or told twice', async () => {
  const all = (await collect(clientOf('operator'), 4, { after: -1 })).filter(
    ({ kind }) => kind === 'event',
  );
  const seen = all[1]?.id ?? -1;
  const composed = await compose(instance.configuration);
  try {
    const other = createApp(composed.context, {
      required: {},
      optional: {},
      rates: ratesOf(instance.configuration),
    });
    const rest = await collect(
      clientOf('operator', other),
      all.length - 1,
      { after: seen },
      createCredential,
    );
    const ids = rest.flatMap(({ kind, id }) => (kind === 'event' ? [id] : []));
    expect(ids.slice(0, all.length - 2)).toEqual(all.slice(2).map(({ id }) => id));
    expect(new Set(ids).size).toBe(ids.length);
  } finally {
    await composed.close();
  }
});

test('events of one action only, and what a role may not read is left out', async () => {
  await storeSecret(instance);
  await pushLedger(instance);
  const [one, two] = [await ask(instance), await ask(instance)];
  const told = (followed: readonly Followed[]) =>
    followed.flatMap((each) => (each.kind === 'event' ? [each.event] : []));
  const own = told(await collect(clientOf('operator'), 9, { after: -1, action: one.id }));
  expect(own.map(({ actionid, type }) => [actionid, type])).toEqual([
    [one.id, 'io.portarium.action.requested.v1'],
    [one.id, 'io.portarium.policy.decided.v1'],
    [one.id, 'io.portarium.approval.requested.v1'],
  ]);
  const forAgent = told(await collect(clientOf('agent'), 99, { after: -1 }));
  // Credentials and grants are none of an agent's business.
  const kinds = new Set(forAgent.map(({ type }) => type.split('.')[2]));
  expect([...kinds].sort()).toEqual(['action', 'approval', 'plugin', 'policy']);
  expect(new Set(forAgent.flatMap(({ actionid }) => actionid ?? []))).toEqual(
    new Set([one.id, two.id]),
  );
}, 20_000);

test('an id that is not of this log is answered with reset, and nonsense is refused', async () => {
  const followed = await collect(clientOf('operator'), 1, { after: 5_000_000 }, async () => {});
  expect(followed[0]?.kind).toBe('reset');
  const refused = await instance.call('GET', '/v1/workspaces/local/events', {
    role: 'operator',
    headers: { 'last-event-id': 'yesterday' },
  });
  expect(refused.status).toBe(422);
}, 20_000);

const shortKey = async () => {
  const json = { name: 'short', owner: 'ada', role: 'operator' };
  const made = await instance.call('POST', '/v1/workspaces/local/keys', { role: 'admin', json });
  return (await made.json()) as { id: string; key: string };
};
const stream = (key: string) => instance.call('GET', '/v1/workspaces/local/events', { key });

test('a stream whose key was revoked ends within a minute, and tells nothing of after that', async () => {
  const { id, key } = await shortKey();
  const told = (await stream(key)).text();
  const revoked = await instance.call('DELETE', `/v1/workspaces/local/keys/${id}`, {
    role: 'admin',
  });
  expect(revoked.status).toBe(204);
  skewMs += 61_000;
  await createCredential();
  const text = await told;
  expect(text).toContain('event: open');
  expect(text).not.toContain('credential.created');
});

test('a key has 16 streams open at most, and gets another when one has ended', async () => {
  const { key } = await shortKey();
  const open: Response[] = [];
  for (let i = 0; i < 16; i++) open.push(await stream(key));
  const more = await stream(key);
  expect(more.status).toBe(429);
  await more.body?.cancel();
  for (const response of open) await response.body?.cancel();
  await Bun.sleep(50);
  const again = await stream(key);
  expect(again.status).toBe(200);
  await again.body?.cancel();
});
