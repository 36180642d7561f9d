import { afterAll, beforeAll, expect, test } from 'bun:test';
import type { EgressRule } from '@portarium/contracts/egress-rule';
import * as host from '../testing/as-host.ts';
import { LEDGER_HOST, pushPlugin } from '../testing/ledger-plugin.ts';
import { startTestInstance, type TestInstance } from '../testing/test-instance.ts';
import { ask, type Call, decide, intend, send } from '../testing/writes.ts';

const SECRET = 'canary-secret-of-a-kind-0123456789';
/** What a caller says of the place, and what the host is told of it. */
const PLACES = {
  bearer: [{}, {}],
  basic: [{ username: 'ada' }, { username: 'ada' }],
  header: [{ header: 'X-Api-Key' }, { header: 'x-api-key' }],
  query: [{ parameter: 'api_key' }, { parameter: 'api_key' }],
} as const;
type Kind = keyof typeof PLACES;
const KINDS = Object.keys(PLACES) as Kind[];

let instance: TestInstance;
const ids = new Map<Kind, string>();
beforeAll(async () => {
  instance = await startTestInstance();
  for (const kind of KINDS) {
    const made = await create({ name: kind, kind, ...PLACES[kind][0] });
    ids.set(kind, String(made.body.id));
  }
  await create({ name: 'other', kind: 'basic', username: 'ada' });
  const rule = (slot: string): EgressRule => ({
    id: slot,
    ...{ methods: ['POST'], scheme: 'https', host: LEDGER_HOST, port: 443, path: `/${slot}` },
    ...{ contentTypes: ['application/json'], headers: ['content-type', 'x-api-key'] },
    ...{ query: ['api_key'], credential: slot },
  });
  const slots = [...KINDS.map((kind) => ({ slot: kind, kind })), { slot: 'other', kind: 'header' }];
  await pushPlugin(instance, {
    name: 'kinds',
    egress: slots.map(({ slot }) => rule(slot)),
    credentials: slots.map((one) => ({ ...one, host: LEDGER_HOST })),
  });
}, 120_000);
afterAll(async () => {
  await instance?.[Symbol.asyncDispose]();
});

function create(change: Record<string, unknown>) {
  const body = { name: 'new', host: LEDGER_HOST, value: SECRET, ...change };
  return send<Record<string, unknown>>(instance, 'admin', 'POST', '/credentials', body);
}

/** What the host is answered that asks for leave, in an approved write of its own. */
async function leaveFor(call: Call) {
  const action = await ask(instance, { id: 'one' }, { plugin: 'kinds' });
  expect((await decide(instance, action)).status).toBe(200);
  return intend(instance, await host.claimed(instance, action.id), call);
}

for (const kind of KINDS) {
  const [given, kept] = PLACES[kind];

  test(`a credential of kind ${kind} shows its place, gives it to the host, and tells its value to nobody else`, async () => {
    const id = ids.get(kind) ?? '';
    const shown = await send(instance, 'auditor', 'GET', `/credentials/${id}`);
    expect(shown.body).toMatchObject({ id, kind, ...kept, version: 1 });
    const rotated = await send(instance, 'admin', 'POST', `/credentials/${id}/rotate`, {
      value: `${SECRET}-2`,
    });
    expect(rotated.body).toMatchObject({ kind, ...kept, version: 2 });
    const action = await ask(instance, { id: 'one' }, { plugin: 'kinds' });
    const approval = await send<{ request: { credentials: { slot: string }[] } }>(
      instance,
      'approver',
      'GET',
      `/approvals/${action.approval?.id}`,
    );
    const used = approval.body.request.credentials.find(({ slot }) => slot === kind);
    expect(used).toMatchObject({ name: kind, kind, slotKind: kind, ...kept });
    const { body } = await leaveFor({ rule: kind });
    expect((body as { credential?: unknown }).credential).toEqual({
      ...{ id, slot: kind, version: 2, kind, ...kept, secret: `${SECRET}-2` },
    });
    const evidence = await send<{
      items: { entry: { type: string; data: Record<string, unknown> } }[];
    }>(instance, 'auditor', 'GET', '/evidence?limit=200');
    const entries = evidence.body.items.filter(
      ({ entry }) => entry.data.credential === id && entry.type.startsWith('credential.'),
    );
    const { username: _, ...told } = { username: '', ...kept };
    expect(entries.map(({ entry }) => entry.type)).toEqual([
      'credential.created',
      'credential.rotated',
    ]);
    for (const { entry } of entries) expect(entry.data).toMatchObject({ kind, ...told });
    const everything = JSON.stringify([shown, rotated, approval, evidence]);
    expect(everything).not.toContain(SECRET);
    expect(JSON.stringify(evidence)).not.toContain('"username"');
  });

  test(`a credential of kind ${kind} without its place, or with another’s, is refused with the field`, async () => {
    for (const other of KINDS) {
      if (other === kind) continue;
      const { status, body } = await create({ kind, ...PLACES[other][0] });
      expect([kind, other, status, body.code]).toEqual([kind, other, 422, 'input.invalid']);
      const { errors } = body as { errors: { pointer: string }[] };
      const fields = [...Object.keys(given), ...Object.keys(PLACES[other][0])];
      for (const { pointer } of errors) expect(fields).toContain(pointer.slice(1));
    }
  });

  test(`a value of kind ${kind} that would break a message is refused and not repeated`, async () => {
    for (const bad of ['\r\nx-evil: 1', '\n', '\0', '\u001b', ' spaced', 'é', '\t']) {
      const { status, body } = await create({ kind, ...given, value: `${SECRET}${bad}` });
      expect([bad, status]).toEqual([bad, 422]);
      expect((body as { errors: unknown }).errors).toEqual([
        { pointer: '/value', message: 'expected visible ASCII characters without spaces' },
      ]);
      expect(JSON.stringify(body)).not.toContain(SECRET);
      const path = `/credentials/${ids.get(kind)}/rotate`;
      const rotated = await send(instance, 'admin', 'POST', path, { value: `${SECRET}${bad}` });
      expect(rotated.status).toBe(422);
    }
  });
}

test('a place that is the connection’s or the message’s own is refused', async () => {
  for (const header of [
    ...['Host', 'cookie', 'Content-Length', 'Transfer-Encoding', 'Proxy-Authorization'],
    ...['Accept-Encoding', 'content-type', 'X-HTTP-Method-Override', 'x key', 'x\r\n', ''],
  ]) {
    const { status, body } = await create({ kind: 'header', header });
    expect([header, status]).toEqual([header, 422]);
    expect((body as { errors: { pointer: string }[] }).errors[0]?.pointer).toBe('/header');
  }
  for (const parameter of ['', 'a=b', 'a&b', 'a%62', 'a[b]', 'ä', 'x'.repeat(65)]) {
    expect((await create({ kind: 'query', parameter })).status).toBe(422);
  }
  for (const username of ['a:b', 'a b', 'a\n', 'ä', 'x'.repeat(256)]) {
    expect((await create({ kind: 'basic', username })).status).toBe(422);
  }
  // RFC 7617 lets a user name be empty, and some services use that.
  const { body } = await create({ name: 'nameless', kind: 'basic', username: '' });
  expect(body).toMatchObject({ kind: 'basic', username: '' });
});

test('a credential of another kind than the plugin asks for is not given, and the reason names both', async () => {
  const { body } = await leaveFor({ rule: 'other' });
  expect(body).toMatchObject({ status: 'refused', code: 'credential.unavailable' });
  expect(JSON.stringify(body)).toContain('of kind header, and the workspace’s is of kind basic');
  expect(JSON.stringify(body)).not.toContain(SECRET);
});

test('a request that fills the place of its credential gets none', async () => {
  const own: readonly [Call, string][] = [
    [{ rule: 'header', headers: [['x-api-key', 'mine']] }, 'sets x-api-key itself'],
    [
      { rule: 'query', url: `https://${LEDGER_HOST}/query?api_key=mine` },
      'sets the query parameter api_key itself',
    ],
  ];
  for (const [call, why] of own) {
    const { body } = await leaveFor(call);
    expect(body).toMatchObject({ status: 'refused', code: 'credential.unavailable' });
    expect(JSON.stringify(body)).toContain(why);
  }
});
