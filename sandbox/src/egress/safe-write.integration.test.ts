import { afterAll, beforeAll, beforeEach, expect, test } from 'bun:test';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer, type RequestListener } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import { type AddressInfo, connect, createServer as createTcpServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { digestOf } from '@portarium/contracts/digest';
import { type EgressRule, EgressRuleSchema } from '@portarium/contracts/egress-rule';
import { makeId } from '@portarium/contracts/ids';
import type { EgressCall } from '@portarium/contracts/internal-api';
import type { GuestRequest } from '@portarium/contracts/outbound-request';
import * as v from 'valibot';
import {
  type Fault,
  type RecordingCounterpart,
  startRecordingCounterpart,
} from '../../../infra/local/src/testing/recording-counterpart.ts';
import { leave } from '../testing/counterpart.ts';
import { type EgressRig, EgressRigs, type RigOrder } from '../testing/egress-rig.ts';
import type { EgressAnswer } from './egress-answer.ts';
import type { BrokerOptions } from './egress-session.ts';

const SECRET = 'sk_live_4eC39HqLyjWDarjtT1zdp7dc/+%';
const CREDENTIAL = {
  id: makeId('credential', 1, new Uint8Array(10)),
  slot: 'stripe',
  version: 1,
  kind: 'bearer',
  secret: SECRET,
};
/** Leave with the key that the platform makes for the call. */
const keyedLeave = (over: object = {}) =>
  leave({ idempotency: { header: 'idempotency-key', key: `key-${id}` }, ...over });

const rigs = new EgressRigs();
const servers: Server[] = [];
let system: RecordingCounterpart;
let next = 0;
let id = '';

beforeAll(async () => {
  await rigs.start();
  system = await startRecordingCounterpart();
});
afterAll(async () => {
  await rigs.stop();
  await system[Symbol.asyncDispose]();
  for (const server of servers) server.close();
});
beforeEach(() => {
  id = `w${++next}`;
  const { counterpart } = rigs;
  counterpart.intents.length = 0;
  counterpart.heartbeats.length = 0;
  counterpart.puts.length = 0;
  counterpart.gets.length = 0;
  counterpart.bodies.clear();
  counterpart.intend = () => leave();
});

type RuleOver = Partial<v.InferInput<typeof EgressRuleSchema>>;

function rule(over: RuleOver = {}): EgressRule {
  return v.parse(EgressRuleSchema, {
    id: 'things',
    methods: ['GET', 'POST'],
    scheme: 'http',
    host: '127.0.0.1',
    port: system.port,
    path: '/**',
    query: ['id'],
    contentTypes: ['application/json'],
    ...over,
  });
}

const keyed = (over: RuleOver = {}) =>
  rule({ idempotency: { header: 'Idempotency-Key', retentionHours: 24 }, ...over });
const secret = (over: RuleOver = {}) => rule({ credential: 'stripe', ...over });

interface Over extends Partial<RigOrder> {
  readonly rules?: readonly EgressRule[];
}

function attempt({ rules = [rule()], ...over }: Over = {}, options: Partial<BrokerOptions> = {}) {
  const contract = {
    plugin: [...rules],
    operator: [...rules],
    networks: ['loopback'],
    approval: [],
  };
  return rigs.attempt({ contract, ...over }, options);
}

function post(over: Partial<GuestRequest> = {}): GuestRequest {
  return {
    method: 'POST',
    url: `${system.origin}/things`,
    headers: [['content-type', 'application/json']],
    body: new TextEncoder().encode(JSON.stringify({ id })),
    ...over,
  };
}

function get(query = `?id=${id}`): GuestRequest {
  const url = `${system.origin}/things${query}`;
  return { method: 'GET', url, headers: [], body: new Uint8Array() };
}

function textOf(answer: EgressAnswer): string {
  if (answer.kind !== 'response') throw new Error(JSON.stringify(answer));
  return new TextDecoder().decode(answer.body);
}

/** What the Control Plane holds of the call, or undefined. */
function held(rig: EgressRig, call = 0): EgressCall | undefined {
  return rigs.counterpart.journal(rig.attempt)[call];
}

async function listen(server: Server): Promise<number> {
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return (server.address() as AddressInfo).port;
}

/** A certificate for one name that signs itself, in PEM. */
function certificate(name: string): { readonly key: string; readonly cert: string } {
  const folder = mkdtempSync(join(tmpdir(), 'portarium-tls-'));
  const [key, cert] = [join(folder, 'key.pem'), join(folder, 'cert.pem')];
  const options = [
    ...['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'],
    ...['-keyout', key, '-out', cert, '-days', '1', '-subj', `/CN=${name}`],
    ...['-addext', `subjectAltName=DNS:${name}`],
  ];
  execFileSync('openssl', options, { stdio: 'ignore' });
  const made = { key: readFileSync(key, 'utf8'), cert: readFileSync(cert, 'utf8') };
  rmSync(folder, { recursive: true });
  return made;
}

async function serve(handler: RequestListener): Promise<number> {
  return listen(createServer(handler));
}

async function closedPort(): Promise<number> {
  const server = createTcpServer();
  const port = await listen(server);
  await new Promise((resolve) => server.close(resolve));
  return port;
}

test('a write leaves once, after its intent is durable, with the key of the platform', async () => {
  const rig = attempt({ rules: [keyed()] });
  rigs.counterpart.intend = () => keyedLeave();
  let before: EgressCall | undefined;
  system.plan(id, {
    arrived: () => {
      before = held(rig);
    },
  });
  const answer = await rig.session.request(post());
  expect(JSON.parse(textOf(answer))).toMatchObject({ id, effect: 1 });
  expect(before).toMatchObject({ call: 0, verdict: 'open' });
  expect(system.requests(id).map(({ key, method }) => [method, key])).toEqual([
    ['POST', `key-${id}`],
  ]);
  expect(rigs.counterpart.intents[0]).toMatchObject({
    call: 0,
    method: 'POST',
    url: `${system.origin}/things`,
    headers: [['content-type', 'application/json']],
    bodyBytes: post().body.length,
    address: '127.0.0.1',
  });
  expect(await rig.settle()).toEqual([
    expect.objectContaining({ verdict: 'allowed', status: 200, rule: 'things' }),
  ]);
});

test('a read without a credential asks for no leave and is reported', async () => {
  const rig = attempt();
  expect((await rig.session.request(get())).kind).toBe('response');
  expect(rigs.counterpart.intents).toEqual([]);
  expect(await rig.settle()).toHaveLength(1);
});

test('an intent carries every record before it with its body; large bodies are put before', async () => {
  const port = await serve((request, response) => {
    response.end('x'.repeat(request.url === '/large' ? 300_000 : 3));
  });
  const rig = attempt({ rules: [rule(), rule({ id: 'other', port })] });
  const other = (path: string) => ({ ...get(), url: `http://127.0.0.1:${port}${path}` });
  await rig.session.request(other('/small'));
  await rig.session.request(other('/large'));
  await rig.session.request(post());
  const [intent] = rigs.counterpart.intents;
  expect(intent?.call).toBe(2);
  expect(intent?.calls.map(({ call, path }) => [call, path])).toEqual([
    [0, '/small'],
    [1, '/large'],
  ]);
  // Its own body last.
  expect(intent?.bodies.map(({ bytes }) => atob(bytes))).toEqual(['xxx', JSON.stringify({ id })]);
  expect(rigs.counterpart.puts).toEqual([300_000]);
  await rig.session.request(other('/small'));
  const journal = await rig.settle();
  expect(journal.map(({ call, verdict }) => [call, verdict])).toEqual(
    [0, 1, 2, 3].map((call) => [call, 'allowed']),
  );
});

test('the body of a write is with the Control Plane before it leaves, and its digest on record', async () => {
  for (const size of [10, 300_000]) {
    const rig = attempt();
    const body = new TextEncoder().encode(JSON.stringify({ id, more: 'y'.repeat(size) }));
    const digest = await digestOf(body);
    let before: Uint8Array | undefined;
    system.plan(id, {
      arrived: () => {
        before = rigs.counterpart.bodies.get(digest);
      },
    });
    expect((await rig.session.request(post({ body }))).kind).toBe('response');
    expect(before).toEqual(body);
    expect(rigs.counterpart.puts).toEqual(size === 10 ? [] : [body.length]);
    const [record] = await rig.settle();
    expect(record).toMatchObject({ verdict: 'allowed', requestBodyDigest: digest });
  }
  // What is refused leaves none behind.
  const rig = attempt();
  const refusal = { code: 'limit.egress', message: 'more than 1 calls', layer: 'budget' };
  rigs.counterpart.intend = () => [200, { status: 'refused', ...refusal }];
  await rig.session.request(post());
  expect((await rig.settle())[0]).not.toHaveProperty('requestBodyDigest');
});

test('small bodies travel in a report only while there is room', async () => {
  const port = await serve((request, response) => response.end(`${request.url}`.padEnd(100_000)));
  const rig = attempt({ rules: [rule({ port })] });
  for (const path of ['/1', '/2', '/3', '/4']) {
    await rig.session.request({ ...get(), url: `http://127.0.0.1:${port}${path}` });
  }
  await rig.settle();
  expect(rigs.counterpart.puts).toEqual([100_000, 100_000]);
});

test('a refused intent ends the attempt with its code, and nothing leaves', async () => {
  for (const code of [
    'action.cancelled',
    'approval.void',
    'credential.unavailable',
    'outcome.unknown',
    'plugin.quarantined',
  ]) {
    const rig = attempt();
    rigs.counterpart.intend = () => [200, { status: 'refused', code, message: 'it says why' }];
    expect(await rig.session.request(post())).toMatchObject({ kind: 'refused', code });
    // Whatever the guest still tries gets the same answer.
    expect(await rig.session.request(get())).toMatchObject({ kind: 'refused', code });
    expect(await rig.settle()).toEqual([]);
  }
  expect(system.requests(id)).toEqual([]);
});

test('a call that the Control Plane itself denies is recorded as denied', async () => {
  const rig = attempt();
  const refusal = { code: 'limit.egress', message: 'more than 1 calls', layer: 'budget' };
  rigs.counterpart.intend = () => [200, { status: 'refused', ...refusal }];
  expect(await rig.session.request(post())).toMatchObject({ code: 'limit.egress' });
  expect(await rig.settle()).toEqual([
    expect.objectContaining({ verdict: 'denied', layer: 'budget', reason: 'more than 1 calls' }),
  ]);
  expect(system.requests(id)).toEqual([]);
});

const OVER_RATE = {
  ...{ status: 'refused', code: 'limit.rate', layer: 'rate' },
  message: 'rule things allows 5 calls a minute',
};

test('a read under a rate asks for leave, and one without asks for none', async () => {
  const rig = attempt({ rules: [rule({ maxPerMinute: 5 })] });
  expect((await rig.session.request(get())).kind).toBe('response');
  expect(rigs.counterpart.intents.map(({ call, method }) => [call, method])).toEqual([[0, 'GET']]);
  const half = { operator: [rule()], plugin: [rule({ maxPerMinute: 5 })] };
  const contract = { ...half, networks: ['loopback'], approval: [] };
  await rigs.attempt({ contract }).session.request(get());
  expect(rigs.counterpart.intents).toHaveLength(2);
});

test('a call over a rate waits for as long as it is told, and then leaves', async () => {
  const rig = attempt({ rules: [rule({ maxPerMinute: 5 })] });
  rigs.counterpart.intend = (_, nth) =>
    nth < 3 ? [200, { ...OVER_RATE, retryAfterMs: 200 }] : leave();
  const started = performance.now();
  expect((await rig.session.request(get(), started + 5_000)).kind).toBe('response');
  expect(performance.now() - started).toBeGreaterThanOrEqual(400);
  expect(rigs.counterpart.intents).toHaveLength(3);
  expect(system.requests(id)).toHaveLength(1);
  const [record] = await rig.settle();
  expect(record).toMatchObject({ call: 0, verdict: 'allowed' });
  // The wait is time that the action's clock advances by.
  expect(record?.ms).toBeGreaterThanOrEqual(400);
});

test('a call over a rate that would wait beyond the deadline is denied at once, by layer rate', async () => {
  const rig = attempt({ rules: [rule({ maxPerMinute: 5 })] });
  rigs.counterpart.intend = () => [200, { ...OVER_RATE, retryAfterMs: 30_000 }];
  const started = performance.now();
  const answer = await rig.session.request(post(), started + 5_000);
  expect(answer).toMatchObject({ kind: 'refused', code: 'limit.rate' });
  expect(performance.now() - started).toBeLessThan(2_000);
  expect(rig.session.refusal?.code).toBe('limit.rate');
  expect(await rig.settle()).toEqual([
    expect.objectContaining({ verdict: 'denied', layer: 'rate', reason: OVER_RATE.message }),
  ]);
  expect(system.requests(id)).toEqual([]);
});

test('an attempt that ends while a call waits for its rate sends nothing', async () => {
  const rig = attempt({ rules: [rule({ maxPerMinute: 5 })] });
  rigs.counterpart.intend = () => [200, { ...OVER_RATE, retryAfterMs: 20_000 }];
  const answer = rig.session.request(get());
  await Bun.sleep(200);
  const closing = performance.now();
  await rig.session.close();
  expect(performance.now() - closing).toBeLessThan(1_000);
  expect(await answer).toMatchObject({ kind: 'refused', code: 'host.lost' });
  rig.session.recordCut();
  expect(rig.session.calls).toEqual([expect.objectContaining({ verdict: 'failed', sent: false })]);
  expect(system.requests(id)).toEqual([]);
});

test('an acknowledgement that was lost is asked for again, and the write leaves once', async () => {
  const rig = attempt();
  rigs.counterpart.intend = (_, nth) => (nth === 1 ? 'hang up' : leave());
  expect((await rig.session.request(post())).kind).toBe('response');
  const [first, second] = rigs.counterpart.intents;
  expect(rigs.counterpart.intents).toHaveLength(2);
  expect(second).toEqual(first as never);
  expect([system.requests(id).length, system.effects(id)]).toEqual([1, 1]);
});

test('an acknowledgement that does not come in time is asked for again', async () => {
  const rig = attempt();
  rigs.counterpart.intend = async (_, nth) => {
    if (nth === 1) await Bun.sleep(700);
    return leave();
  };
  expect((await rig.session.request(post())).kind).toBe('response');
  expect(rigs.counterpart.intents).toHaveLength(2);
  expect(system.effects(id)).toBe(1);
});

test('a Control Plane that is away is asked while the lease lasts; then nothing leaves', async () => {
  const rig = attempt({ leaseMs: 700 });
  rigs.counterpart.intend = () => [503, { code: 'unavailable' }];
  const started = performance.now();
  expect(await rig.session.request(post())).toMatchObject({ kind: 'refused', code: 'host.lost' });
  expect(performance.now() - started).toBeLessThan(3_000);
  expect(rigs.counterpart.intents.length).toBeGreaterThan(1);
  expect(system.requests(id)).toEqual([]);
  expect(rig.session.calls).toEqual([
    expect.objectContaining({ call: 0, verdict: 'failed', sent: false }),
  ]);
});

test('an older attempt and one without rights stop: nothing leaves, and the lease is gone', async () => {
  for (const [status, code, loss] of [
    [409, 'attempt.superseded', 'superseded'],
    [401, 'auth.invalid', 'refused'],
    [403, 'auth.forbidden', 'refused'],
  ] as const) {
    const rig = attempt();
    rigs.counterpart.intend = () => [status, { code }];
    expect(await rig.session.request(post())).toMatchObject({ kind: 'refused', code: 'host.lost' });
    expect([rig.lease.loss, rig.lease.lost.aborted]).toEqual([loss, true]);
  }
  expect(rigs.counterpart.intents).toHaveLength(3);
  expect(system.requests(id)).toEqual([]);
});

test('an intent that is refused for its content ends the attempt on the host’s account', async () => {
  const rig = attempt();
  rigs.counterpart.intend = () => [422, { code: 'input.invalid', detail: 'another digest' }];
  expect(await rig.session.request(post())).toMatchObject({
    code: 'host.resource',
    message: expect.stringContaining('another digest'),
  });
  expect(rig.lease.loss).toBeUndefined();
  expect(system.requests(id)).toEqual([]);
});

test('leave that comes too late sends nothing, and the guest goes on', async () => {
  const rig = attempt();
  rigs.counterpart.intend = () => leave({ sendWithinMs: 0 });
  expect(await rig.session.request(post())).toMatchObject({
    kind: 'failed',
    reason: expect.stringMatching(/too late|in time/),
  });
  rigs.counterpart.intend = () => leave();
  expect((await rig.session.request(post())).kind).toBe('response');
  expect(system.requests(id)).toHaveLength(1);
  const journal = await rig.settle();
  expect(journal.map(({ verdict, sent, bytesOut }) => [verdict, sent, bytesOut > 0])).toEqual([
    ['failed', false, false],
    ['allowed', undefined, true],
  ]);
});

test('the time to send runs from before the host asked, not from the acknowledgement', async () => {
  const rig = attempt();
  rigs.counterpart.intend = async () => {
    await Bun.sleep(200);
    return leave({ sendWithinMs: 150 });
  };
  expect(await rig.session.request(post())).toMatchObject({ kind: 'failed' });
  expect(system.requests(id)).toEqual([]);
  expect(rig.session.calls[0]).toMatchObject({ verdict: 'failed', sent: false });
});

test('a host that was stopped while it connected looks at the clock again before the first byte', async () => {
  const { key, cert } = certificate('a.test');
  const secure = createTlsServer({ key, cert }, (_request, response) => response.end('there'));
  const behind = await listen(secure);
  const gate = createTcpServer((socket) => {
    // What SIGSTOP does to a process: nothing of it runs, and the clock does.
    const until = performance.now() + 300;
    while (performance.now() < until);
    const inner = connect(behind, '127.0.0.1');
    for (const one of [socket, inner]) one.on('error', () => undefined);
    socket.pipe(inner).pipe(socket);
  });
  const port = await listen(gate);
  const rules = [rule({ scheme: 'https', host: 'a.test', port })];
  const url = `https://a.test:${port}/`;
  rigs.counterpart.intend = () => leave({ sendWithinMs: 200 });
  const rig = attempt({ rules }, { authorities: cert });
  expect(await rig.session.request(post({ url }))).toMatchObject({ kind: 'failed' });
  expect(rig.session.calls[0]).toMatchObject({ verdict: 'failed', sent: false });
  rigs.counterpart.intend = () => leave();
  expect(textOf(await rig.session.request(post({ url })))).toBe('there');
});

test('a handshake that outlasts the leave sends nothing', async () => {
  let heard = '';
  const silent = createTcpServer((socket) => {
    socket.on('error', () => undefined);
    socket.on('data', (chunk) => {
      heard += chunk.toString('latin1');
    });
  });
  const port = await listen(silent);
  const rig = attempt({ rules: [secret({ scheme: 'https', host: 'a.test', port })] });
  rigs.counterpart.intend = () => leave({ sendWithinMs: 250, credential: CREDENTIAL });
  const url = `https://a.test:${port}/`;
  expect(await rig.session.request(post({ url }))).toMatchObject({ kind: 'failed' });
  expect(rig.session.calls[0]).toMatchObject({ sent: false, bytesOut: 0 });
  expect(heard).not.toContain('POST');
});

test('a connection that is refused is an answer: nothing was sent, and the guest goes on', async () => {
  const port = await closedPort();
  const rig = attempt({ rules: [rule(), keyed({ id: 'closed', port })] });
  rigs.counterpart.intend = ({ call }) => (call === 0 ? keyedLeave() : leave());
  const url = `http://127.0.0.1:${port}/`;
  expect(await rig.session.request(post({ url }))).toMatchObject({ kind: 'failed' });
  expect((await rig.session.request(post())).kind).toBe('response');
  const journal = await rig.settle();
  expect(journal.map(({ verdict, sent }) => [verdict, sent])).toEqual([
    ['failed', false],
    ['allowed', undefined],
  ]);
});

const LOST: readonly [Fault, number][] = [
  ['die-before-effect', 0],
  ['die-after-effect', 1],
  ['stall', 1],
];

test('a write whose answer was not seen has no answer: its record stays open', async () => {
  for (const [fault, effects] of LOST) {
    for (const withKey of [true, false]) {
      id = `w${++next}`;
      system.plan(id, { fault });
      const rig = attempt({ rules: [withKey ? keyed() : rule()] });
      rigs.counterpart.intend = () => (withKey ? keyedLeave : leave)({ timeoutMs: 300 });
      const answer = await rig.session.request(post());
      const code = withKey ? 'answer.lost' : 'outcome.unknown';
      expect([fault, answer]).toEqual([fault, expect.objectContaining({ kind: 'refused', code })]);
      expect(rig.session.calls).toEqual([]);
      expect(await rig.settle()).toEqual([expect.objectContaining({ verdict: 'open' })]);
      expect([system.requests(id).length, system.effects(id)]).toEqual([1, effects]);
    }
  }
});

test('a keyed write whose answer was lost is sent again by the next attempt with the same key', async () => {
  rigs.counterpart.intend = () => keyedLeave();
  system.plan(id, { fault: 'die-after-effect', times: 1 });
  const first = attempt({ rules: [keyed()] });
  expect(await first.session.request(post())).toMatchObject({ code: 'answer.lost' });
  const second = attempt({ rules: [keyed()], journal: await first.settle() });
  expect(JSON.parse(textOf(await second.session.request(post())))).toMatchObject({ effect: 1 });
  expect(rigs.counterpart.intents.map(({ call }) => call)).toEqual([0, 0]);
  expect(system.requests(id).map((request) => request.key)).toEqual([`key-${id}`, `key-${id}`]);
  expect(system.effects(id)).toBe(1);
  expect(await second.settle()).toEqual([expect.objectContaining({ verdict: 'allowed' })]);
});

test('a write without a key is never sent again', async () => {
  system.plan(id, { fault: 'die-after-effect' });
  const first = attempt();
  expect(await first.session.request(post())).toMatchObject({ code: 'outcome.unknown' });
  const second = attempt({ journal: await first.settle() });
  const refusal = { status: 'refused', code: 'outcome.unknown', message: 'never answered' };
  rigs.counterpart.intend = () => [200, refusal];
  expect(await second.session.request(post())).toMatchObject({ code: 'outcome.unknown' });
  expect([system.requests(id).length, system.effects(id)]).toEqual([1, 1]);
  expect(await second.settle()).toEqual([expect.objectContaining({ verdict: 'open' })]);
});

test('an open write that can not leave again stays open: nobody says that it was not sent', async () => {
  const port = await closedPort();
  const url = `http://127.0.0.1:${port}/`;
  const open = async (one: EgressRule) => {
    const rig = attempt({ rules: [one] });
    rigs.counterpart.intend = () => 'hang up';
    const asking = rig.session.request(post({ url }));
    while (rigs.counterpart.intents.length === 0) await Bun.sleep(5);
    await rig.session.close();
    await asking;
    rigs.counterpart.intents.length = 0;
    return [{ ...held(rig), verdict: 'open' as const }] as readonly EgressCall[];
  };
  const withKey = keyed({ port });
  const again = attempt({ rules: [withKey], journal: await open(withKey) });
  rigs.counterpart.intend = () => keyedLeave();
  expect(await again.session.request(post({ url }))).toMatchObject({ code: 'answer.lost' });
  expect(await again.settle()).toEqual([expect.objectContaining({ verdict: 'open' })]);

  const plain = rule({ port, host: 'gone.test' });
  const named = { url: `http://gone.test:${port}/` };
  const known = attempt({ rules: [plain] });
  rigs.counterpart.intend = () => leave({ timeoutMs: 200 });
  await known.session.request(post(named));
  const journal = [{ ...(known.session.calls[0] as EgressCall), verdict: 'open' as const }];
  const resolve = () => Promise.reject(new Error('ENOTFOUND'));
  const nameless = attempt({ rules: [plain], journal }, { resolve });
  expect(await nameless.session.request(post(named))).toMatchObject({ code: 'host.resource' });
  const private_ = attempt({ rules: [plain], journal }, { resolve: async () => ['10.0.0.1'] });
  expect(await private_.session.request(post(named))).toMatchObject({ code: 'egress.denied' });
  for (const rig of [nameless, private_]) {
    expect(await rig.settle()).toEqual([expect.objectContaining({ verdict: 'open' })]);
  }

  // Leave for a write without a key: a person looked, and it had not happened.
  const released = attempt({ rules: [plain], journal });
  expect(await released.session.request(post(named))).toMatchObject({ kind: 'failed' });
  expect(await released.settle()).toEqual([
    expect.objectContaining({ verdict: 'failed', sent: false }),
  ]);
});

test('a write that is cut off by the end of the attempt stays open', async () => {
  system.plan(id, { fault: 'stall' });
  const rig = attempt();
  const answer = rig.session.request(post());
  while (system.requests(id).length === 0) await Bun.sleep(5);
  await rig.session.close();
  expect(await answer).toMatchObject({ kind: 'refused' });
  expect(await rig.settle()).toEqual([expect.objectContaining({ verdict: 'open' })]);
  expect(await rig.session.request(get())).toMatchObject({ kind: 'refused' });
});

test('an attempt that ends while it asks says that nothing was sent', async () => {
  const rig = attempt();
  rigs.counterpart.intend = () => Bun.sleep(2_000).then(() => leave());
  const answer = rig.session.request(post());
  while (rigs.counterpart.intents.length === 0) await Bun.sleep(5);
  const started = performance.now();
  await rig.session.close();
  expect(performance.now() - started).toBeLessThan(300);
  expect(await answer).toMatchObject({ kind: 'refused', code: 'host.lost' });
  expect(rig.session.calls).toEqual([
    expect.objectContaining({ call: 0, verdict: 'failed', sent: false }),
  ]);
  expect(system.requests(id)).toEqual([]);
});

test('a write whose answer is larger than its budget stays open and ends the attempt', async () => {
  const port = await serve((_request, response) => response.end('x'.repeat(5_000)));
  const rig = attempt({ rules: [rule({ port })], limits: { egressBytesIn: 1_000 } });
  expect(await rig.session.request(post({ url: `http://127.0.0.1:${port}/` }))).toMatchObject({
    code: 'limit.egress',
  });
  expect(await rig.settle()).toEqual([expect.objectContaining({ verdict: 'open' })]);
});

test('of two answers on one connection the first one counts', async () => {
  system.plan(id, { fault: 'answer-twice' });
  const rig = attempt();
  expect(textOf(await rig.session.request(post()))).not.toContain('second');
  expect(system.effects(id)).toBe(1);
  expect(await rig.settle()).toHaveLength(1);
});

test('a credential is set on the wire of its call alone, and scrubbed from what comes back', async () => {
  system.plan(id, { fault: 'echo-authorization' });
  const headers = ['content-type', 'accept-encoding'];
  const rig = attempt({ rules: [secret({ headers })] });
  rigs.counterpart.intend = () => leave({ credential: CREDENTIAL });
  const packed = [...post().headers, ['accept-encoding', 'gzip']] as const;
  const answer = await rig.session.request(post({ headers: packed }));
  expect(system.requests(id)[0]?.headers.authorization).toBe(`Bearer ${SECRET}`);
  expect(system.requests(id)[0]?.headers['accept-encoding']).toBe('identity');
  if (answer.kind !== 'response') throw new Error(JSON.stringify(answer));
  const body = JSON.parse(textOf(answer)) as Record<string, string>;
  expect(body.authorization).toBe('Bearer [credential stripe]');
  expect(body.nested).toBe('before[credential stripe]after');
  expect(answer.headers['x-echo']).toBe('Bearer [credential stripe]');
  expect(answer.headers['content-length']).toBe(String(answer.body.length));
  const journal = await rig.settle();
  expect(journal[0]).toMatchObject({ credential: CREDENTIAL.id, bytesIn: answer.body.length });
  const seen = JSON.stringify([
    ...[answer.headers, body, journal, rigs.counterpart.intents, rigs.counterpart.heartbeats],
    ...[...rigs.counterpart.bodies.values()].map((bytes) => Buffer.from(bytes).toString()),
  ]);
  for (const form of [
    SECRET,
    encodeURIComponent(SECRET),
    Buffer.from(SECRET).toString('base64').slice(0, 40),
    Buffer.from(`user:${SECRET}`).toString('base64').slice(8, 48),
  ]) {
    expect(seen).not.toContain(form);
  }
});

test('a guest that sets authorization beside a credential is denied', async () => {
  const headers = ['content-type', 'authorization'];
  const rig = attempt({ rules: [secret({ headers })] });
  const own = post({
    headers: [
      ['content-type', 'application/json'],
      ['Authorization', 'Bearer mine'],
    ],
  });
  expect(await rig.session.request(own)).toMatchObject({ code: 'egress.denied' });
  expect(rig.session.calls).toEqual([
    expect.objectContaining({ verdict: 'denied', layer: 'request' }),
  ]);
  expect(rigs.counterpart.intents).toEqual([]);
});

test('a credential never leaves by plain http to anything but a literal loopback address', async () => {
  const rig = attempt({ rules: [secret({ host: 'api.test' })] });
  rigs.counterpart.intend = () => leave({ credential: CREDENTIAL });
  const url = `http://api.test:${system.port}/things`;
  const answer = await rig.session.request(post({ url }));
  expect(answer).toMatchObject({ kind: 'refused', code: 'credential.unavailable' });
  expect(system.requests(id)).toEqual([]);
  expect(await rig.settle()).toEqual([
    expect.objectContaining({ verdict: 'failed', sent: false, credential: CREDENTIAL.id }),
  ]);
  expect(JSON.stringify([answer, rig.session.calls])).not.toContain(SECRET);
});

test('a credential that is missing, of another slot, unasked or unfit stops the attempt', async () => {
  const cases: readonly [EgressRule, object][] = [
    [secret(), {}],
    [secret(), { credential: { ...CREDENTIAL, slot: 'other' } }],
    [secret(), { credential: { ...CREDENTIAL, secret: 'short' } }],
    [secret(), { credential: { ...CREDENTIAL, secret: `${SECRET}\r\nx: y` } }],
    [rule(), { credential: CREDENTIAL }],
  ];
  for (const [one, given] of cases) {
    const rig = attempt({ rules: [one] });
    rigs.counterpart.intend = () => leave(given);
    const answer = await rig.session.request(post());
    expect(answer).toMatchObject({ kind: 'refused', code: 'credential.unavailable' });
    expect(JSON.stringify([answer, rig.session.calls])).not.toContain(SECRET);
  }
  expect(system.requests(id)).toEqual([]);
});

test('a response that the broker does not unpack is kept from the guest: it could not be scrubbed', async () => {
  const packed: readonly [string, string][] = [
    ['content-encoding', 'gzip, gzip'],
    ['transfer-encoding', 'gzip, chunked'],
  ];
  for (const [name, value] of packed) {
    const port = await serve((request, response) => {
      response.setHeader(name, value);
      response.end(gzipSync(`it was ${request.headers.authorization}`));
    });
    const rig = attempt({ rules: [secret({ port })] });
    rigs.counterpart.intend = () => leave({ credential: CREDENTIAL });
    const answer = await rig.session.request(post({ url: `http://127.0.0.1:${port}/` }));
    // A write has happened, and nobody has read what came of it.
    expect(answer).toMatchObject({
      kind: 'refused',
      code: 'outcome.unknown',
      message: expect.stringContaining('gzip'),
    });
    expect(await rig.settle()).toMatchObject([{ verdict: 'open' }]);
  }
});

test('a read with a credential asks for leave, and its failure is an answer', async () => {
  const rig = attempt({ rules: [secret()] });
  rigs.counterpart.intend = () => leave({ credential: CREDENTIAL });
  expect((await rig.session.request(get())).kind).toBe('response');
  expect(system.requests(id)[0]?.headers.authorization).toBe(`Bearer ${SECRET}`);
  system.plan(id, { fault: 'die-before-effect' });
  expect(await rig.session.request(get())).toMatchObject({ kind: 'failed' });
  expect(rigs.counterpart.intents.map(({ call, method }) => [call, method])).toEqual([
    [0, 'GET'],
    [1, 'GET'],
  ]);
  const journal = await rig.settle();
  expect(journal.map(({ verdict, sent }) => [verdict, sent])).toEqual([
    ['allowed', undefined],
    ['failed', true],
  ]);
});

test('a redirect takes no credential along: each hop has its own leave', async () => {
  const seen: (string | undefined)[] = [];
  const port = await serve((request, response) => {
    seen.push(request.headers.authorization);
    if (request.url !== '/first') return response.end('there');
    response.writeHead(302, { location: `http://127.0.0.1:${port}/second` });
    response.end();
  });
  const first = secret({ id: 'first', port, path: '/first' });
  const rig = attempt({ rules: [first, rule({ id: 'second', port, path: '/second' })] });
  rigs.counterpart.intend = () => leave({ credential: CREDENTIAL });
  const answer = await rig.session.request({ ...get(), url: `http://127.0.0.1:${port}/first` });
  expect(textOf(answer)).toBe('there');
  expect(seen).toEqual([`Bearer ${SECRET}`, undefined]);
  expect(rigs.counterpart.intents).toHaveLength(1);
});

test('a later attempt replays what is recorded: the same answers, and nothing leaves', async () => {
  const requests = [get(), post(), get('?id=other'), post()];
  const first = attempt();
  const answers: EgressAnswer[] = [];
  for (const request of requests.slice(0, 3)) answers.push(await first.session.request(request));
  const journal = await first.settle();
  const before = system.requests(id).length;
  rigs.counterpart.intents.length = 0;

  // A database may give the headers back in another order than they were read in.
  const turned = journal.map((record) => {
    const entries = Object.entries(record.responseHeaders ?? {}).reverse();
    return { ...record, responseHeaders: Object.fromEntries(entries) };
  });
  const second = attempt({ journal: turned });
  const again: EgressAnswer[] = [];
  for (const request of requests.slice(0, 3)) again.push(await second.session.request(request));
  expect(again).toEqual(answers);
  expect(JSON.stringify(again)).toBe(JSON.stringify(answers));
  expect([system.requests(id).length, rigs.counterpart.intents.length]).toEqual([before, 0]);
  expect(rigs.counterpart.gets).toEqual(journal.map(({ responseDigest }) => `${responseDigest}`));
  expect([second.session.unreplayed, second.session.calls.length]).toEqual([0, 0]);
  expect([second.session.bytesIn, second.session.bytesOut]).toEqual([
    first.session.bytesIn,
    first.session.bytesOut,
  ]);

  // Then it goes on where the first one ended.
  expect((await second.session.request(post())).kind).toBe('response');
  expect(rigs.counterpart.intents.map(({ call }) => call)).toEqual([3]);
  expect((await second.settle()).map(({ call }) => call)).toEqual([0, 1, 2, 3]);
});

test('failures and denials are replayed as they were', async () => {
  const port = await closedPort();
  const first = attempt({ rules: [rule({ port })] });
  const url = `http://127.0.0.1:${port}/`;
  const answers = [
    await first.session.request(post({ url })),
    await first.session.request({ ...get(), url: 'http://other.test/' }),
  ];
  const second = attempt({ rules: [rule({ port })], journal: await first.settle() });
  expect([
    await second.session.request(post({ url })),
    await second.session.request({ ...get(), url: 'http://other.test/' }),
  ]).toEqual(answers);
});

test('replayed calls count against the budgets as live ones do', async () => {
  const rules = [rule({ maxCalls: 2 })];
  const first = attempt({ rules });
  await first.session.request(post());
  const second = attempt({ rules, journal: await first.settle() });
  await second.session.request(post());
  expect((await second.session.request(post())).kind).toBe('response');
  expect(await second.session.request(post())).toMatchObject({ code: 'limit.egress' });

  const bytes = first.session.bytesIn + 10;
  const third = attempt({ journal: await first.settle(), limits: { egressBytesIn: bytes } });
  await third.session.request(post());
  expect(await third.session.request(get())).toMatchObject({ code: 'limit.egress' });
});

test('another request than the recorded one ends the attempt, and nothing leaves', async () => {
  const first = attempt();
  await first.session.request(post());
  const journal = await first.settle();
  const others: readonly Partial<GuestRequest>[] = [
    { body: new TextEncoder().encode(JSON.stringify({ id, more: 1 })) },
    { url: `${system.origin}/others` },
    { headers: [] },
    { method: 'GET', body: new Uint8Array(), headers: [] },
    { url: 'http://other.test/' },
  ];
  const before = system.requests(id).length;
  rigs.counterpart.intents.length = 0;
  for (const other of others) {
    const rig = attempt({ journal });
    expect(await rig.session.request(post(other))).toMatchObject({ code: 'journal.diverged' });
    expect(await rig.session.request(post())).toMatchObject({ code: 'journal.diverged' });
    expect(rig.session.calls).toEqual([]);
  }
  expect([system.requests(id).length, rigs.counterpart.intents.length]).toEqual([before, 0]);
});

test('a body that is missing or has other bytes than its digest says ends the attempt', async () => {
  const first = attempt();
  await first.session.request(get());
  const journal = await first.settle();
  const digest = String(journal[0]?.responseDigest);
  rigs.counterpart.bodies.set(digest, Uint8Array.of(1));
  expect(await attempt({ journal }).session.request(get())).toMatchObject({
    code: 'host.resource',
    message: expect.stringContaining(digest),
  });
  rigs.counterpart.bodies.delete(digest);
  expect(await attempt({ journal }).session.request(get())).toMatchObject({
    code: 'host.resource',
  });
  expect(system.requests(id)).toHaveLength(1);
});

test('a read with a credential that was left open is sent again', async () => {
  const rules = [secret()];
  const first = attempt({ rules });
  rigs.counterpart.intend = () => leave({ credential: CREDENTIAL });
  await first.session.request(get());
  const journal = (await first.settle()).map((call) => ({ ...call, verdict: 'open' as const }));
  const second = attempt({ rules, journal });
  expect((await second.session.request(get())).kind).toBe('response');
  expect(rigs.counterpart.intents.map(({ call }) => call)).toEqual([0, 0]);
  expect(system.requests(id)).toHaveLength(2);
});
