import { afterAll, beforeAll, expect, test } from 'bun:test';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { admit } from '@portarium/admission/admit';
import { type Digest, digestOf } from '@portarium/contracts/digest';
import { EgressRuleSchema } from '@portarium/contracts/egress-rule';
import { type ActionId, makeId, type WorkspaceId } from '@portarium/contracts/ids';
import type { Dispatch, EgressCall, WorkOrder } from '@portarium/contracts/internal-api';
import { DEFAULT_LIMITS } from '@portarium/contracts/limits';
import { ManifestSchema } from '@portarium/contracts/manifest';
import * as v from 'valibot';
import { ActionJournal } from '../egress/action-journal.ts';
import { compileGuest, HTTP_HEAD } from '../testing/assemblyscript.ts';
import { Counterpart, HOST_KEY } from '../testing/counterpart.ts';
import { AttemptRunner } from './attempt-runner.ts';
import { CellPool } from './cell-pool.ts';
import { type CellProgram, prepareCellProgram } from './cell-program.ts';
import { ControlClient } from './control-client.ts';
import { ModuleCache } from './module-cache.ts';
import { OutcomeReporter } from './outcome-reporter.ts';
import { Reports } from './reports.ts';

const GUEST = `${HTTP_HEAD}
let count: i32 = 0;
export function echo(): void { count++; output(input() + count.toString()); }
export function spin(): void { while (true) { count++; } }
export function ask(): void {
  const at = input();
  output(request("GET", at + "/quick") + "|" + request("GET", at + "/later"));
}
`;

const workspace = 'local' as WorkspaceId;
const action: ActionId = makeId('action', 1, new Uint8Array(10));
const dispatch: Dispatch = { workspace, action };
let program: CellProgram;
let pool: CellPool;
let module: Uint8Array;
let moduleDigest: Digest;
let system: Server;
let origin = '';
const counterparts: Counterpart[] = [];

beforeAll(async () => {
  program = await prepareCellProgram(process.env.PATH ?? '');
  pool = new CellPool(program, { size: 2 });
  const manifest = v.parse(ManifestSchema, {
    schema: 1,
    name: 'guest',
    version: '1.0.0',
    operations: [{ name: 'run', export: 'echo', effect: 'read' }],
  });
  const admission = await admit(await compileGuest(GUEST), manifest, DEFAULT_LIMITS);
  if (!admission.ok) throw new Error(JSON.stringify(admission.findings));
  ({ module, moduleDigest } = admission);
  system = createServer((request, response) => {
    setTimeout(() => response.end('ok'), request.url === '/later' ? 300 : 0);
  });
  await new Promise<void>((resolve) => system.listen(0, '127.0.0.1', resolve));
  origin = `http://127.0.0.1:${(system.address() as AddressInfo).port}`;
}, 60_000);

afterAll(async () => {
  for (const counterpart of counterparts) counterpart.close();
  await pool.close();
  await program.remove();
  system.close();
});

function order(name: string, over: Partial<WorkOrder> = {}): WorkOrder {
  const rule = v.parse(EgressRuleSchema, {
    id: 'main',
    methods: ['GET'],
    scheme: 'http',
    host: '127.0.0.1',
    port: Number(new URL(origin).port),
    path: '/**',
  });
  return {
    ticket: 'the-ticket',
    attempt: makeId('attempt', 1, new Uint8Array(10)),
    fence: 1,
    leaseMs: 5_000,
    heartbeatMs: 100,
    plugin: { name: 'guest', version: '1.0.0', digest: moduleDigest },
    moduleDigest,
    operation: { name: 'run', export: name, effect: 'read', encoding: 'text' },
    input: Buffer.from(origin).toString('base64'),
    config: {},
    seed: '00'.repeat(32),
    startTime: '2026-11-23T10:00:00.000Z',
    journal: [],
    contract: { plugin: [rule], operator: [rule], networks: ['loopback'], approval: [] },
    limits: DEFAULT_LIMITS,
    ...over,
  };
}

async function start(name: string, over: Partial<WorkOrder> = {}) {
  const counterpart = new Counterpart();
  counterparts.push(counterpart);
  counterpart.module = module;
  counterpart.claim = [200, { status: 'run', order: order(name, over) }];
  const url = await counterpart.listen();
  const runner = new AttemptRunner({
    control: new ControlClient({ url, hostKey: HOST_KEY, requestTimeoutMs: 1_000 }),
    pool,
    modules: new ModuleCache(10_000_000),
    broker: { resolve: () => Promise.reject(new Error('no names here')), ownAddresses: new Set() },
    isolation: 'process',
    engine: 'test',
    report: { slotMs: 800, keepMs: 3_000 },
  });
  const stop = new AbortController();
  return { counterpart, url, stop, runner, run: () => runner.run(dispatch, stop.signal) };
}

test('an attempt is claimed, run and reported with its output', async () => {
  const { counterpart, run } = await start('echo', { input: btoa('hi') });
  expect(await run()).toEqual({ kind: 'finished', state: 'succeeded' });
  expect(counterpart.outcomes).toHaveLength(1);
  expect(counterpart.outcomes[0]).toMatchObject({
    verdict: 'succeeded',
    output: btoa('hi1'),
    calls: [],
  });
  await run();
  expect(counterpart.moduleReads).toBe(1);
});

test('an order for a process of its own gets one, and leaves none behind', async () => {
  // No cell at rest has this limit.
  const limits = { ...DEFAULT_LIMITS, memoryMiB: 32 };
  const { counterpart, run } = await start('echo', { isolation: 'attempt', limits });
  const before = pool.counts.idle;
  for (let i = 0; i < 2; i++) {
    expect(await run()).toEqual({ kind: 'finished', state: 'succeeded' });
    expect(counterpart.outcomes[i]?.verdict).toBe('succeeded');
    expect(pool.counts).toMatchObject({ idle: before, busy: 0 });
  }
});

test('a finished action and a busy one run nothing', async () => {
  const { counterpart, run } = await start('echo');
  counterpart.claim = [200, { status: 'finished', state: 'cancelled' }];
  expect(await run()).toEqual({ kind: 'finished', state: 'cancelled' });
  counterpart.claim = [409, { code: 'attempt.busy', detail: 'held', retryAfterMs: 700 }];
  expect(await run()).toMatchObject({ kind: 'again', retryAfterMs: 700 });
  counterpart.claim = [401, { code: 'auth.invalid' }];
  expect(await run()).toMatchObject({ kind: 'refused' });
  expect([counterpart.moduleReads, counterpart.outcomes.length]).toEqual([0, 0]);
});

test('each egress call is reported exactly once, by heartbeat or outcome', async () => {
  const { counterpart, run } = await start('ask');
  expect(await run()).toMatchObject({ kind: 'finished' });
  const last = counterpart.outcomes[0]?.calls ?? [];
  expect(counterpart.heartbeats.length).toBeGreaterThan(1);
  expect(counterpart.heartbeats.flat().map(({ call, path }) => [call, path])).toEqual([
    [0, '/quick'],
  ]);
  expect(last.map(({ call, path }) => [call, path])).toEqual([[1, '/later']]);
});

test('a report that got no answer is repeated without running the guest again', async () => {
  const { counterpart, run } = await start('echo', { input: btoa('x') });
  counterpart.outcome = [
    'hang up',
    [503, { code: 'unavailable' }],
    [200, { state: 'succeeded', again: false }],
  ];
  expect(await run()).toEqual({ kind: 'finished', state: 'succeeded' });
  expect(counterpart.outcomes.map(({ output }) => output)).toEqual([btoa('x1'), btoa('x1')]);
});

test('a guest killed at its deadline is reported, and again leads to another attempt', async () => {
  const limits = { ...DEFAULT_LIMITS, wallMs: 300 };
  const { counterpart, run } = await start('spin', { limits });
  counterpart.outcome = [[200, { state: 'running', again: true }]];
  expect(await run()).toMatchObject({ kind: 'again' });
  expect(counterpart.outcomes[0]?.error?.code).toBe('limit.deadline');
});

test('a superseded attempt stops its guest and reports nothing', async () => {
  const { counterpart, run } = await start('spin');
  counterpart.heartbeat = [409, { code: 'attempt.superseded' }];
  const started = performance.now();
  expect(await run()).toEqual({ kind: 'superseded' });
  expect(performance.now() - started).toBeLessThan(2_000);
  expect(counterpart.outcomes).toHaveLength(0);
});

test('a lease that lapses while the Control Plane is away stops the guest', async () => {
  const { counterpart, run } = await start('spin', { leaseMs: 400 });
  counterpart.heartbeat = [503, { code: 'unavailable' }];
  counterpart.outcome = [[200, { state: 'running', again: true }]];
  expect(await run()).toMatchObject({ kind: 'again' });
  expect(counterpart.outcomes[0]?.error?.code).toBe('host.lost');
});

test('a host that has to stop kills the guest and hands the action on', async () => {
  const { counterpart, stop, run } = await start('spin');
  counterpart.outcome = [[200, { state: 'running', again: true }]];
  setTimeout(() => stop.abort(), 200);
  expect(await run()).toMatchObject({ kind: 'again' });
  expect(counterpart.outcomes[0]?.error?.code).toBe('host.lost');
});

test('a module with another digest is never run', async () => {
  const { counterpart, run } = await start('echo', {
    moduleDigest: await digestOf(Uint8Array.of(1)),
  });
  counterpart.outcome = [[200, { state: 'running', again: true }]];
  expect(await run()).toMatchObject({ kind: 'again' });
  expect(counterpart.outcomes[0]?.error).toMatchObject({
    code: 'host.resource',
    message: expect.stringContaining('digest'),
  });
});

test('a Control Plane that is away means another try later', async () => {
  const { counterpart, run } = await start('echo');
  counterpart.close();
  expect(await run()).toMatchObject({
    kind: 'again',
    reason: expect.stringContaining('did not answer'),
  });
});

test('an outcome that is refused is sent without free text, never dropped', async () => {
  const { counterpart, run } = await start('ask');
  counterpart.dislikes = (calls) => calls.some(({ path }) => path !== '');
  expect(await run()).toEqual({ kind: 'finished', state: 'succeeded' });
  const taken = counterpart.outcomes[0];
  expect(taken).toMatchObject({ verdict: 'succeeded', output: btoa('200 ok|200 ok') });
  const calls = [...counterpart.heartbeats.flat(), ...(taken?.calls ?? [])];
  expect(calls.map(({ call, path, verdict, bytesIn }) => [call, path, verdict, bytesIn])).toEqual([
    [0, '', 'allowed', 2],
    [1, '', 'allowed', 2],
  ]);
  expect(calls.every(({ requestDigest, responseDigest }) => requestDigest && responseDigest)).toBe(
    true,
  );
  expect(counterpart.claims).toBe(1);
});

test('a refused failure keeps its code, and calls that are refused in any form leave a trace', async () => {
  const limits = { ...DEFAULT_LIMITS, egressCalls: 1 };
  const { counterpart, run } = await start('ask', { limits, heartbeatMs: 60_000 });
  counterpart.dislikes = (calls) => calls.length > 0;
  counterpart.outcome = [[200, { state: 'failed', again: false }]];
  expect(await run()).toEqual({ kind: 'finished', state: 'failed' });
  expect(counterpart.refused.map(({ calls }) => calls.map(({ path }) => path))).toEqual([
    ['/quick', '/later'],
    ['/quick', '/later'],
    ['', ''],
  ]);
  expect(counterpart.outcomes[0]).toMatchObject({
    verdict: 'failed',
    error: { code: 'limit.egress', message: expect.stringContaining('left out') },
    calls: [],
    usage: { egressCalls: 2 },
  });
});

test('a heartbeat that is refused for another reason never drops the outcome', async () => {
  const { counterpart, run } = await start('spin');
  counterpart.heartbeat = [422, { code: 'input.invalid' }];
  counterpart.outcome = [[200, { state: 'running', again: true }]];
  expect(await run()).toMatchObject({ kind: 'again' });
  expect(counterpart.outcomes[0]?.error?.code).toBe('host.lost');
});

test('a report that fails for long gives its place back and goes on without the guest', async () => {
  const { counterpart, run, runner } = await start('echo', { input: btoa('x'), leaseMs: 3_000 });
  counterpart.outcome = [[500, { code: 'internal' }]];
  const started = performance.now();
  expect(await run()).toMatchObject({ kind: 'again', retryAfterMs: 1_000 });
  expect(performance.now() - started).toBeLessThan(2_000);
  expect(await run()).toMatchObject({ kind: 'again', reason: expect.stringContaining('reported') });
  expect(counterpart.claims).toBe(1);
  counterpart.outcome = [[200, { state: 'succeeded', again: false }]];
  await runner.settle();
  expect(counterpart.outcomes.at(-1)).toMatchObject({ verdict: 'succeeded', output: btoa('x1') });
  counterpart.claim = [200, { status: 'finished', state: 'succeeded' }];
  expect(await run()).toEqual({ kind: 'finished', state: 'succeeded' });
});

test('an outcome that only ever gets 5xx is reduced when the lease is over, then given up', async () => {
  const { counterpart, run, runner } = await start('ask', { leaseMs: 300, heartbeatMs: 60_000 });
  counterpart.outcome = [[500, { code: 'internal' }]];
  expect(await run()).toMatchObject({ kind: 'again' });
  await runner.settle();
  expect(counterpart.outcomes.at(-2)?.calls.map(({ path }) => path)).toEqual(['', '']);
  expect(counterpart.outcomes.at(-1)).toMatchObject({ verdict: 'succeeded', calls: [] });
  counterpart.claim = [200, { status: 'finished', state: 'cancelled' }];
  expect(await run()).toEqual({ kind: 'finished', state: 'cancelled' });
});

test('a host that stops gives a report only a short time', async () => {
  const { counterpart, stop, run } = await start('echo');
  counterpart.outcome = [[503, { code: 'unavailable' }]];
  stop.abort();
  const started = performance.now();
  expect(await run()).toMatchObject({ kind: 'again' });
  expect(performance.now() - started).toBeLessThan(2_500);
});

test('more calls than one report takes are all reported', async () => {
  const { counterpart, url } = await start('echo');
  const control = new ControlClient({ url, hostKey: HOST_KEY });
  const calls = Array.from(
    { length: 1_001 },
    (_, call): EgressCall => ({
      call,
      method: 'GET',
      scheme: 'http',
      host: 'a.test',
      port: 80,
      path: '/',
      verdict: 'denied',
      requestDigest: moduleDigest,
      bytesOut: 0,
      bytesIn: 0,
      ms: 0,
    }),
  );
  const usage = {
    wallMs: 0,
    cpuMs: 0,
    memoryBytes: 0,
    egressCalls: 1_001,
    egressBytesOut: 0,
    egressBytesIn: 0,
    logLines: 0,
    hostCalls: 0,
  };
  const journal = new ActionJournal([]);
  for (const call of calls) journal.add(call);
  const work = order('echo');
  const reports = new Reports(control, work, journal);
  const outcome = { verdict: 'succeeded', usage } as const;
  const { signal } = new AbortController();
  const reporter = new OutcomeReporter(control);
  const end = await reporter.report({ action, order: work }, outcome, reports, signal);
  expect(end).toEqual({ kind: 'finished', state: 'succeeded' });
  const reported = [...counterpart.heartbeats.flat(), ...(counterpart.outcomes[0]?.calls ?? [])];
  expect(reported.map(({ call }) => call)).toEqual(calls.map(({ call }) => call));
});
