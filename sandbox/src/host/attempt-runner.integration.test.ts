import { afterAll, beforeAll, expect, test } from 'bun:test';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { admit } from '@portarium/admission/admit';
import { type Digest, digestOf } from '@portarium/contracts/digest';
import { EgressRuleSchema } from '@portarium/contracts/egress-rule';
import { type ActionId, makeId, type WorkspaceId } from '@portarium/contracts/ids';
import {
  ClaimRequestSchema,
  type Dispatch,
  type EgressCall,
  HeartbeatSchema,
  OutcomeSchema,
  type WorkOrder,
} from '@portarium/contracts/internal-api';
import { DEFAULT_LIMITS } from '@portarium/contracts/limits';
import { ManifestSchema } from '@portarium/contracts/manifest';
import * as v from 'valibot';
import { compileGuest, HTTP_HEAD } from '../testing/assemblyscript.ts';
import { AttemptRunner } from './attempt-runner.ts';
import { CellPool } from './cell-pool.ts';
import { type CellProgram, prepareCellProgram } from './cell-program.ts';
import { ControlClient } from './control-client.ts';
import { ModuleCache } from './module-cache.ts';

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
const HOST_KEY = 'ptk_host_secret';

/** Speaks the internal API with what each test scripts, and remembers what it was told. */
class Counterpart {
  readonly outcomes: v.InferOutput<typeof OutcomeSchema>[] = [];
  readonly heartbeats: EgressCall[][] = [];
  moduleReads = 0;
  claim: readonly [number, object] = [500, {}];
  heartbeat: readonly [number, object] = [200, { leaseMs: 5_000 }];
  /** Answers of the outcome route, first to last; the last one stays. */
  outcome: (readonly [number, object] | 'hang up')[] = [
    [200, { state: 'succeeded', again: false }],
  ];
  module: Uint8Array = new Uint8Array();
  readonly #server: Server;

  constructor() {
    this.#server = createServer(async (request, response) => {
      const chunks: Uint8Array[] = [];
      for await (const chunk of request) chunks.push(chunk as Uint8Array);
      expect(request.headers.authorization).toBe(`Bearer ${HOST_KEY}`);
      const body = chunks.length > 0 ? JSON.parse(Buffer.concat(chunks).toString()) : undefined;
      const route = (request.url ?? '').split('/').at(-1);
      if (route !== 'claims') expect(request.headers['portarium-ticket']).toBe('the-ticket');
      if (route === 'module') {
        this.moduleReads++;
        response.end(this.module);
        return;
      }
      const answer = this.#answer(route ?? '', body);
      if (answer === 'hang up') {
        request.socket.destroy();
        return;
      }
      response.writeHead(answer[0], { 'content-type': 'application/json' });
      response.end(JSON.stringify(answer[1]));
    });
  }

  #answer(route: string, body: unknown): readonly [number, object] | 'hang up' {
    if (route === 'claims') {
      v.parse(ClaimRequestSchema, body);
      return this.claim;
    }
    if (route === 'heartbeat') {
      this.heartbeats.push(v.parse(HeartbeatSchema, body).calls);
      return this.heartbeat;
    }
    const next = this.outcome.length > 1 ? this.outcome.shift() : this.outcome[0];
    if (next !== 'hang up') this.outcomes.push(v.parse(OutcomeSchema, body));
    return next ?? 'hang up';
  }

  async listen(): Promise<string> {
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve));
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  close(): void {
    this.#server.closeAllConnections();
    this.#server.close();
  }
}

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
    reportMs: 2_000,
  });
  const stop = new AbortController();
  return { counterpart, stop, run: () => runner.run(dispatch, stop.signal) };
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
