import { afterAll, beforeAll, expect, test } from 'bun:test';
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import { type AddressInfo, createServer as createTcpServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type EgressRule, EgressRuleSchema } from '@portarium/contracts/egress-rule';
import { EgressCallSchema } from '@portarium/contracts/internal-api';
import { recordCharacters } from '@portarium/contracts/journal-artifact';
import { PLATFORM_LIMITS } from '@portarium/contracts/limits';
import type { GuestRequest } from '@portarium/contracts/outbound-request';
import * as v from 'valibot';
import { type EgressRig, EgressRigs, type RigOrder } from '../testing/egress-rig.ts';
import type { BrokerOptions, EgressSession } from './egress-session.ts';
import { InFlightBytes } from './response-buffer.ts';

interface Seen {
  readonly method: string | undefined;
  readonly url: string | undefined;
  readonly headers: IncomingMessage['headers'];
  readonly body: string;
}

const seen: Seen[] = [];
let server: Server;
let port = 0;

type Route = (request: IncomingMessage, response: ServerResponse) => void;

const ROUTES: Readonly<Record<string, Route>> = {
  '/big': (_request, response) => response.end('x'.repeat(100_000)),
  '/headers': (_request, response) => {
    // As many as Node's client takes.
    response.setHeader('x-a', 'h'.repeat(12_000)).end('small');
  },
  '/slow': (_request, response) => {
    const drip = setInterval(() => response.write('.'), 20);
    response.on('close', () => clearInterval(drip));
  },
  '/cut': (_request, response) => {
    response.writeHead(200, { 'content-length': '100' });
    response.write('half');
    setTimeout(() => response.destroy(), 20);
  },
  '/away': redirect(() => `http://evil.test:${port}/steal`),
  '/hop': redirect(() => `http://b.test:${port}/echo`),
  '/loop': redirect(() => '/loop'),
  '/down': redirect(() => `http://a.test:${port}/echo`),
  '/meta': redirect(() => 'http://169.254.169.254/latest/meta-data'),
};

function redirect(to: () => string): Route {
  return (_request, response) => {
    response.writeHead(302, { location: to() });
    response.end();
  };
}

const handle: Route = (request, response) => {
  const chunks: Uint8Array[] = [];
  request.on('data', (chunk) => chunks.push(chunk));
  request.on('end', () => {
    const { method, url, headers } = request;
    seen.push({ method, url, headers, body: Buffer.concat(chunks).toString() });
    const route = ROUTES[(url ?? '').split('?')[0] ?? ''];
    if (route) return route(request, response);
    response.writeHead(200, { 'content-type': 'text/plain', 'set-cookie': 'a=b', 'x-kept': 'yes' });
    response.end(`hello ${url}`);
  });
};

const rigs = new EgressRigs();

beforeAll(async () => {
  await rigs.start();
  server = createServer(handle);
  port = await listen(server);
});
afterAll(async () => {
  await rigs.stop();
  server.closeAllConnections();
  server.close();
});

async function listen(listener: {
  listen(port: number, host: string, done: () => void): unknown;
  address(): AddressInfo | string | null;
}): Promise<number> {
  await new Promise<void>((resolve) => listener.listen(0, '127.0.0.1', resolve));
  return (listener.address() as AddressInfo).port;
}

function rule(over: Partial<v.InferInput<typeof EgressRuleSchema>> = {}): EgressRule {
  return v.parse(EgressRuleSchema, {
    id: 'main',
    methods: ['GET', 'POST'],
    scheme: 'http',
    host: 'a.test',
    port,
    path: '/**',
    contentTypes: ['application/x-www-form-urlencoded'],
    ...over,
  });
}

const LIMITS = { egressCalls: 32, egressBytesOut: 100_000, egressBytesIn: 1_000_000 };

interface Over extends Partial<RigOrder> {
  readonly rules?: EgressRule[];
  readonly networks?: string[];
}

function rig(over: Over = {}, options: Partial<BrokerOptions> = {}): EgressRig {
  const { rules = [rule()], networks = ['loopback'], ...order } = over;
  const contract = { plugin: rules, operator: rules, networks, approval: [] };
  return rigs.attempt({ contract, limits: LIMITS, ...order }, options);
}

function session(over: Over = {}, options: Partial<BrokerOptions> = {}): EgressSession {
  return rig(over, options).session;
}

function get(path: string, over: Partial<GuestRequest> = {}): GuestRequest {
  const url = `http://a.test:${port}${path}`;
  return { method: 'GET', url, headers: [], body: new Uint8Array(), ...over };
}

function valid(broker: EgressSession): void {
  for (const call of broker.calls) v.parse(EgressCallSchema, call);
}

test('a granted call reaches the pinned address with the name in Host and is recorded', async () => {
  seen.length = 0;
  const broker = session();
  const answer = await broker.request(get('/echo', { headers: [['Accept', 'text/plain']] }));
  if (answer.kind !== 'response') throw new Error(JSON.stringify(answer));
  expect(new TextDecoder().decode(answer.body)).toBe('hello /echo');
  expect(answer.headers['x-kept']).toBe('yes');
  expect(answer.headers['set-cookie']).toBeUndefined();
  expect(seen[0]?.headers.host).toBe(`a.test:${port}`);
  expect(seen[0]?.headers.accept).toBe('text/plain');
  expect(seen[0]?.headers['accept-encoding']).toBe('identity');
  valid(broker);
  expect(broker.calls).toEqual([
    expect.objectContaining({
      call: 0,
      verdict: 'allowed',
      status: 200,
      address: '127.0.0.1',
      rule: 'main',
      bytesIn: 11,
    }),
  ]);
});

test('a body is sent with its length', async () => {
  seen.length = 0;
  const body = new TextEncoder().encode('a=1');
  const headers = [['content-type', 'application/x-www-form-urlencoded']] as const;
  const answer = await session().request(get('/echo', { method: 'POST', body, headers }));
  expect(answer.kind).toBe('response');
  expect(seen[0]?.body).toBe('a=1');
  expect(seen[0]?.headers['content-length']).toBe('3');
});

test('without rules everything is denied, and nothing is connected', async () => {
  seen.length = 0;
  const broker = session({ rules: [] });
  const answer = await broker.request(get('/echo'));
  expect(answer).toMatchObject({ kind: 'refused', code: 'egress.denied' });
  expect(broker.calls[0]).toMatchObject({ verdict: 'denied', layer: 'plugin', host: 'a.test' });
  expect(seen).toHaveLength(0);
  valid(broker);
});

test('a host, port, path, method or header outside the rules is denied with its reason', async () => {
  const cases: [GuestRequest, string][] = [
    [
      { ...get('/'), url: `http://other.test:${port}/` },
      'no rule of the plugin names host other.test',
    ],
    [{ ...get('/'), url: 'http://a.test:1/' }, 'port'],
    [get('/private'), 'path'],
    [get('/echo', { method: 'DELETE' }), 'method'],
    [get('/echo', { headers: [['x-other', '1']] }), 'header'],
    [get('/echo', { headers: [['Host', 'b.test']] }), 'header'],
    [get('/echo', { headers: [['Transfer-Encoding', 'chunked']] }), 'header'],
    [get('/echo', { headers: [['content-type', 'text/xml']] }), 'content type text/xml'],
    [get('/echo?key=1'), 'query'],
    [{ ...get('/'), url: `http://x@a.test:${port}/` }, 'user name'],
  ];
  for (const [request, reason] of cases) {
    seen.length = 0;
    const broker = session({ rules: [rule({ path: '/echo' })] });
    const answer = await broker.request(request);
    expect([reason, answer]).toEqual([
      reason,
      { kind: 'refused', code: 'egress.denied', message: expect.stringContaining(reason) },
    ]);
    expect(broker.calls[0]?.verdict).toBe('denied');
    expect(seen).toHaveLength(0);
    valid(broker);
  }
});

test('a special address is denied unless its network was opened', async () => {
  seen.length = 0;
  const broker = session({ networks: [] });
  expect(await broker.request(get('/echo'))).toMatchObject({ code: 'egress.denied' });
  expect(broker.calls[0]).toMatchObject({ layer: 'address', verdict: 'denied' });
  expect(broker.calls[0]?.reason).toContain('loopback');
  expect(seen).toHaveLength(0);
});

test('one special address among public ones denies the name', async () => {
  const resolve = async () => ['93.184.215.14', '169.254.169.254'];
  const broker = session({ networks: ['0.0.0.0/0'] }, { resolve });
  expect(await broker.request(get('/echo'))).toMatchObject({ code: 'egress.denied' });
  expect(broker.calls[0]?.reason).toContain('metadata');
});

test('a name that rebinds is resolved once a call, and each answer is checked', async () => {
  const answers = [['127.0.0.1'], ['10.0.0.1']];
  let asked = 0;
  const resolve = async () => answers[asked++] ?? ['10.0.0.1'];
  const broker = session({}, { resolve });
  expect((await broker.request(get('/echo'))).kind).toBe('response');
  expect(asked).toBe(1);
  expect(await broker.request(get('/echo'))).toMatchObject({ code: 'egress.denied' });
  expect(asked).toBe(2);
});

test('a redirect to a host without a grant is refused and recorded as a call of its own', async () => {
  seen.length = 0;
  const broker = session();
  const answer = await broker.request(get('/away'));
  expect(answer).toMatchObject({ kind: 'refused', code: 'egress.denied' });
  expect(broker.calls.map(({ call, verdict, host }) => [call, verdict, host])).toEqual([
    [0, 'allowed', 'a.test'],
    [1, 'denied', 'evil.test'],
  ]);
  expect(seen.map(({ url }) => url)).toEqual(['/away']);
});

test('a redirect to the metadata service is refused even where a rule names it', async () => {
  const rules = [rule(), rule({ id: 'meta', host: '169.254.169.254', port: 80 })];
  const broker = session({ rules, networks: ['loopback', '169.254.0.0/16'] });
  expect(await broker.request(get('/meta'))).toMatchObject({ code: 'egress.denied' });
  expect(broker.calls[1]).toMatchObject({ layer: 'address', host: '169.254.169.254' });
});

test('a granted redirect is followed without the guest’s authorization', async () => {
  seen.length = 0;
  const headers = ['authorization', 'accept'];
  const rules = [rule({ headers }), rule({ id: 'other', host: 'b.test', headers })];
  const broker = session({ rules });
  const answer = await broker.request(get('/hop', { headers: [['Authorization', 'Bearer x']] }));
  expect(answer).toMatchObject({ kind: 'response', status: 200 });
  expect(seen.map(({ headers: sent }) => [sent.host, sent.authorization])).toEqual([
    [`a.test:${port}`, 'Bearer x'],
    [`b.test:${port}`, undefined],
  ]);
  expect(broker.calls.map(({ rule: id }) => id)).toEqual(['main', 'other']);
});

test('a write gets the redirect itself', async () => {
  const answer = await session().request(get('/away', { method: 'POST' }));
  expect(answer).toMatchObject({ kind: 'response', status: 302 });
});

test('an endless chain of redirects ends after the allowed hops', async () => {
  const broker = session();
  expect(await broker.request(get('/loop'))).toMatchObject({ kind: 'failed' });
  expect(broker.calls).toHaveLength(6);
});

test('a response over the byte limit ends the attempt and is recorded', async () => {
  const broker = session({ limits: { ...LIMITS, egressBytesIn: 50_000 } });
  expect(await broker.request(get('/big'))).toMatchObject({
    kind: 'refused',
    code: 'limit.egress',
  });
  expect(broker.calls[0]).toMatchObject({ verdict: 'failed', layer: 'budget' });
  valid(broker);
});

test('a journal that has no room for another record takes no further call', async () => {
  const limits = { ...LIMITS, egressCalls: 1_000, egressBytesIn: 100_000_000 };
  const broker = session({ limits });
  let last: unknown;
  for (let i = 0; i < 1_000 && last === undefined; i++) {
    const answer = await broker.request(get('/headers'));
    if (answer.kind !== 'response') last = answer;
  }
  expect(last).toMatchObject({ kind: 'refused', code: 'limit.egress' });
  expect(broker.calls.at(-1)).toMatchObject({ verdict: 'denied', layer: 'budget' });
  const characters = broker.calls.reduce((sum, call) => sum + recordCharacters(call), 0);
  expect(characters).toBeLessThanOrEqual(PLATFORM_LIMITS.journalCharacters);
  expect(characters).toBeGreaterThan(0.9 * PLATFORM_LIMITS.journalCharacters);
  valid(broker);
}, 30_000);

test('budgets of calls and bytes, of the attempt and of a rule, are kept', async () => {
  const calls = session({ limits: { ...LIMITS, egressCalls: 1 } });
  expect((await calls.request(get('/echo'))).kind).toBe('response');
  expect(await calls.request(get('/echo'))).toMatchObject({ code: 'limit.egress' });
  expect(calls.calls[1]).toMatchObject({ verdict: 'denied', layer: 'budget' });

  const byRule = session({ rules: [rule({ maxCalls: 1 })] });
  expect((await byRule.request(get('/echo'))).kind).toBe('response');
  expect(await byRule.request(get('/echo'))).toMatchObject({ code: 'limit.egress' });

  const bytes = session({ rules: [rule({ maxBytes: 1_000 })] });
  expect(await bytes.request(get('/big'))).toMatchObject({ code: 'limit.egress' });

  const out = session({ limits: { ...LIMITS, egressBytesOut: 10 } });
  const body = new Uint8Array(11);
  expect(await out.request(get('/echo', { method: 'POST', body }))).toMatchObject({
    code: 'limit.egress',
  });
});

test('an endless slow response fails when its time is over', async () => {
  const broker = session({}, { timeoutMs: 200 });
  const started = performance.now();
  const answer = await broker.request(get('/slow'));
  expect(answer).toMatchObject({ kind: 'failed', reason: expect.stringContaining('200 ms') });
  expect(performance.now() - started).toBeLessThan(10_000);
  expect(broker.calls[0]).toMatchObject({ verdict: 'failed' });
});

test('closing the session ends a read in flight, which is recorded only when no attempt follows', async () => {
  const broker = session();
  const answer = broker.request(get('/slow'));
  await Bun.sleep(60);
  await broker.close();
  expect(await answer).toMatchObject({ kind: 'refused', code: 'host.lost' });
  // The next attempt asks again, instead of reading that it failed.
  expect(broker.calls).toEqual([]);
  broker.recordCut();
  broker.recordCut();
  expect(broker.calls).toMatchObject([{ call: 0, verdict: 'failed' }]);
});

test('a response that breaks off is a failure, not a short answer', async () => {
  expect(await session().request(get('/cut'))).toMatchObject({ kind: 'failed' });
});

test('a refused connection and an unknown name are failures that the guest learns of', async () => {
  const free = createTcpServer();
  const closedPort = await listen(free);
  await new Promise((resolve) => free.close(resolve));
  const refused = session({ rules: [rule({ port: closedPort })] });
  const url = `http://a.test:${closedPort}/`;
  expect(await refused.request({ ...get('/'), url })).toMatchObject({
    kind: 'failed',
    reason: expect.stringMatching(/refused/i),
  });
  expect(refused.calls[0]).toMatchObject({ verdict: 'failed', address: '127.0.0.1' });
  const unknown = session({}, { resolve: () => Promise.reject(new Error('ENOTFOUND')) });
  expect(await unknown.request(get('/'))).toMatchObject({ kind: 'failed' });
  expect(unknown.calls[0]).toMatchObject({ verdict: 'failed' });
  valid(unknown);
});

test('a read operation may not write', async () => {
  const broker = session({ effect: 'read' });
  expect(await broker.request(get('/echo', { method: 'POST' }))).toMatchObject({
    code: 'egress.denied',
  });
});

test('over TLS the certificate is checked against the name, not the address, and the hash of its key is recorded', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'portarium-tls-'));
  const [key, cert] = [join(folder, 'key.pem'), join(folder, 'cert.pem')];
  execFileSync(
    'openssl',
    [
      ...['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'],
      ...['-keyout', key, '-out', cert, '-days', '1', '-subj', '/CN=a.test'],
      ...['-addext', 'subjectAltName=DNS:a.test'],
    ],
    { stdio: 'ignore' },
  );
  const authorities = readFileSync(cert, 'utf8');
  const secure = createTlsServer({ key: readFileSync(key), cert: authorities }, handle);
  const tlsPort = await listen(secure);
  try {
    const https = (host: string) =>
      rule({ id: host[0] ?? 'x', scheme: 'https', host, port: tlsPort });
    const rules = [https('a.test'), https('b.test'), rule({ id: 'plain' })];
    const url = (host: string, path: string) => `https://${host}:${tlsPort}${path}`;
    const trusted = session({ rules }, { authorities });
    expect(await trusted.request({ ...get('/'), url: url('a.test', '/echo') })).toMatchObject({
      kind: 'response',
      status: 200,
    });
    const pem = execFileSync('openssl', ['x509', '-in', cert, '-pubkey', '-noout']);
    const der = execFileSync('openssl', ['pkey', '-pubin', '-outform', 'DER'], { input: pem });
    const tlsPeerKeyHash = `sha256:${createHash('sha256').update(der).digest('hex')}`;
    await trusted.request({ ...get('/'), url: url('a.test', '/again') });
    const cut = { ...get('/'), url: url('a.test', '/cut') };
    expect(await trusted.request(cut)).toMatchObject({ kind: 'failed' });
    expect(await trusted.request(get('/echo'))).toMatchObject({ kind: 'response' });
    expect(trusted.calls.map((call) => [call.path, call.tlsPeerKeyHash])).toEqual([
      ...['/echo', '/again', '/cut'].map((path) => [path, tlsPeerKeyHash]),
      ['/echo', undefined],
    ]);
    expect(await trusted.request({ ...get('/'), url: url('b.test', '/echo') })).toMatchObject({
      kind: 'failed',
    });
    expect(trusted.calls.at(-1)?.tlsPeerKeyHash).toBeUndefined();
    const untrusting = session({ rules });
    expect(await untrusting.request({ ...get('/'), url: url('a.test', '/echo') })).toMatchObject({
      kind: 'failed',
    });
    expect(await trusted.request({ ...get('/'), url: url('a.test', '/down') })).toMatchObject({
      kind: 'refused',
      message: expect.stringContaining('https to http'),
    });
  } finally {
    secure.closeAllConnections();
    secure.close();
    rmSync(folder, { recursive: true });
  }
});

test('a request that is hostile in every text is denied and recorded so that it can be stored', async () => {
  const hosts = ['h'.repeat(300), Array(10).fill('a'.repeat(60)).join('.')];
  const requests: GuestRequest[] = [
    get('/', { method: `${'A'.repeat(15)}\u{1f600}` }),
    get('/', { method: 'GET\u0000' }),
    get('/', { method: '\u202eTEG' }),
    get(`/${'p'.repeat(7_000)}`),
    get('/', { url: 'x\u0000\ud83d' }),
    get('/', { url: `${'s'.repeat(400)}:\u0000` }),
    ...hosts.map((host) => get('/', { url: `http://${host}/` })),
  ];
  for (const request of requests) {
    const broker = session({ rules: [rule({ path: '/echo' })] });
    expect(await broker.request(request)).toMatchObject({ code: 'egress.denied' });
    const [call] = broker.calls;
    expect(call?.verdict).toBe('denied');
    valid(broker);
    expect(JSON.stringify(call)).not.toMatch(/\\u0000|\\ud83d|\u202e/);
  }
});

test('a host name over 253 characters is refused even where a rule would name it', async () => {
  const host = Array(5).fill('a'.repeat(52)).join('.');
  const broker = session();
  await broker.request(get('/', { url: `http://${host}/` }));
  expect(broker.calls[0]).toMatchObject({ layer: 'request', host: host.slice(0, 255) });
  expect(broker.calls[0]?.reason).toContain('253');
});

test('what a cell left out for its size is denied and recorded, never sent', async () => {
  seen.length = 0;
  const cases = [
    ['body', 'limit.egress', 'budget', '9000000 bytes of body'],
    ['url', 'egress.denied', 'request', '9000000 characters'],
    ['headers', 'egress.denied', 'request', '9000000 headers'],
  ] as const;
  for (const [part, code, layer, reason] of cases) {
    const broker = session();
    const omitted = { part, size: 9_000_000 };
    expect(await broker.request(get('/echo', { method: 'POST', omitted }))).toMatchObject({ code });
    expect(broker.calls).toEqual([
      expect.objectContaining({ verdict: 'denied', layer, path: '/echo' }),
    ]);
    expect(broker.calls[0]?.reason).toContain(reason);
    valid(broker);
  }
  expect(seen).toHaveLength(0);
});

test('a server that sends informational responses without end is cut off', async () => {
  const hints = (count: number) => 'HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n'.repeat(count);
  let count = 0;
  const chatty = createTcpServer((socket) => {
    socket.on('error', () => undefined);
    socket.once('data', () => {
      socket.end(`${hints(count)}HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok`);
    });
  });
  const chattyPort = await listen(chatty);
  const ask = () =>
    session({ rules: [rule({ port: chattyPort })] }).request({
      ...get('/'),
      url: `http://a.test:${chattyPort}/`,
    });
  try {
    count = 20;
    expect(await ask()).toMatchObject({ kind: 'response', status: 200 });
    count = 21;
    expect(await ask()).toMatchObject({
      kind: 'failed',
      reason: expect.stringContaining('informational'),
    });
  } finally {
    chatty.close();
  }
});

test('responses of all sessions stay within the room of the host, until they are durable', async () => {
  const inFlight = new InFlightBytes(150_000);
  const one = rig({}, { inFlight });
  expect((await one.session.request(get('/big'))).kind).toBe('response');
  expect(inFlight.used).toBe(100_000);
  await one.settle();
  expect(inFlight.used).toBe(0);
  inFlight.take(100_000);
  const broker = session({}, { inFlight });
  expect(await broker.request(get('/big'))).toMatchObject({
    kind: 'failed',
    reason: expect.stringContaining('no room'),
  });
  expect(inFlight.used).toBe(100_000);
  valid(broker);
});

test('a guest reads exactly the headers that are recorded, in the order of their names', async () => {
  const odd = createTcpServer((socket) => {
    socket.on('error', () => undefined);
    socket.once('data', () => {
      const lines = ['x-z: 1', 'constructor: 2', 'X-A: gr\u00fcn', 'connection: close', 'b: 3'];
      socket.end(
        `HTTP/1.1 200 OK\r\n${lines.join('\r\n')}\r\ncontent-length: 2\r\n\r\nok`,
        'latin1',
      );
    });
  });
  const oddPort = await listen(odd);
  try {
    const broker = session({ rules: [rule({ port: oddPort })] });
    const answer = await broker.request({ ...get('/'), url: `http://a.test:${oddPort}/` });
    if (answer.kind !== 'response') throw new Error(JSON.stringify(answer));
    expect(Object.entries(answer.headers)).toEqual([
      ['b', '3'],
      ['content-length', '2'],
      ['x-a', 'gr\u00fcn'],
      ['x-z', '1'],
    ]);
    expect(broker.calls[0]?.responseHeaders).toEqual(answer.headers);
    expect(broker.calls[0]?.ms).toBe(answer.ms);
    expect(Number.isInteger(answer.ms)).toBe(true);
    valid(broker);
  } finally {
    odd.close();
  }
});

test('a status that no record can hold is a failure', async () => {
  const odd = createTcpServer((socket) => {
    socket.on('error', () => undefined);
    socket.once('data', () => socket.end('HTTP/1.1 999 Odd\r\ncontent-length: 2\r\n\r\nok'));
  });
  const oddPort = await listen(odd);
  try {
    const broker = session({ rules: [rule({ port: oddPort })] });
    expect(await broker.request({ ...get('/'), url: `http://a.test:${oddPort}/` })).toMatchObject({
      kind: 'failed',
      reason: expect.stringContaining('999'),
    });
    valid(broker);
  } finally {
    odd.close();
  }
});

test('the clock of a request counts each redirect that was followed for it', async () => {
  const rules = [rule(), rule({ id: 'other', host: 'b.test' })];
  const broker = session({ rules });
  const answer = await broker.request(get('/hop'));
  if (answer.kind !== 'response') throw new Error(JSON.stringify(answer));
  expect(answer.ms).toBe(broker.calls.reduce((sum, { ms }) => sum + ms, 0));
  expect(broker.calls).toHaveLength(2);
});
