import { afterAll, beforeAll, beforeEach, expect, test } from 'bun:test';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { CredentialPlacement } from '@portarium/contracts/credential-placement';
import { type EgressRule, EgressRuleSchema } from '@portarium/contracts/egress-rule';
import { makeId } from '@portarium/contracts/ids';
import type { GuestRequest } from '@portarium/contracts/outbound-request';
import { requestDigest } from '@portarium/contracts/request-digest';
import * as v from 'valibot';
import { leave } from '../testing/counterpart.ts';
import { type EgressRig, EgressRigs } from '../testing/egress-rig.ts';

/** Needs escapes in a URL, and stands at no boundary of base64 behind the user's name. */
const SECRET = 's3cret/+%=of&the~kinds?';
const USER = 'ada';
const TOKEN = Buffer.from(`${USER}:${SECRET}`).toString('base64');

interface Kind {
  readonly place: CredentialPlacement;
  /** What the server has to find, and where. */
  readonly header?: readonly [name: string, value: string];
  readonly query?: string;
}

const KINDS: readonly Kind[] = [
  { place: { kind: 'bearer' }, header: ['authorization', `Bearer ${SECRET}`] },
  { place: { kind: 'basic', username: USER }, header: ['authorization', `Basic ${TOKEN}`] },
  { place: { kind: 'header', header: 'X-Api-Key' }, header: ['x-api-key', SECRET] },
  {
    place: { kind: 'query', parameter: 'api_key' },
    query: `api_key=${encodeURIComponent(SECRET)}`,
  },
];

/** Every form in which the secret leaves or may come back. */
const FORMS = [
  SECRET,
  TOKEN,
  encodeURIComponent(SECRET),
  encodeURIComponent(encodeURIComponent(SECRET)),
  encodeURIComponent(SECRET).replaceAll(/%../g, (escaped) => escaped.toLowerCase()),
  JSON.stringify(SECRET).slice(1, -1),
  Buffer.from(SECRET).toString('hex'),
  Buffer.from(TOKEN).toString('base64').slice(0, 32),
];

interface Seen {
  readonly url: string;
  readonly headers: IncomingMessage['headers'];
  /** Names as they stood on the wire, in lower case. */
  readonly names: readonly string[];
}

const rigs = new EgressRigs();
const seen: Seen[] = [];
const servers = [createServer(), createServer()];
let [port, elsewhere] = [0, 0];
let answer: (request: IncomingMessage, response: ServerResponse) => void;

beforeAll(async () => {
  await rigs.start();
  for (const server of servers) {
    server.on('request', (request: IncomingMessage, response: ServerResponse) => {
      const names = request.rawHeaders
        .filter((_, i) => i % 2 === 0)
        .map((one) => one.toLowerCase());
      seen.push({ url: request.url ?? '', headers: request.headers, names });
      answer(request, response);
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  }
  [port = 0, elsewhere = 0] = servers.map((server) => (server.address() as AddressInfo).port);
});
afterAll(async () => {
  await rigs.stop();
  for (const server of servers) server.close();
});
beforeEach(() => {
  seen.length = 0;
  rigs.counterpart.intents.length = 0;
  rigs.counterpart.heartbeats.length = 0;
  rigs.counterpart.bodies.clear();
  answer = echo;
});

/** Tells back all that it got, in every form that it can think of. */
function echo(request: IncomingMessage, response: ServerResponse): void {
  const url = request.url ?? '';
  const told = [url, ...request.rawHeaders];
  const query = new URL(url, 'http://a.test').searchParams;
  response.setHeader('content-type', 'application/json');
  response.setHeader('x-url', url);
  response.setHeader('x-sign-in', `/sign-in?next=${encodeURIComponent(url)}`);
  response.setHeader('x-headers', request.rawHeaders.join(' '));
  response.end(
    JSON.stringify({
      told,
      parameters: [...query.values()],
      packed: told.map((text) => Buffer.from(text).toString('base64')),
      hex: told.map((text) => Buffer.from(text).toString('hex')),
    }),
  );
}

function rule(over: Partial<v.InferInput<typeof EgressRuleSchema>> = {}): EgressRule {
  return v.parse(EgressRuleSchema, {
    id: 'things',
    methods: ['GET', 'POST'],
    scheme: 'http',
    host: '127.0.0.1',
    port,
    path: '/**',
    query: ['page', 'api_key', 'API_KEY'],
    headers: ['x-api-key', 'x-other'],
    credential: 'main',
    ...over,
  });
}

function attempt(place: CredentialPlacement, rules = [rule()], more: object = {}): EgressRig {
  const id = makeId('credential', 1, new Uint8Array(10));
  const credential = { id, slot: 'main', version: 1, ...place, secret: SECRET };
  rigs.counterpart.intend = () => leave({ credential, ...more });
  const contract = { plugin: rules, operator: rules, networks: ['loopback'], approval: [] };
  return rigs.attempt({ contract });
}

function ask(path: string, over: Partial<GuestRequest> = {}): GuestRequest {
  const url = `http://127.0.0.1:${port}${path}`;
  return { method: 'GET', url, headers: [], body: new Uint8Array(), ...over };
}

/** All that the guest or the Control Plane got of it. */
async function told(rig: EgressRig, answers: readonly unknown[]): Promise<string> {
  const shown = answers.map((one) => {
    const { body, ...rest } = one as { readonly body?: Uint8Array };
    return [rest, body && new TextDecoder().decode(body)];
  });
  const { intents, heartbeats, bodies } = rigs.counterpart;
  const kept = [...bodies.values()].map((bytes) => Buffer.from(bytes).toString());
  return JSON.stringify([shown, await rig.settle(), rig.session.calls, intents, heartbeats, kept]);
}

for (const { place, header, query } of KINDS) {
  const { kind } = place;

  test(`a secret of kind ${kind} reaches the server in one place, and no guest and no record`, async () => {
    for (const [path, method] of [
      ['/things', 'GET'],
      ['/things?page=2', 'POST'],
    ] as const) {
      seen.length = 0;
      rigs.counterpart.intents.length = 0;
      const rig = attempt(place);
      const got = await rig.session.request(ask(path, { method, headers: [['x-other', 'mine']] }));
      expect(got).toMatchObject({ kind: 'response', status: 200 });
      const [request] = seen;
      const added = query === undefined ? '' : `${path.includes('?') ? '&' : '?'}${query}`;
      expect(request?.url).toBe(`${path}${added}`);
      expect(request?.headers['x-other']).toBe('mine');
      const [name, value] = header ?? ['authorization', undefined];
      expect(request?.headers[name]).toBe(value);
      expect(request?.names.filter((one) => one === name)).toHaveLength(header ? 1 : 0);
      const all = JSON.stringify([request?.url, request?.headers]);
      expect(FORMS.filter((form) => all.includes(form)).length).toBeGreaterThan(0);
      expect(JSON.stringify(got.kind === 'response' && got.headers)).toContain('[credential main]');
      const everything = await told(rig, [got]);
      for (const form of FORMS) expect([form, everything.includes(form)]).toEqual([form, false]);
      // What is recorded is what the guest asked for.
      expect(rig.session.calls[0]?.requestDigest).toBe(
        await requestDigest({
          method,
          url: `http://127.0.0.1:${port}${path}`,
          headers: [['x-other', 'mine']],
          bodyDigest: null,
          rule: 'things',
        }),
      );
    }
  });

  test(`a redirect to another origin takes no secret of kind ${kind} along, whatever it repeats`, async () => {
    answer = (request, response) => {
      if (!request.url?.startsWith('/first')) return echo(request, response);
      const location = `http://127.0.0.1:${elsewhere}${request.url.replace('first', 'second')}`;
      response.writeHead(302, { location }).end();
    };
    const rules = [rule(), rule({ id: 'other', port: elsewhere, credential: undefined })];
    const rig = attempt(place, rules);
    const got = await rig.session.request(ask('/first?page=2'));
    expect(got).toMatchObject({ kind: 'response', status: 200 });
    expect(seen.map(({ url }) => url.split('?')[0])).toEqual(['/first', '/second']);
    expect(seen[1]?.url).toBe('/second?page=2');
    const second = JSON.stringify(seen[1]);
    const everything = await told(rig, [got]);
    for (const form of FORMS) {
      expect([form, second.includes(form), everything.includes(form)]).toEqual([
        form,
        false,
        false,
      ]);
    }
    expect(rigs.counterpart.intents).toHaveLength(1);
  });

  test(`a redirect within the origin gets a secret of kind ${kind} once more, and not twice`, async () => {
    answer = (request, response) => {
      if (!request.url?.startsWith('/first')) return echo(request, response);
      response.writeHead(301, { location: `${request.url.replace('first', 'first/')}` });
      response.end();
      answer = echo;
    };
    const rig = attempt(place);
    const got = await rig.session.request(ask('/first?page=2'));
    expect(got).toMatchObject({ kind: 'response', status: 200 });
    expect(seen.map(({ url }) => url)).toEqual(
      ['/first', '/first/'].map((path) => `${path}?page=2${query ? `&${query}` : ''}`),
    );
    if (header)
      expect(seen.map(({ headers }) => headers[header[0]])).toEqual([header[1], header[1]]);
    expect(rigs.counterpart.intents.map(({ url }) => url.split('?')[1])).toEqual([
      'page=2',
      'page=2',
    ]);
  });
}

test('a secret never stands beside what the guest put in its place: nothing leaves', async () => {
  const taken: readonly [CredentialPlacement, Partial<GuestRequest> & { path?: string }, string][] =
    [
      [
        { kind: 'header', header: 'X-Api-Key' },
        { headers: [['X-API-KEY', 'of the guest']] },
        'the request sets x-api-key itself',
      ],
      [
        { kind: 'query', parameter: 'api_key' },
        { path: '/things?API_KEY=of+the+guest' },
        'the request sets the query parameter api_key itself',
      ],
      [
        { kind: 'query', parameter: 'api_key' },
        { path: '/things?page=1&%61pi_key' },
        'the request sets the query parameter api_key itself',
      ],
    ];
  for (const [place, { path = '/things', ...over }, why] of taken) {
    const rig = attempt(place);
    const got = await rig.session.request(ask(path, { method: 'POST', ...over }));
    expect(got).toMatchObject({ kind: 'refused', code: 'credential.unavailable' });
    expect(JSON.stringify(got)).toContain(why);
    expect(await rig.settle()).toMatchObject([{ verdict: 'failed', sent: false }]);
  }
  expect(seen).toEqual([]);
});

test('an idempotency key in the header of the credential sends neither', async () => {
  const keyed = rule({ idempotency: { header: 'X-Api-Key', retentionHours: 1 } });
  const idempotency = { header: 'x-api-key', key: 'key-of-the-call' };
  const rig = attempt({ kind: 'header', header: 'X-Api-Key' }, [keyed], { idempotency });
  const got = await rig.session.request(ask('/things', { method: 'POST' }));
  expect(got).toMatchObject({ kind: 'refused', code: 'credential.unavailable' });
  expect(seen).toEqual([]);
});
