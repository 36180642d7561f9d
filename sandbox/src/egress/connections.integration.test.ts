import { afterAll, beforeAll, expect, test } from 'bun:test';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { type EgressRule, EgressRuleSchema } from '@portarium/contracts/egress-rule';
import { PLATFORM_LIMITS } from '@portarium/contracts/limits';
import * as v from 'valibot';
import { leave } from '../testing/counterpart.ts';
import { type EgressRig, EgressRigs, type RigOrder } from '../testing/egress-rig.ts';
import { connect } from './connect.ts';
import { Connections, type Sharing } from './connections.ts';
import type { BrokerOptions } from './egress-session.ts';

const rigs = new EgressRigs();
let server: Server;
let port = 0;
/** From the first on; each answer says on which one it came. */
let sockets: Socket[] = [];
/** What follows the answers, by the path that was asked for. */
const AFTER: Readonly<Record<string, (socket: Socket) => void>> = {
  '/twice': (socket) => socket.write(answer('of somebody else')),
  '/later': (socket) => setTimeout(() => socket.write(answer('of somebody else')), 30),
  '/hangs-up': (socket) => setTimeout(() => socket.end(), 30),
};

function answer(body: string, more = ''): string {
  return `HTTP/1.1 200 OK\r\n${more}content-length: ${body.length}\r\n\r\n${body}`;
}

beforeAll(async () => {
  await rigs.start();
  server = createServer((socket) => {
    const place = sockets.push(socket);
    let asked = 0;
    socket.on('error', () => undefined);
    socket.on('data', (chunk) => {
      const text = chunk.toString('latin1');
      const [, path = ''] = text.split(' ');
      asked++;
      // As a server that ends idle connections just when the next request is under way.
      if (path === '/resets' && asked > 1) return void socket.resetAndDestroy();
      const close = path === '/close' ? 'Connection: close\r\n' : '';
      socket.write(answer(`${place}`, close));
      AFTER[path]?.(socket);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '0.0.0.0', resolve));
  port = (server.address() as AddressInfo).port;
});

afterAll(async () => {
  for (const socket of sockets) socket.destroy();
  server.close();
  await rigs.stop();
});

function rule(over: Partial<v.InferInput<typeof EgressRuleSchema>> = {}): EgressRule {
  const methods = ['GET', 'HEAD', 'POST'] as const;
  return v.parse(EgressRuleSchema, {
    ...{ id: 'main', methods, scheme: 'http', host: 'a.test', port, path: '/**' },
    ...over,
  });
}

interface Over extends Partial<RigOrder> {
  readonly rules?: EgressRule[];
}

function attempt(over: Over = {}, options: Partial<BrokerOptions> = {}): EgressRig {
  const { rules = [rule(), rule({ id: 'other', host: 'b.test' })], ...order } = over;
  const contract = { plugin: rules, operator: rules, networks: ['loopback'], approval: [] };
  return rigs.attempt({ contract, ...order }, options);
}

/** @returns the number of the connection that the answer came on, from 1 */
async function ask(rig: EgressRig, path = '/', host = 'a.test', method = 'GET'): Promise<number> {
  const url = `http://${host}:${port}${path}`;
  const got = await rig.session.request({ method, url, headers: [], body: new Uint8Array() });
  if (got.kind !== 'response') throw new Error(JSON.stringify(got));
  return Number(new TextDecoder().decode(got.body));
}

function begin(): { readonly connections: Connections } {
  for (const socket of sockets) socket.destroy();
  sockets = [];
  return { connections: new Connections() };
}

test('reads of one workspace share a connection, also over attempts, and one each while in flight', async () => {
  const options = begin();
  const rig = attempt({}, options);
  for (let i = 0; i < 5; i++) expect(await ask(rig)).toBe(1);
  expect(await ask(attempt({}, options))).toBe(1);
  const together = await Promise.all([1, 2, 3].map(() => ask(attempt({}, options))));
  expect(together.sort()).toEqual([1, 2, 3]);
  expect(sockets).toHaveLength(3);
  expect(options.connections.size).toBe(3);
});

test('a connection is never shared by two workspaces, names, addresses or authorities', async () => {
  const options = begin();
  expect(await ask(attempt({}, options))).toBe(1);
  expect(await ask(attempt({ workspace: 'other' }, options))).toBe(2);
  expect(await ask(attempt({}, options), '/', 'b.test')).toBe(3);
  expect(await ask(attempt({}, { ...options, resolve: async () => ['127.0.0.2'] }))).toBe(4);
  expect(await ask(attempt({}, { ...options, authorities: 'others' }))).toBe(5);
  expect(await ask(attempt({}, options))).toBe(1);
});

test('a connection is never shared by two credentials, two versions of one, or with none', async () => {
  const options = begin();
  const host = '127.0.0.1';
  const rules = [rule({ id: 'secretly', host, credential: 'slot' })];
  const credential = { id: 'cred_019b76da80007000800000000000bbbb', slot: 'slot', version: 1 };
  const withSecret = async (over: object) => {
    const secret = 'a-secret-of-sufficient-length';
    const given = { ...credential, kind: 'bearer', secret, ...over };
    rigs.counterpart.intend = () => leave({ credential: given });
    return ask(attempt({ rules }, options), '/', host);
  };
  expect(await withSecret({})).toBe(1);
  expect(await withSecret({})).toBe(1);
  expect(await withSecret({ id: 'cred_019b76da80007000800000000000cccc' })).toBe(2);
  expect(await withSecret({ version: 2 })).toBe(3);
  expect(await ask(attempt({ rules: [rule({ host })] }, options), '/', host)).toBe(4);
  expect(await withSecret({})).toBe(1);
});

test('a write has a connection to itself, before and after', async () => {
  const options = begin();
  rigs.counterpart.intend = () => leave();
  const rig = attempt({}, options);
  expect(await ask(rig)).toBe(1);
  expect(await ask(rig, '/', 'a.test', 'POST')).toBe(2);
  expect(await ask(rig, '/', 'a.test', 'POST')).toBe(3);
  expect(await ask(rig)).toBe(1);
  expect(options.connections.size).toBe(1);
});

test('a read whose shared connection turns out to be over is asked for again on a new one', async () => {
  const options = begin();
  const rig = attempt({}, options);
  expect(await ask(rig, '/resets')).toBe(1);
  expect(await ask(rig, '/resets')).toBe(2);
  expect(rig.session.calls.map(({ verdict }) => verdict)).toEqual(['allowed', 'allowed']);
  // This server says that it ends the connection; one that ends it without a word is seen to.
  expect(await ask(rig, '/close')).toBe(2);
  expect(await ask(rig, '/hangs-up')).toBe(3);
  await Bun.sleep(80);
  expect(options.connections.size).toBe(0);
  expect(await ask(rig)).toBe(4);
});

test('what a server sends unasked answers nobody, and ends its connection', async () => {
  for (const path of ['/twice', '/later']) {
    const options = begin();
    const rig = attempt({}, options);
    expect(await ask(rig, path)).toBe(1);
    await Bun.sleep(80);
    expect([path, options.connections.size]).toEqual([path, 0]);
    expect(await ask(rig)).toBe(2);
  }
});

test('only so many connections wait, and not for long', async () => {
  begin();
  const connections = new Connections(100);
  const sharing: Sharing = {
    ...{ workspace: 'local', credential: undefined, scheme: 'http', host: 'a.test' },
    ...{ address: '127.0.0.1', port, authorities: undefined },
  };
  const { signal } = new AbortController();
  const most = PLATFORM_LIMITS.idleConnectionsAlike;
  for (let i = 0; i <= most; i++) {
    const byMs = performance.now() + 5_000;
    const connected = await connect(sharing, { address: '127.0.0.1', byMs, signal });
    if (!connected.ok) throw new Error(connected.reason);
    connections.give(sharing, connected);
  }
  expect(connections.size).toBe(most);
  const taken = connections.take(sharing);
  expect(taken?.socket.destroyed).toBe(false);
  await Bun.sleep(200);
  expect(connections.size).toBe(0);
  expect(connections.take(sharing)).toBeUndefined();
  expect(taken?.socket.destroyed).toBe(false);
  taken?.socket.destroy();
});

test('a read under a rate shares no connection: what its rate counts once leaves once', async () => {
  const options = begin();
  const rig = attempt({ rules: [rule({ maxPerMinute: 100 })] }, options);
  expect(await ask(rig)).toBe(1);
  expect(await ask(rig)).toBe(2);
  expect(options.connections.size).toBe(0);
});
