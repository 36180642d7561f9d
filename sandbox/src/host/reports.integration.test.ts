import { afterAll, beforeAll, expect, test } from 'bun:test';
import { type Digest, digestOf } from '@portarium/contracts/digest';
import { makeId } from '@portarium/contracts/ids';
import type { EgressCall } from '@portarium/contracts/internal-api';
import { ActionJournal } from '../egress/action-journal.ts';
import { InFlightBytes } from '../egress/response-buffer.ts';
import { Counterpart, HOST_KEY } from '../testing/counterpart.ts';
import { workOrder } from '../testing/egress-rig.ts';
import { ControlClient } from './control-client.ts';
import { LeaseKeeper } from './lease-keeper.ts';
import { Reports } from './reports.ts';

const counterparts: Counterpart[] = [];
let requestDigest: Digest;
let attempts = 0;

beforeAll(async () => {
  requestDigest = await digestOf(new Uint8Array());
});
afterAll(() => {
  for (const counterpart of counterparts) counterpart.close();
});

async function start(timeoutMs = 1_000) {
  const counterpart = new Counterpart();
  counterparts.push(counterpart);
  const url = await counterpart.listen();
  const control = new ControlClient({ url, hostKey: HOST_KEY, requestTimeoutMs: timeoutMs });
  const attempt = makeId('attempt', ++attempts, new Uint8Array(10));
  const contract = { plugin: [], operator: [], networks: [], approval: [] };
  const order = workOrder({ attempt, contract, leaseMs: 1_000, heartbeatMs: 50 });
  const inFlight = new InFlightBytes(1_000_000_000);
  const journal = new ActionJournal([], inFlight);
  const reports = new Reports(control, order, journal);
  let calls = 0;
  const add = async (text: string, over: Partial<EgressCall> = {}) => {
    const body = new TextEncoder().encode(text);
    const responseDigest = await digestOf(body);
    const known = {
      method: 'GET',
      scheme: 'http',
      host: 'a.test',
      port: 80,
      path: '/',
      rule: 'main',
    };
    const counts = { bytesOut: 0, bytesIn: body.length, ms: 1 };
    const call = { call: calls++, ...known, ...counts, requestDigest, responseDigest };
    journal.add({ ...call, verdict: 'allowed', status: 200, ...over }, body);
  };
  const known = () => counterpart.journal(attempt);
  return { counterpart, order, inFlight, reports, control, add, known };
}

test('a body that takes long to put does not keep the heartbeats waiting', async () => {
  const { counterpart, reports, order, add, known } = await start();
  const open = Promise.withResolvers<void>();
  counterpart.put = () => open.promise.then(() => [204, {}] as const);
  await add('small');
  await add('x'.repeat(300_000));
  await add('after');
  const lease = new LeaseKeeper(reports, order);
  await Bun.sleep(400);
  expect(counterpart.heartbeats.length).toBeGreaterThan(3);
  expect(known().map(({ call }) => call)).toEqual([0]);
  expect(counterpart.puts).toEqual([300_000]);
  open.resolve();
  while (reports.pending) await Bun.sleep(10);
  expect(known().map(({ call }) => call)).toEqual([0, 1, 2]);
  expect([lease.loss, counterpart.puts.length]).toEqual([undefined, 1]);
  await lease.stop();
});

test('bodies stay in memory until they are durable, and each is sent once', async () => {
  const { counterpart, reports, inFlight, order, control, add, known } = await start();
  await add('one');
  await add('one');
  await add('x'.repeat(300_000));
  expect(inFlight.used).toBe(300_006);
  counterpart.heartbeat = [503, { code: 'unavailable' }];
  expect(await reports.heartbeat()).toMatchObject({ ok: false, transient: true });
  expect(inFlight.used).toBe(300_006);
  counterpart.heartbeat = [200, { leaseMs: 1_000 }];
  await reports.bring((report) => control.heartbeat(order, report));
  expect([inFlight.used, reports.pending]).toEqual([0, false]);
  counterpart.bodies.set(String(known()[0]?.responseDigest), new Uint8Array());
  await add('one');
  await reports.heartbeat();
  expect([inFlight.used, known().length]).toEqual([0, 4]);
  // It was not sent a second time.
  expect(counterpart.bodies.get(String(known()[0]?.responseDigest))).toHaveLength(0);
  await add('given up');
  reports.close();
  expect(inFlight.used).toBe(0);
});

test('records with large headers travel in several reports, in order', async () => {
  const { counterpart, reports, add, known } = await start();
  const responseHeaders = { a: 'y'.repeat(16_000), b: 'y'.repeat(16_000), c: 'y'.repeat(16_000) };
  for (let i = 0; i < 40; i++) await add('same', { responseHeaders });
  expect(await reports.makeRoom()).toBeUndefined();
  await reports.heartbeat();
  expect(known()).toHaveLength(40);
  expect(counterpart.heartbeats.length).toBeGreaterThan(2);
  for (const calls of counterpart.heartbeats) {
    expect(JSON.stringify(calls).length).toBeLessThan(600_000);
  }
});

test('a body that is refused keeps its record back, never the lease', async () => {
  const { counterpart, reports, order, control, add, known } = await start();
  counterpart.put = () => [413, { code: 'body.too-large' }];
  await add('x'.repeat(300_000));
  const lease = new LeaseKeeper(reports, order);
  await Bun.sleep(300);
  expect([lease.loss, known().length]).toEqual([undefined, 0]);
  await lease.stop();
  const beat = await reports.bring((report) => control.heartbeat(order, report));
  expect(beat).toMatchObject({ ok: false, code: 'body.too-large' });
  const send = () => Promise.resolve({ ok: true, value: null } as const);
  expect(await reports.bringAs('none', send)).toMatchObject({ ok: true });
});
