import { afterAll, beforeAll, beforeEach, expect, test } from 'bun:test';
import { type AddressInfo, createServer, type Server } from 'node:net';
import { digestOf } from '@portarium/contracts/digest';
import { type EgressRule, EgressRuleSchema } from '@portarium/contracts/egress-rule';
import type { ExampleAnswer } from '@portarium/contracts/example-answer';
import { makeId } from '@portarium/contracts/ids';
import type { GuestRequest } from '@portarium/contracts/outbound-request';
import { requestDigest } from '@portarium/contracts/request-digest';
import * as v from 'valibot';
import { EgressRigs, type RigOrder } from '../testing/egress-rig.ts';
import type { EgressAnswer } from './egress-answer.ts';

const CREDENTIAL = makeId('credential', 1, new Uint8Array(10));
const rigs = new EgressRigs();
let server: Server;
let origin = '';
/** Connections that the system behind the plugin has seen. */
let connections = 0;

beforeAll(async () => {
  await rigs.start();
  server = createServer((socket) => {
    connections++;
    socket.on('error', () => undefined);
    socket.end('HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nhi');
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterAll(async () => {
  await rigs.stop();
  server.close();
});
beforeEach(() => {
  connections = 0;
  const { counterpart } = rigs;
  counterpart.intents.length = 0;
  counterpart.puts.length = 0;
});

const rule = (over: object = {}): EgressRule =>
  v.parse(EgressRuleSchema, {
    ...{ id: 'things', methods: ['GET', 'POST', 'DELETE'], scheme: 'http', host: '127.0.0.1' },
    ...{ port: Number(new URL(origin).port), path: '/**', query: ['q'] },
    ...{ contentTypes: ['application/json'], ...over },
  });
const answer = (over: Partial<ExampleAnswer> = {}): ExampleAnswer => ({
  ...{ method: 'POST', path: '/things/{id}', status: 201, headers: { 'x-made': 'yes' } },
  ...{ body: { id: 'thing_1' }, ...over },
});

interface Over extends Partial<RigOrder> {
  readonly rules?: readonly EgressRule[];
  readonly answers?: readonly ExampleAnswer[];
}

function attempt({ rules = [rule()], answers = [answer()], ...over }: Over = {}) {
  const contract = {
    ...{ plugin: [...rules], operator: [...rules], networks: ['loopback'], approval: [] },
  };
  const credentials = [{ slot: 'things', id: CREDENTIAL }];
  return rigs.attempt({ contract, dryRun: { answers: [...answers], credentials }, ...over });
}

const post = (over: Partial<GuestRequest> = {}): GuestRequest => ({
  method: 'POST',
  url: `${origin}/things/1?q=2`,
  headers: [['content-type', 'application/json']],
  body: new TextEncoder().encode('{"amount":40}'),
  ...over,
});
const code = (got: EgressAnswer) => (got.kind === 'refused' ? got.code : got.kind);

test('a write of a dry run opens no connection and asks for no leave; its example answers', async () => {
  const rig = attempt();
  const got = await rig.session.request(post());
  if (got.kind !== 'response') throw new Error(JSON.stringify(got));
  expect([got.status, got.headers, new TextDecoder().decode(got.body)]).toEqual([
    201,
    { 'x-made': 'yes' },
    '{"id":"thing_1"}',
  ]);
  const [record] = await rig.settle();
  const bodyDigest = await digestOf(post().body);
  const request = {
    ...{ url: `${origin}/things/1?q=2`, headers: [['content-type', 'application/json']] },
    ...{ bodyDigest, bodyBytes: 13 },
  };
  expect(record).toMatchObject({
    verdict: 'withheld',
    rule: 'things',
    status: 201,
    request,
  } as never);
  const { url, headers } = post();
  const asked = { method: 'POST', url, headers, bodyDigest, rule: 'things' };
  expect(record?.requestDigest).toBe(await requestDigest(asked));
  expect(rigs.counterpart.bodies.get(bodyDigest)).toEqual(post().body);
  expect([connections, rigs.counterpart.intents.length]).toEqual([0, 0]);
  expect([rig.session.count, rig.session.bytesOut]).toEqual([0, 0]);
});

test('reads of a dry run go out as ever', async () => {
  const rig = attempt();
  const got = await rig.session.request(
    post({ method: 'GET', headers: [], body: new Uint8Array() }),
  );
  expect([got.kind, connections]).toEqual(['response', 1]);
  expect((await rig.settle())[0]?.verdict).toBe('allowed');
});

test('the credential that would go with a write is named, and asked for by nobody', async () => {
  const rig = attempt({ rules: [rule({ credential: 'things' })] });
  expect((await rig.session.request(post())).kind).toBe('response');
  expect((await rig.settle())[0]?.credential).toBe(CREDENTIAL);
  expect([connections, rigs.counterpart.intents.length]).toEqual([0, 0]);
  const unfilled = attempt({ rules: [rule({ credential: 'other' })] });
  expect(code(await unfilled.session.request(post()))).toBe('credential.unavailable');
});

test('a write that no example answers is recorded and ends the dry run, and nothing follows', async () => {
  const rig = attempt({ answers: [answer({ path: '/others' }), answer({ method: 'DELETE' })] });
  const got = await rig.session.request(post());
  expect(code(got)).toBe('dry-run.unanswered');
  expect(got.kind === 'refused' && got.message).toContain('"path":"/things/1"');
  expect(code(await rig.session.request(post()))).toBe('dry-run.unanswered');
  const journal = await rig.settle();
  expect(journal.map(({ verdict, status }) => [verdict, status])).toEqual([
    ['withheld', undefined],
  ]);
  expect(connections).toBe(0);
});

test('what a real run may not send is refused in a dry run too', async () => {
  const refused = async (over: Over, request = post()) =>
    code(await attempt(over).session.request(request));
  expect(await refused({}, post({ url: `${origin}/things/1?z=2` }))).toBe('egress.denied');
  expect(await refused({ rules: [rule({ maxBytes: 5 })] })).toBe('limit.egress');
  expect(await refused({ effect: 'read' })).toBe('egress.denied');
  const contract = { plugin: [rule()], operator: [rule()], networks: [], approval: [] };
  expect(await refused({ contract })).toBe('egress.denied');
  expect(connections).toBe(0);
});

test('an approver’s rules bound a call as those of the others do, with budgets of their own', async () => {
  const less = { ...rule({ path: '/things/1' }), id: 'less', maxCalls: 1 };
  const contract = {
    ...{ plugin: [rule()], operator: [rule()], networks: ['loopback'], approval: [less] },
  };
  const rig = attempt({ contract });
  expect((await rig.session.request(post())).kind).toBe('response');
  expect((await rig.settle())[0]?.rule).toBe('things things less');
  const outside = await attempt({ contract }).session.request(post({ url: `${origin}/things/2` }));
  expect(outside).toMatchObject({ kind: 'refused', code: 'egress.denied' });
  const read = post({ method: 'GET', headers: [], body: new Uint8Array() });
  const twice = attempt({ contract }).session;
  expect((await twice.request(read)).kind).toBe('response');
  expect(code(await twice.request(read))).toBe('limit.egress');
  expect(connections).toBe(1);
});

test('a later attempt is answered from the journal, whatever the examples say by then', async () => {
  const first = attempt();
  await first.session.request(post());
  const journal = await first.settle();
  const second = attempt({ journal, answers: [answer({ status: 500 })] });
  const got = await second.session.request(post());
  expect(got.kind === 'response' && [got.status, new TextDecoder().decode(got.body)]).toEqual([
    201,
    '{"id":"thing_1"}',
  ]);
  expect(second.session.calls).toEqual([]);
  expect(connections).toBe(0);
});

test('a large body that would be sent is put before the record that names it', async () => {
  const body = new Uint8Array(600 * 1024).fill(0x61);
  const rig = attempt({ limits: { egressBytesOut: 1024 * 1024 } });
  expect((await rig.session.request(post({ body }))).kind).toBe('response');
  const [record] = await rig.settle();
  expect(record?.request).toMatchObject({ bodyBytes: body.length });
  expect(rigs.counterpart.puts).toEqual([body.length]);
});
