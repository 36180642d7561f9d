/** Spans of egress calls as a collector receives them. */
import { afterAll, beforeAll, beforeEach, expect, test } from 'bun:test';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type EgressRule, EgressRuleSchema } from '@portarium/contracts/egress-rule';
import { makeId } from '@portarium/contracts/ids';
import type { EgressCall } from '@portarium/contracts/internal-api';
import type { GuestRequest } from '@portarium/contracts/outbound-request';
import * as v from 'valibot';
import { startTelemetry } from '../telemetry.ts';
import { leave } from '../testing/counterpart.ts';
import { EgressRigs } from '../testing/egress-rig.ts';

const SECRET = 'sk_live_4eC39HqLyjWDarjtT1zdp7dc';
const TRACE = '0af7651916cd43dd8448eb211c80319c';

interface OtlpSpan {
  readonly traceId: string;
  readonly name: string;
  readonly kind: number;
  readonly status?: { readonly code?: number };
  readonly startTimeUnixNano: string;
  readonly endTimeUnixNano: string;
  readonly attributes: readonly {
    readonly key: string;
    /** One field, named by its type. */
    readonly value: Readonly<Record<string, unknown>>;
  }[];
}

const rigs = new EgressRigs();
const servers: Server[] = [];
let port = 0;
let collector = '';
let received = '';

async function listen(server: Server): Promise<number> {
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return (server.address() as AddressInfo).port;
}

beforeAll(async () => {
  await rigs.start();
  port = await listen(
    createServer((request, response) => {
      response.writeHead(request.url?.startsWith('/missing') ? 404 : 200, {
        'x-answer': 'header of the answer',
      });
      response.end('body of the answer');
    }),
  );
  const sink = createServer(async (request, response) => {
    for await (const chunk of request) received += String(chunk);
    response.writeHead(200, { 'content-type': 'application/json' }).end('{}');
  });
  collector = `http://127.0.0.1:${await listen(sink)}`;
});
afterAll(async () => {
  await rigs.stop();
  for (const server of servers) server.close();
});
beforeEach(() => {
  received = '';
  rigs.counterpart.intend = () => leave();
});

function rule(over: Partial<EgressRule> = {}): EgressRule {
  return v.parse(EgressRuleSchema, {
    ...{ id: 'things', methods: ['GET', 'POST'], scheme: 'http', host: '127.0.0.1', port },
    ...{ path: '/{kind}', query: ['q'], headers: ['content-type', 'x-mine'] },
    ...{ contentTypes: ['text/plain'], ...over },
  });
}

function attempt(rules: readonly EgressRule[], journal: readonly EgressCall[] = []) {
  const contract = {
    ...{ plugin: [...rules], operator: [...rules], networks: ['loopback'], approval: [] },
  };
  const origin = { workspace: 'local', action: 'act_1', trace: TRACE };
  return rigs.attempt({ contract, origin, journal });
}

const get = (path: string): GuestRequest => ({
  ...{ method: 'GET', url: `http://127.0.0.1:${port}${path}`, body: new Uint8Array() },
  headers: [['x-mine', 'header of the guest']],
});
const post = (path: string): GuestRequest => ({
  ...get(path),
  ...{ method: 'POST', body: new TextEncoder().encode('body of the guest') },
  headers: [['content-type', 'text/plain']],
});

/** What the collector got while `work` ran. */
async function spansOf(work: () => Promise<unknown>) {
  const telemetry = startTelemetry(collector);
  try {
    await work();
  } finally {
    await telemetry.close();
  }
  const { resourceSpans } = JSON.parse(received) as {
    resourceSpans: { scopeSpans: { spans: OtlpSpan[] }[] }[];
  };
  const spans = resourceSpans.flatMap(({ scopeSpans }) => scopeSpans.flatMap((one) => one.spans));
  return spans.map(({ attributes, ...span }) => ({
    ...span,
    attributes: Object.fromEntries(
      attributes.map(({ key, value }): [string, unknown] => [key, Object.values(value)[0]]),
    ),
  }));
}

const INTERNAL = 1;
const CLIENT = 3;
const ERROR = 2;

test('each call has a span by the conventions of HTTP clients, in the trace of its action', async () => {
  const rig = attempt([rule()]);
  const [read, missing] = await spansOf(async () => {
    await rig.session.request(get('/one?q=question'));
    await rig.session.request(get('/missing'));
  });
  expect(read).toMatchObject({ traceId: TRACE, kind: CLIENT, name: 'GET /{kind}' });
  expect(BigInt(read?.endTimeUnixNano ?? 0)).toBeGreaterThan(BigInt(read?.startTimeUnixNano ?? 0));
  const [record] = rig.session.calls;
  expect(read?.attributes).toEqual({
    'http.request.method': 'GET',
    'http.response.status_code': 200,
    'http.request.body.size': 0,
    'http.response.body.size': 18,
    'server.address': '127.0.0.1',
    'server.port': port,
    'network.peer.address': '127.0.0.1',
    'network.peer.port': port,
    'url.scheme': 'http',
    'url.full': `http://127.0.0.1:${port}/one`,
    'url.template': '/{kind}',
    'portarium.workspace': 'local',
    'portarium.action': 'act_1',
    'portarium.attempt': rig.attempt,
    'portarium.egress.call': 0,
    'portarium.egress.replayed': false,
    'portarium.egress.verdict': 'allowed',
    'portarium.egress.rule': 'things',
    'portarium.egress.bytes_out': record?.bytesOut,
    'portarium.egress.bytes_in': 18,
    'portarium.egress.request_digest': record?.requestDigest,
    'portarium.egress.response_digest': record?.responseDigest,
  });
  expect(missing).toMatchObject({ status: { code: ERROR }, attributes: { 'error.type': '404' } });
});

test('denied, failed and unanswered calls have one too, with the layer that refused or what broke', async () => {
  const closed = await listen(createServer());
  await new Promise((resolve) => servers.at(-1)?.close(resolve));
  const rules = [rule(), rule({ id: 'closed', port: closed, path: '/closed' })];
  const denied = async (prepare: () => void, request: GuestRequest) => {
    prepare();
    const [span] = await spansOf(() => attempt(rules).session.request(request));
    received = '';
    rigs.counterpart.intend = () => leave();
    return span;
  };
  const nothing = () => undefined;
  const plugin = await denied(nothing, { ...get('/one'), url: 'http://elsewhere.test/x?q=hidden' });
  expect(plugin).toMatchObject({ name: 'GET', status: { code: ERROR } });
  expect(plugin?.attributes).toMatchObject({
    ...{ 'portarium.egress.verdict': 'denied', 'portarium.egress.layer': 'plugin' },
    ...{ 'error.type': 'plugin', 'portarium.egress.refusal': 'egress.denied' },
    'url.full': 'http://elsewhere.test:80/x',
  });
  const refusal = { code: 'limit.rate', message: 'too many', layer: 'rate' };
  const rated = await denied(() => {
    rigs.counterpart.intend = () => [200, { status: 'refused', ...refusal }];
  }, post('/one'));
  expect(rated?.attributes).toMatchObject({ 'error.type': 'rate', 'portarium.egress.call': 0 });
  const broken = await denied(nothing, {
    ...get('/closed'),
    ...{ url: `http://127.0.0.1:${closed}/closed` },
  });
  expect(broken?.attributes).toMatchObject({
    ...{ 'portarium.egress.verdict': 'failed', 'error.type': 'failed' },
    'network.peer.address': '127.0.0.1',
  });
  const odd = await denied(nothing, { ...get('/one'), method: 'TRACE' });
  expect(odd).toMatchObject({ name: '_OTHER', attributes: { 'http.request.method': '_OTHER' } });
});

test('a call that the journal answers has a span that says so: nothing left', async () => {
  const first = attempt([rule()]);
  await first.session.request(get('/one'));
  const second = attempt([rule()], await first.settle());
  const [span] = await spansOf(() => second.session.request(get('/one')));
  expect(span).toMatchObject({
    kind: INTERNAL,
    attributes: { 'portarium.egress.replayed': true, 'portarium.attempt': second.attempt },
  });
});

test('no span holds a query, a header, a body or a secret', async () => {
  const id = makeId('credential', 1, new Uint8Array(10));
  const credential = { id, slot: 'things', version: 1, kind: 'bearer', secret: SECRET };
  rigs.counterpart.intend = () => leave({ credential });
  const rig = attempt([rule({ credential: 'things', headers: ['content-type'] })]);
  const plain = attempt([rule()]);
  const spans = await spansOf(async () => {
    await rig.session.request(post('/one?q=question'));
    await plain.session.request(get('/one?q=question'));
  });
  expect(spans.length).toBe(2);
  for (const part of ['question', 'of the guest', 'of the answer', SECRET, 'x-answer', 'x-mine']) {
    expect(received).not.toContain(part);
  }
});

test('without a collector spans are made of nothing, and calls go on', async () => {
  const rig = attempt([rule()]);
  expect((await rig.session.request(get('/one'))).kind).toBe('response');
  expect(received).toBe('');
});
