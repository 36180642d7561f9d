import { expect, test } from 'bun:test';
import { type EgressRule, EgressRuleSchema } from '@portarium/contracts/egress-rule';
import type { Effect } from '@portarium/contracts/life-cycle';
import { DEFAULT_LIMITS } from '@portarium/contracts/limits';
import type { Recording } from '@portarium/contracts/plugin-cases';
import * as v from 'valibot';
import { RecordedEgress } from './recorded-egress.ts';

const ITEMS = 'https://api.example.com/v1/items';

function rule(changes: object = {}): EgressRule {
  return v.parse(EgressRuleSchema, {
    ...{ id: 'items', methods: ['GET', 'POST'], scheme: 'https', host: 'api.example.com' },
    ...{ port: 443, path: '/v1/items', ...changes },
  });
}

interface Given {
  readonly rules?: readonly EgressRule[];
  readonly effect?: Effect;
  readonly limits?: Partial<typeof DEFAULT_LIMITS>;
}

function egress(
  recordings: readonly Recording[],
  { rules = [rule()], effect, limits }: Given = {},
) {
  const contract = { plugin: rules, operator: rules, networks: ['0.0.0.0/0'], approval: [] };
  const order = { contract, effect: effect ?? 'read' };
  return new RecordedEgress(order, { ...DEFAULT_LIMITS, ...limits }, recordings);
}

function recording(url: string, response: Partial<Recording['response']> = {}): Recording {
  return { request: { method: 'GET', url }, response: { status: 200, headers: {}, ...response } };
}

const get = (url: string) => ({ method: 'GET', url, headers: [], body: new Uint8Array() });
const post = (url: string) => ({ ...get(url), method: 'POST' });

test('recordings of one request are answers to its calls in their order, each once', async () => {
  const session = egress([
    recording(ITEMS, { body: 'first' }),
    recording(ITEMS, { status: 503, body: { second: true } }),
  ]);
  const answers = [await session.request(get(ITEMS)), await session.request(get(ITEMS))];
  const told = answers.map((one) =>
    one.kind === 'response' ? [one.status, new TextDecoder().decode(one.body)] : one,
  );
  expect(told).toEqual([
    [200, 'first'],
    [503, '{"second":true}'],
  ]);
  expect(session.problems()).toEqual([]);
  expect(await session.request(get(ITEMS))).toMatchObject({
    kind: 'refused',
    code: 'egress.denied',
  });
  expect(session.problems()).toEqual([
    `it asked for GET ${ITEMS}, which the case has no recording of`,
  ]);
});

test('a call outside the manifest is denied although a recording would answer it, and ends the attempt', async () => {
  const elsewhere = 'https://collector.example.net/';
  const session = egress([recording(elsewhere), recording(ITEMS)]);
  const denied = await session.request(get(elsewhere));
  expect(denied).toMatchObject({
    code: 'egress.denied',
    message: expect.stringContaining(
      'no rule of the plugin names host collector.example.net',
    ) as never,
  });
  expect(await session.request(get(ITEMS))).toEqual(denied);
  expect(session.refusal).toEqual(denied as never);
});

test('a read sends no write, and a redirect is a call of its own that rules have to allow', async () => {
  const writes = egress([{ ...recording(ITEMS), request: { method: 'POST', url: ITEMS } }]);
  expect(await writes.request(post(ITEMS))).toMatchObject({
    message: expect.stringContaining('a read operation may not send POST') as never,
  });
  const leading = (location: string) =>
    egress([recording(ITEMS, { status: 302, headers: { location } }), recording(`${ITEMS}/2`)], {
      rules: [rule(), rule({ id: 'one', path: '/v1/items/{id}' })],
    });
  expect(await leading('/v1/items/2').request(get(ITEMS))).toMatchObject({ status: 200 });
  const away = await leading('https://collector.example.net/').request(get(ITEMS));
  expect(away).toMatchObject({ kind: 'refused', code: 'egress.denied' });
});

test('budgets are those of an attempt and of each rule', async () => {
  const three = [recording(ITEMS), recording(ITEMS), recording(ITEMS)];
  const calls = egress(three, { limits: { egressCalls: 1 } });
  await calls.request(get(ITEMS));
  expect(await calls.request(get(ITEMS))).toMatchObject({ code: 'limit.egress' });
  const byRule = egress(three, { rules: [rule({ maxCalls: 2 })] });
  for (const kind of ['response', 'response', 'refused'])
    expect(await byRule.request(get(ITEMS))).toMatchObject({ kind } as never);
  const large = egress([recording(ITEMS, { body: '12345' })], { limits: { egressBytesIn: 4 } });
  expect(await large.request(get(ITEMS))).toMatchObject({
    code: 'limit.egress',
    message: expect.stringContaining('larger than 4 bytes') as never,
  });
});

test('a guest reads of a recorded response what it would read of a server’s', async () => {
  const packed = { 'content-encoding': 'gzip', 'content-length': '9' };
  const headers = { 'x-b': '2', 'set-cookie': 'a=1', connection: 'close', 'x-a': '1', ...packed };
  const answer = await egress([recording(ITEMS, { headers, body: 'x' })]).request(get(ITEMS));
  expect(answer.kind === 'response' && Object.entries(answer.headers)).toEqual([
    ['x-a', '1'],
    ['x-b', '2'],
  ]);
});

test('an address that nobody can open is refused, whatever the manifest asks for', async () => {
  for (const [host, kind] of [
    ['169.254.169.254', 'refused'],
    ['10.1.0.7', 'response'],
  ] as const) {
    const url = `http://${host}/`;
    const asked = { rules: [rule({ scheme: 'http', host, port: 80, path: '/' })] };
    const answer = await egress([recording(url)], asked).request(get(url));
    expect([host, answer.kind]).toEqual([host, kind]);
  }
});
