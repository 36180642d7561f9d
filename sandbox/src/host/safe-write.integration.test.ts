import { afterAll, beforeAll, beforeEach, expect, test } from 'bun:test';
import { configure, reset } from '@logtape/logtape';
import { admit } from '@portarium/admission/admit';
import type { Digest } from '@portarium/contracts/digest';
import { type EgressRule, EgressRuleSchema } from '@portarium/contracts/egress-rule';
import { type ActionId, makeId, type WorkspaceId } from '@portarium/contracts/ids';
import type { Dispatch, EgressCall, WorkOrder } from '@portarium/contracts/internal-api';
import { DEFAULT_LIMITS } from '@portarium/contracts/limits';
import { ManifestSchema } from '@portarium/contracts/manifest';
import * as v from 'valibot';
import {
  type RecordingCounterpart,
  startRecordingCounterpart,
} from '../../../infra/local/src/testing/recording-counterpart.ts';
import { compileGuest, HOST_HEAD, HTTP_HEAD } from '../testing/assemblyscript.ts';
import { Counterpart, HOST_KEY, leave } from '../testing/counterpart.ts';
import { workOrder } from '../testing/egress-rig.ts';
import { AttemptRunner } from './attempt-runner.ts';
import { CellPool } from './cell-pool.ts';
import { type CellProgram, prepareCellProgram } from './cell-program.ts';
import { ControlClient } from './control-client.ts';
import { ModuleCache } from './module-cache.ts';

const GUEST = `${HTTP_HEAD}${HOST_HEAD}

function path(at: string): string { return at.split("/").pop(); }
function host(at: string): string { return at.split("/").slice(0, 3).join("/"); }
function write(at: string): string {
  return request("POST", host(at) + "/things", '{"content-type":"application/json"}', '{"id":"' + path(at) + '"}');
}
export function pay(): void { output(write(input())); }
export function look(): void {
  const before = clock_time();
  const seen = request("GET", host(input()) + "/things?id=look-" + path(input()));
  const waited = clock_time() - before;
  output(seen + " | " + write(input()) + " | " + before.toString() + " " + waited.toString() + " " + hex(random_bytes(4)) + " | " + get(http_headers()));
}
export function nothing(): void { output("done"); }
export function giveUp(): void { error_set(put("no, thanks")); }

`;
const SECRET = 'sk_live_4eC39HqLyjWDarjtT1zdp7dc';
const SEED = '5eed'.repeat(16);
const START = '2026-11-23T08:00:00.250Z';
const MICROS = 1_795_420_800_250_000n;

const workspace = 'local' as WorkspaceId;
const action: ActionId = makeId('action', 1, new Uint8Array(10));
const dispatch: Dispatch = { workspace, action };
const counterparts: Counterpart[] = [];
let program: CellProgram;
let pool: CellPool;
let module: Uint8Array;
let moduleDigest: Digest;
let system: RecordingCounterpart;
let attempts = 0;
let next = 0;
let id = '';

beforeAll(async () => {
  program = await prepareCellProgram(process.env.PATH ?? '');
  pool = new CellPool(program, { size: 1 });
  const manifest = v.parse(ManifestSchema, {
    schema: 1,
    name: 'guest',
    version: '1.0.0',
    operations: [{ name: 'run', export: 'pay', effect: 'write' }],
  });
  const admission = await admit(await compileGuest(GUEST), manifest, DEFAULT_LIMITS);
  if (!admission.ok) throw new Error(JSON.stringify(admission.findings));
  ({ module, moduleDigest } = admission);
  system = await startRecordingCounterpart();
}, 60_000);

afterAll(async () => {
  for (const counterpart of counterparts) counterpart.close();
  await pool.close();
  await program.remove();
  await system[Symbol.asyncDispose]();
});
beforeEach(() => {
  id = `h${++next}`;
});

function rule(over: Partial<v.InferInput<typeof EgressRuleSchema>> = {}): EgressRule {
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

interface Over extends Partial<Pick<WorkOrder, 'journal' | 'heartbeatMs'>> {
  readonly rules?: readonly EgressRule[];
  readonly wallMs?: number;
  /** The Control Plane of the attempt before. */
  readonly counterpart?: Counterpart;
}

async function start(name: string, { rules = [rule()], wallMs = 5_000, ...over }: Over = {}) {
  const counterpart = over.counterpart ?? new Counterpart();
  counterparts.push(counterpart);
  counterpart.module = module;
  const attempt = makeId('attempt', ++attempts, new Uint8Array(10));
  const order = workOrder({
    contract: { plugin: [...rules], operator: [...rules], networks: ['loopback'], approval: [] },
    attempt,
    moduleDigest,
    operation: { name: 'run', export: name, effect: 'write', encoding: 'text' },
    input: btoa(`${system.origin}/${id}`),
    limits: { ...DEFAULT_LIMITS, wallMs },
    seed: SEED,
    startTime: START,
    journal: over.journal ?? [],
    heartbeatMs: over.heartbeatMs ?? 60_000,
  });
  counterpart.journal(attempt).push(...order.journal);
  counterpart.claim = [200, { status: 'run', order }];
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
  const journal = (): EgressCall[] => [...counterpart.journal(attempt)];
  return { counterpart, url, order, journal, stop, run: () => runner.run(dispatch, stop.signal) };
}

const again = [200, { state: 'running', again: true }] as const;

function outputOf({ outcomes }: Counterpart): string {
  return Buffer.from(outcomes.at(-1)?.output ?? '', 'base64').toString();
}

test('an attempt writes by leave, and its journal and bodies are at the Control Plane', async () => {
  const { counterpart, run, journal } = await start('look');
  expect(await run()).toEqual({ kind: 'finished', state: 'succeeded' });
  expect(outputOf(counterpart)).toContain(`200 {"id":"${id}","effect":1`);
  expect(journal().map(({ method, verdict }) => [method, verdict])).toEqual([
    ['GET', 'allowed'],
    ['POST', 'allowed'],
  ]);
  for (const { responseDigest } of journal()) {
    expect(counterpart.bodies.has(String(responseDigest))).toBe(true);
  }
  expect(system.effects(id)).toBe(1);
});

test('seed and start time of the order, and the time that calls took, are what the guest sees', async () => {
  const { counterpart, run, journal } = await start('look');
  await run();
  const [before, waited] = outputOf(counterpart).split(' | ')[2]?.split(' ') ?? [];
  expect(BigInt(before ?? 0)).toBe(MICROS);
  expect(Number(waited)).toBe(1 + (journal()[0]?.ms ?? 0) * 1_000);
});

test('a lost answer leads to another attempt: it reads what was read, and sends with the same key', async () => {
  const rules = [rule({ idempotency: { header: 'Idempotency-Key', retentionHours: 24 } })];
  const idempotency = { header: 'idempotency-key', key: `key-${id}` };
  system.plan(id, { fault: 'die-after-effect', times: 1 });
  const first = await start('look', { rules });
  first.counterpart.intend = () => leave({ idempotency });
  first.counterpart.outcome = [again];
  expect(await first.run()).toMatchObject({ kind: 'again' });
  expect(first.counterpart.outcomes[0]?.error?.code).toBe('answer.lost');
  expect(first.journal().map(({ verdict }) => verdict)).toEqual(['allowed', 'open']);

  const second = await start('look', { rules, journal: first.journal() });
  for (const [digest, bytes] of first.counterpart.bodies) {
    second.counterpart.bodies.set(digest, bytes);
  }
  second.counterpart.intend = () => leave({ idempotency });
  expect(await second.run()).toEqual({ kind: 'finished', state: 'succeeded' });
  expect(outputOf(second.counterpart)).toContain(`"effect":1`);
  expect(system.requests(id).map(({ key }) => key)).toEqual([`key-${id}`, `key-${id}`]);
  expect([system.effects(id), system.requests(`look-${id}`).length]).toEqual([1, 1]);
  expect(second.counterpart.outcomes[0]?.calls.map(({ call }) => call)).toEqual([1]);
  expect(second.counterpart.outcomes[0]?.usage.egressCalls).toBe(2);
});

test('an attempt that replays everything gives the same output, byte for byte', async () => {
  const first = await start('look');
  await first.run();
  const seen = system.requests(id).length;
  const second = await start('look', { journal: first.journal() });
  for (const [digest, bytes] of first.counterpart.bodies) {
    second.counterpart.bodies.set(digest, bytes);
  }
  await second.run();
  expect(outputOf(second.counterpart)).toBe(outputOf(first.counterpart));
  expect([system.requests(id).length, second.counterpart.intents.length]).toEqual([seen, 0]);
  expect(second.counterpart.outcomes[0]?.calls).toEqual([]);
});

test('a lost answer of a write without a key is an outcome that nobody knows', async () => {
  system.plan(id, { fault: 'die-after-effect' });
  const { counterpart, run, journal } = await start('pay');
  counterpart.outcome = [[200, { state: 'outcome-unknown', again: false }]];
  expect(await run()).toEqual({ kind: 'finished', state: 'outcome-unknown' });
  expect(counterpart.outcomes[0]).toMatchObject({
    verdict: 'failed',
    error: { code: 'outcome.unknown' },
    calls: [],
  });
  expect(journal()).toEqual([expect.objectContaining({ verdict: 'open' })]);
});

test('the code of a refused intent is the code of the outcome', async () => {
  for (const code of ['action.cancelled', 'approval.void', 'plugin.quarantined']) {
    const { counterpart, run } = await start('pay');
    counterpart.intend = () => [200, { status: 'refused', code, message: 'it says why' }];
    counterpart.outcome = [[200, { state: 'failed', again: false }]];
    await run();
    expect(counterpart.outcomes[0]?.error).toEqual({
      code,
      message: expect.stringContaining('it says why'),
    });
  }
  expect(system.requests(id)).toEqual([]);
});

test('a call over its rate waits within the deadline of the attempt, and not beyond it', async () => {
  const rules = [rule({ maxPerMinute: 1 })];
  const over = (retryAfterMs: number) =>
    [
      200,
      { status: 'refused', code: 'limit.rate', message: 'full', layer: 'rate', retryAfterMs },
    ] as const;
  const waits = await start('pay', { rules });
  waits.counterpart.intend = (_, nth) => (nth === 1 ? over(300) : leave());
  expect(await waits.run()).toEqual({ kind: 'finished', state: 'succeeded' });
  expect(system.effects(id)).toBe(1);
  const denied = await start('pay', { rules });
  denied.counterpart.intend = () => over(30_000);
  denied.counterpart.outcome = [[200, { state: 'failed', again: false }]];
  const started = performance.now();
  await denied.run();
  // Well before the deadline of 5 s: waiting for it would help nobody.
  expect(performance.now() - started).toBeLessThan(3_000);
  expect(denied.counterpart.outcomes[0]).toMatchObject({
    error: { code: 'limit.rate' },
    calls: [{ call: 0, verdict: 'denied', layer: 'rate', reason: 'full' }],
  });
  expect(system.effects(id)).toBe(1);
});

test('a deadline during a write kills the guest and leaves the record open', async () => {
  system.plan(id, { fault: 'stall' });
  const { counterpart, run, journal } = await start('pay', { wallMs: 500 });
  counterpart.outcome = [[200, { state: 'outcome-unknown', again: false }]];
  const started = performance.now();
  await run();
  expect(performance.now() - started).toBeLessThan(3_000);
  expect(counterpart.outcomes[0]).toMatchObject({ error: { code: 'limit.deadline' }, calls: [] });
  expect(journal()).toEqual([expect.objectContaining({ verdict: 'open' })]);
});

test('a deadline during a write with a key is a lost answer: the next attempt sends it again', async () => {
  const rules = [rule({ idempotency: { header: 'Idempotency-Key', retentionHours: 24 } })];
  const idempotency = { header: 'idempotency-key', key: `key-${id}` };
  system.plan(id, { fault: 'stall', times: 1 });
  const first = await start('pay', { rules, wallMs: 500 });
  first.counterpart.intend = () => leave({ idempotency });
  first.counterpart.outcome = [again];
  expect(await first.run()).toMatchObject({ kind: 'again' });
  expect(first.counterpart.outcomes[0]?.error).toEqual({
    code: 'answer.lost',
    message: expect.stringContaining('ran past its deadline of 500 ms'),
  });
  const second = await start('pay', { rules, journal: first.journal() });
  second.counterpart.intend = () => leave({ idempotency });
  expect(await second.run()).toEqual({ kind: 'finished', state: 'succeeded' });
  expect([system.requests(id).length, system.effects(id)]).toEqual([2, 1]);
});

test('a newer attempt ends a write in flight; the older one reports nothing', async () => {
  system.plan(id, { fault: 'stall' });
  const { counterpart, run, journal } = await start('pay', { heartbeatMs: 100 });
  counterpart.heartbeat = [200, { leaseMs: 5_000 }];
  const running = run();
  while (system.requests(id).length === 0) await Bun.sleep(5);
  counterpart.heartbeat = [409, { code: 'attempt.superseded' }];
  const started = performance.now();
  expect(await running).toEqual({ kind: 'superseded' });
  expect(performance.now() - started).toBeLessThan(1_500);
  expect(counterpart.outcomes).toEqual([]);
  expect(journal()).toEqual([expect.objectContaining({ verdict: 'open' })]);
});

test('an intent of a superseded attempt sends nothing and reports nothing', async () => {
  const { counterpart, run } = await start('pay');
  counterpart.intend = () => [409, { code: 'attempt.superseded' }];
  expect(await run()).toEqual({ kind: 'superseded' });
  expect(counterpart.outcomes).toEqual([]);
  expect(system.requests(id)).toEqual([]);
});

test('a guest that ends before it made every call of the journal has diverged', async () => {
  const first = await start('pay');
  await first.run();
  for (const [name, said] of [
    ['nothing', 'with an output'],
    ['giveUp', 'no, thanks'],
  ] as const) {
    const { counterpart, run } = await start(name, { journal: first.journal() });
    counterpart.outcome = [[200, { state: 'failed', again: false }]];
    await run();
    expect(counterpart.outcomes[0]).toMatchObject({
      verdict: 'failed',
      error: { code: 'journal.diverged', message: expect.stringContaining(said) },
    });
  }
});

test('a guest that asks for something else than the journal holds has diverged', async () => {
  const first = await start('pay');
  await first.run();
  const seen = system.requests(id).length;
  const { counterpart, run } = await start('look', { journal: first.journal() });
  counterpart.outcome = [[200, { state: 'failed', again: false }]];
  await run();
  expect(counterpart.outcomes[0]?.error?.code).toBe('journal.diverged');
  expect([system.requests(id).length, counterpart.intents.length]).toEqual([seen, 0]);
});

test('an order whose journal has gaps is not run', async () => {
  const first = await start('look');
  await first.run();
  const { counterpart, run } = await start('look', { journal: first.journal().slice(1) });
  expect(await run()).toMatchObject({ kind: 'again', reason: expect.stringContaining('gaps') });
  expect(counterpart.outcomes).toEqual([]);
});

test('a report that is refused keeps what answers its calls in a later attempt', async () => {
  const { counterpart, run, journal } = await start('look');
  counterpart.dislikes = (calls) => calls.some(({ path }) => path !== '');
  await run();
  expect(journal()).toHaveLength(2);
  for (const record of journal()) {
    expect(record).toMatchObject({
      path: '',
      rule: 'things',
      status: 200,
      responseHeaders: { 'content-type': 'application/json' },
    });
    expect(counterpart.bodies.has(String(record.responseDigest))).toBe(true);
  }
});

test('a malformed answer is told by its place, never by what stands there', async () => {
  const { counterpart, order, url } = await start('pay');
  const control = new ControlClient({ url, hostKey: HOST_KEY });
  const body = { method: 'POST', url: system.origin, headers: [], bodyDigest: null, bodyBytes: 0 };
  const intent = { ...body, call: 0, requestDigest: moduleDigest, address: '127.0.0.1', calls: [] };
  for (const [credential, place] of [
    [SECRET, 'credential'],
    [{ secret: [SECRET] }, 'credential'],
  ] as const) {
    counterpart.intend = () => leave({ credential });
    const answer = await control.intend(order, intent);
    if (answer.ok) throw new Error('it was taken');
    expect(answer).toMatchObject({ code: 'malformed', transient: true });
    expect(answer.message).toContain(place);
    expect(answer.message).not.toContain(SECRET);
  }
});

test('a secret stands in no log, no error and no report, even if an answer is malformed', async () => {
  const lines: string[] = [];
  await configure({
    sinks: { memory: (record) => lines.push(JSON.stringify(record)) },
    loggers: [
      { category: 'portarium', lowestLevel: 'trace', sinks: ['memory'] },
      { category: ['logtape', 'meta'], lowestLevel: 'warning', sinks: [] },
    ],
    reset: true,
  });
  try {
    const credential = { id: makeId('credential', 1, new Uint8Array(10)), slot: 'stripe' };
    const given = { ...credential, version: 1, kind: 'bearer', secret: SECRET };
    const malformed = [SECRET, { ...given, kind: SECRET }, { ...given, [SECRET]: 1 }];
    const rules = [rule({ credential: 'stripe' })];
    system.plan(id, { fault: 'echo-authorization' });
    const { counterpart, run } = await start('pay', { rules });
    counterpart.intend = (_, nth) => leave({ credential: malformed[nth - 1] ?? given });
    // Refused once, so that the way of a reduced outcome is logged too.
    counterpart.dislikes = (calls) => calls.some(({ path }) => path !== '');
    const end = await run();
    expect(counterpart.intents).toHaveLength(4);
    const { intents, outcomes, refused, heartbeats, bodies } = counterpart;
    const bytes = [...bodies.values()].map((body) => Buffer.from(body).toString());
    const said = JSON.stringify([end, intents, outcomes, refused, heartbeats, bytes]);
    expect(lines.length).toBeGreaterThan(0);
    for (const text of [said, lines.join('\n'), outputOf(counterpart)]) {
      expect(text).not.toContain(SECRET);
    }
    expect(outputOf(counterpart)).toContain('[credential stripe]');
    expect(system.requests(id)[0]?.headers.authorization).toBe(`Bearer ${SECRET}`);
  } finally {
    await reset();
  }
});
