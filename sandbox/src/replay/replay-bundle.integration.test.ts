import { afterAll, beforeAll, expect, setDefaultTimeout, test } from 'bun:test';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type ActionOrder, ActionOrderSchema } from '@portarium/contracts/action-order';
import { type Digest, digestOf } from '@portarium/contracts/digest';
import type { EgressRule } from '@portarium/contracts/egress-rule';
import { BODIES_MEDIA_TYPE, JOURNAL_MEDIA_TYPE } from '@portarium/contracts/journal-artifact';
import { type AttemptLimits, DEFAULT_LIMITS } from '@portarium/contracts/limits';
import { logKey } from '@portarium/contracts/testing/honest-log';
import { LogBuilder } from '@portarium/contracts/testing/log-builder';
import * as v from 'valibot';
import { type CellProgram, prepareCellProgram } from '../host/cell-program.ts';
import { compileGuest, HOST_HEAD, HTTP_HEAD } from '../testing/assemblyscript.ts';
import { type ActionStory, bundleOf } from '../testing/recorded-bundle.ts';
import { type RecordedRun, recordRun } from '../testing/recorded-run.ts';
import { type AttemptReport, type BundleReplay, replayBundle } from './replay-bundle.ts';
import { ENGINES, prepareEngine, type ReplayEngine } from './replay-engine.ts';

// Guests are compiled once, and every replay starts a process for each engine.
setDefaultTimeout(60_000);

/** `input` is the address of the server; what a guest asks for next depends on what it was answered. */
const guestSource = (second: string) => `${HTTP_HEAD}${HOST_HEAD}
function body(answer: string): string { return answer.substring(answer.indexOf(" ") + 1); }
export function chain(): void {
  const began = clock_time();
  const first = body(request("GET", input() + "/first?ticket=" + hex(random_bytes(4))));
  const second = body(request("GET", input() + "/${second}/" + first));
  const headers = get(http_headers());
  const took = clock_time() - began;
  output(first + " " + second + " " + took.toString() + " " + hex(random_bytes(4)) + headers);
}
export function moved(): void { output(request("GET", input() + "/moved")); }
export function write(): void {
  const answer = request("POST", input() + "/things", '{"content-type":"text/plain"}', "payload");
  output(answer + " " + request("GET", input() + "/after"));
}
export function unseen(): void {
  output(request("POST", input() + "/lost", '{"content-type":"text/plain"}', "payload"));
}
export function refused(): void { request("GET", "http://elsewhere.test/"); output("went on"); }
export function unreachable_host(): void {
  output(request("GET", "http://a.test:1/") + "|" + request("GET", input() + "/after"));
}
export function fails(): void { error_set(put(request("GET", input() + "/first"))); }
export function traps(): void { request("GET", input() + "/first"); unreachable(); }
export function spins(): void { request("GET", input() + "/first"); while (true) {} }
export function quiet(): void { output(clock_time().toString() + hex(random_bytes(8))); }
`;

let server: Server;
let origin = '';
let program: CellProgram;
let module: Uint8Array;
let variant: Uint8Array;
let engines: ReplayEngine[] = [];

beforeAll(async () => {
  server = createServer((request, response) => {
    const { pathname } = new URL(request.url ?? '', 'http://a.test');
    if (pathname === '/lost') request.socket.destroy();
    else if (pathname === '/moved') {
      response.writeHead(302, { location: `/landed/${'x'.repeat(3)}` }).end('look there');
    } else {
      response.setHeader('x-zeta', 'last').setHeader('x-alpha', 'first');
      request.resume().on('end', () => response.end(`${request.method}-${pathname.slice(1)}`));
    }
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  origin = `http://a.test:${(server.address() as AddressInfo).port}`;
  program = await prepareCellProgram(process.env.PATH ?? '');
  module = await compileGuest(guestSource('second'));
  variant = await compileGuest(guestSource('other'));
  engines = await Promise.all(ENGINES.map((name) => prepareEngine(name, process.env.PATH ?? '')));
});

afterAll(async () => {
  await Promise.all(engines.map(({ cell }) => cell.remove()));
  await program.remove();
  server.closeAllConnections();
  server.close();
});

const ids = new LogBuilder('acme');

async function orderOf(name: string, over: Partial<AttemptLimits> = {}): Promise<ActionOrder> {
  const rule = (id: string, port: number): EgressRule => ({
    id,
    methods: ['GET', 'POST'],
    scheme: 'http',
    host: 'a.test',
    port,
    path: '/**',
    query: ['ticket'],
    contentTypes: ['text/plain'],
  });
  const rules = [rule('main', Number(new URL(origin).port)), rule('closed', 1)];
  return v.parse(ActionOrderSchema, {
    v: 1,
    workspace: 'acme',
    action: ids.id('action'),
    plugin: { name: 'guest', version: '1.0.0', digest: await digestOf(module) },
    moduleDigest: await digestOf(module),
    rewriter: 'portarium-rewriter/1',
    operation: { name: 'run', export: name, effect: 'write', encoding: 'text' },
    inputDigest: await digestOf(bytes(origin)),
    config: {},
    contract: { plugin: rules, operator: rules, networks: ['loopback'], approval: [] },
    limits: { ...DEFAULT_LIMITS, ...over },
    seed: '5eed'.repeat(16),
    startTime: '2026-11-23T08:00:00.250Z',
  });
}

const bytes = (text: string) => new TextEncoder().encode(text);
const text = (output: Uint8Array | undefined) => new TextDecoder().decode(output);

interface RunOptions {
  readonly answers?: NonNullable<Parameters<typeof recordRun>[1]['answers']>;
  readonly earlier?: RecordedRun;
  readonly loseAt?: number;
  readonly wallMs?: number;
}

async function run(order: ActionOrder, options: RunOptions = {}): Promise<RecordedRun> {
  const attempt = ids.id('attempt');
  return recordRun(program, { attempt, order, module, input: bytes(origin), ...options });
}

/** One attempt that ran, as a story. */
async function storyOf(name: string, over: Partial<AttemptLimits> = {}) {
  const order = await orderOf(name, over);
  const first = await run(order);
  return { story: { order, module, input: bytes(origin), runs: [first] } as ActionStory, first };
}

async function replay(
  story: ActionStory,
  over: Partial<BundleReplay> = {},
  asked?: 'action' | 'log',
) {
  const reports: AttemptReport[] = [];
  const onAttempt = (report: AttemptReport) => reports.push(report);
  const { verifierKey: pin } = await logKey();
  const bundle = await bundleOf(story, asked);
  const ended = await replayBundle(bundle, { engines, pin, onAttempt, ...over });
  return { reports, ...ended };
}

/** The results of the only attempt, which must be the same on each engine. */
function onlyResult({ reports }: { readonly reports: readonly AttemptReport[] }) {
  expect(reports).toHaveLength(1);
  const results = reports[0]?.results ?? [];
  expect(results.map(({ engine }) => engine)).toEqual([...ENGINES]);
  const [first, second] = results.map(({ engine: _, ms: __, ...result }) => result);
  expect(second).toEqual(first as typeof second);
  return first;
}

async function agreesOn(name: string, verdict: string, calls: number) {
  const { story, first } = await storyOf(name);
  expect([name, first.verdict]).toEqual([name, verdict]);
  for (const asked of ['action', 'log'] as const) {
    const replayed = await replay(story, {}, asked);
    expect(replayed.summary).toEqual({
      ...{ ok: true, attempts: 1, findings: 0, notReplayable: 0 },
      bundle: 'verified',
    });
    expect(replayed.exitCode).toBe(0);
    expect(onlyResult(replayed)).toMatchObject({ status: 'agrees', calls });
  }
  return { story, first };
}

test('a replay repeats calls, time, chance and output on both engines, from either bundle', async () => {
  const { first } = await agreesOn('chain', 'succeeded', 2);
  expect(text(first.output)).toStartWith('GET-first GET-second/GET-first ');
  expect(text(first.output)).toContain('"x-alpha":"first"');
  const quiet = await agreesOn('quiet', 'succeeded', 0);
  expect(text(quiet.first.output)).toStartWith('1795420800250000');
});

test('redirects, writes, failed calls and denials are repeated hop by hop', async () => {
  const moved = await agreesOn('moved', 'succeeded', 2);
  expect(text(moved.first.output)).toBe('200 GET-landed/xxx');
  const write = await agreesOn('write', 'succeeded', 2);
  expect(text(write.first.output)).toBe('200 POST-things 200 GET-after');
  const failed = await agreesOn('unreachable_host', 'succeeded', 2);
  expect(text(failed.first.output)).toBe('0 |200 GET-after');
  await agreesOn('refused', 'egress.denied', 1);
});

test('a dry run is repeated with what its examples answered, and stops where none did', async () => {
  const order = { ...(await orderOf('write')), dryRun: true } as const;
  const example = {
    method: 'POST',
    path: '/things',
    status: 201,
    headers: {},
    body: 'made',
  } as const;
  const dry = async (answers: RunOptions['answers'], verdict: string, calls: number) => {
    const ran = await run(order, { answers: answers ?? [] });
    expect(ran.verdict).toBe(verdict);
    const replayed = await replay({ order, module, input: bytes(origin), runs: [ran] });
    expect(replayed.summary).toMatchObject({ ok: true, findings: 0, bundle: 'verified' });
    expect(onlyResult(replayed)).toMatchObject({ status: 'agrees', calls });
    return ran;
  };
  const answered = await dry([example], 'succeeded', 2);
  expect(text(answered.output)).toBe('201 made 200 GET-after');
  await dry([], 'dry-run.unanswered', 1);
});

test('errors of the guest and limits that it decides alone are repeated', async () => {
  await agreesOn('fails', 'guest.error', 1);
  await agreesOn('traps', 'guest.trap', 1);
  const limits = { hostCalls: 4 };
  const { story, first } = await storyOf('chain', limits);
  expect(first.verdict).toBe('limit.hostcalls');
  expect(onlyResult(await replay(story))).toMatchObject({ status: 'agrees' });
  const outputs = await storyOf('quiet', { outputBytes: 3 });
  expect(outputs.first.verdict).toBe('limit.output');
  expect(onlyResult(await replay(outputs.story))).toMatchObject({ status: 'agrees' });
});

test('an output that the host found invalid is compared up to the shape that nobody recorded', async () => {
  const { story, first } = await storyOf('chain');
  const { output: _, ...invalid } = { ...first, verdict: 'output.invalid' };
  expect(onlyResult(await replay({ ...story, runs: [invalid] }))).toEqual({
    status: 'agrees',
    calls: 2,
  });
});

test('a changed response is found at the first call that it changes', async () => {
  const { story, first } = await storyOf('chain');
  const body = bytes('another');
  const digest = await digestOf(body);
  const [record, ...rest] = first.records;
  if (!record?.responseDigest) throw new Error('no response');
  const bodies = new Map([...first.bodies, [digest, body] as const]);
  bodies.delete(record.responseDigest);
  const records = [{ ...record, responseDigest: digest }, ...rest];
  const replayed = await replay({ ...story, runs: [{ ...first, records, bodies }] });
  expect(onlyResult(replayed)).toMatchObject({
    status: 'differs',
    calls: 1,
    finding: {
      kind: 'call',
      call: 1,
      expected: { method: 'GET', url: `${origin}/second/GET-first` },
      got: { method: 'GET', url: `${origin}/second/another` },
      message: expect.stringContaining('on record is GET'),
    },
  });
  expect(replayed.exitCode).toBe(1);
  expect(replayed.summary).toMatchObject({ ok: false, attempts: 1, findings: 1 });
});

test('a changed input, seed or module is found at the first call that it changes', async () => {
  const { story, first } = await storyOf('chain');
  const elsewhere = bytes(origin.replace('a.test', 'b.test'));
  const changes: Readonly<Record<string, [Partial<ActionStory>, Partial<ActionOrder>, number]>> = {
    input: [{ input: elsewhere }, { inputDigest: await digestOf(elsewhere) }, 0],
    seed: [{}, { seed: '0'.repeat(64) }, 0],
    module: [{ module: variant }, { moduleDigest: await digestOf(variant) }, 1],
  };
  for (const [name, [parts, order, call]] of Object.entries(changes)) {
    const changed = { ...story, ...parts, order: { ...story.order, ...order }, runs: [first] };
    const result = onlyResult(await replay(changed));
    expect([name, result]).toMatchObject([
      name,
      { status: 'differs', calls: call, finding: { kind: 'call', call } },
    ]);
  }
});

test('a changed start or a changed duration of a call is found in the output', async () => {
  const { story, first } = await storyOf('quiet');
  const order = { ...story.order, startTime: '2026-11-23T08:00:00.251Z' };
  expect(onlyResult(await replay({ ...story, order, runs: [first] }))).toMatchObject({
    status: 'differs',
    finding: { kind: 'output' },
  });
  const chain = await storyOf('chain');
  const records = chain.first.records.map((record) => ({ ...record, ms: record.ms + 1 }));
  const runs = [{ ...chain.first, records }];
  expect(onlyResult(await replay({ ...chain.story, runs }))).toMatchObject({
    status: 'differs',
    calls: 2,
    finding: { kind: 'output' },
  });
});

test('a changed output digest is found', async () => {
  const { story, first } = await storyOf('chain');
  const outputDigest: Digest = `sha256:${'ab'.repeat(32)}`;
  expect(onlyResult(await replay({ ...story, runs: [{ ...first, outputDigest }] }))).toMatchObject({
    status: 'differs',
    finding: {
      kind: 'output',
      expected: outputDigest,
      got: await digestOf(first.output ?? bytes('')),
    },
  });
});

test('calls that are missing on record, or that nobody makes, are found', async () => {
  const { story, first } = await storyOf('chain');
  const fewer = { ...first, records: first.records.slice(0, 1) };
  expect(onlyResult(await replay({ ...story, runs: [fewer] }))).toMatchObject({
    status: 'differs',
    calls: 1,
    finding: { kind: 'call', call: 1, expected: null, got: { method: 'GET' } },
  });
  const [record] = first.records;
  if (!record) throw new Error('no record');
  const more = { ...first, records: [...first.records, { ...record, call: 2 }] };
  expect(onlyResult(await replay({ ...story, runs: [more] }))).toMatchObject({
    status: 'differs',
    calls: 2,
    finding: { kind: 'call', call: 2, expected: { method: 'GET' }, got: null },
  });
});

test('another verdict than the one on record is found', async () => {
  const { story, first } = await storyOf('fails');
  const { output: _, ...trapped } = { ...first, verdict: 'guest.trap' };
  expect(onlyResult(await replay({ ...story, runs: [trapped] }))).toMatchObject({
    status: 'differs',
    finding: { kind: 'verdict', expected: 'guest.trap', got: 'guest.error' },
  });
});

test('a lost attempt and the one that repeated it are compared up to their last calls', async () => {
  const order = await orderOf('chain');
  const lost = await run(order, { loseAt: 1 });
  expect([lost.verdict, lost.records.length]).toEqual(['lost', 1]);
  const second = await run(order, { earlier: lost });
  expect([second.verdict, second.records.length]).toEqual(['succeeded', 2]);
  const writers = second.records.map(({ attempt }) => String(attempt));
  expect(writers).toEqual([lost.attempt, second.attempt]);
  const story = { order, module, input: bytes(origin) };
  for (const unreported of [undefined, {}, { calls: 1 }]) {
    const runs = [{ ...lost, ...(unreported ? { unreported } : {}) }, second];
    const { reports, exitCode } = await replay({ ...story, runs });
    expect(exitCode).toBe(0);
    expect(reports.map(({ number, verdict }) => [number, verdict])).toEqual([
      [1, 'lost'],
      [2, 'succeeded'],
    ]);
    const calls = reports.map(({ results }) =>
      results.map((result) => (result.status === 'agrees' ? result.calls : result)),
    );
    expect(calls).toEqual([
      [1, 1],
      [2, 2],
    ]);
  }
});

test('an attempt that diverged from the journal does so again', async () => {
  const { story, first } = await storyOf('chain');
  const order = { ...story.order, moduleDigest: await digestOf(variant) };
  const { output: _, ...lost } = { ...first, verdict: 'lost' };
  const attempt = ids.id('attempt');
  const parts = { attempt, order, module: variant, input: story.input, earlier: lost };
  const second = await recordRun(program, parts);
  expect(second.verdict).toBe('journal.diverged');
  const { reports } = await replay({ ...story, order, module: variant, runs: [lost, second] });
  expect(reports.map(({ results }) => results.map(({ status }) => status))).toEqual([
    ['differs', 'differs'],
    ['agrees', 'agrees'],
  ]);
});

test('an attempt that lost the answer of a write stops at the open record', async () => {
  const { story, first } = await storyOf('unseen');
  expect(first.verdict).toBe('outcome.unknown');
  expect(first.records).toMatchObject([{ method: 'POST', path: '/lost', verdict: 'open' }]);
  const replayed = await replay({ ...story, open: true });
  expect(replayed.summary).toMatchObject({ ok: true, bundle: 'incomplete' });
  expect(onlyResult(replayed)).toEqual({ status: 'agrees', calls: 1 });
  const { output: _, ...succeeded } = { ...first, verdict: 'succeeded', output: bytes('200 done') };
  expect(onlyResult(await replay({ ...story, runs: [succeeded], open: true }))).toMatchObject({
    status: 'differs',
    finding: { kind: 'call', call: 0, message: expect.stringContaining('no answer on record') },
  });
});

test('an attempt that met its deadline is compared up to its last call, and then stopped', async () => {
  const order = await orderOf('spins');
  const late = await run(order, { wallMs: 500 });
  expect([late.verdict, late.records.length]).toEqual(['limit.deadline', 1]);
  const started = performance.now();
  const replayed = await replay({ order, module, input: bytes(origin), runs: [late] });
  expect(onlyResult(replayed)).toEqual({ status: 'agrees', calls: 1 });
  expect(performance.now() - started).toBeLessThan(5_000);
});

test('a guest that loops where it had ended is stopped and found', async () => {
  const { story, first } = await storyOf('fails');
  const operation = { ...story.order.operation, export: 'spins' };
  const looping = { ...story, order: { ...story.order, operation }, runs: [first] };
  const started = performance.now();
  expect(onlyResult(await replay(looping, { wallMs: 700 }))).toMatchObject({
    status: 'differs',
    calls: 1,
    finding: { kind: 'verdict', expected: 'guest.error', got: 'limit.deadline' },
  });
  expect(performance.now() - started).toBeLessThan(8_000);
});

test('what an export left out makes an attempt not replayable, and says what is missing', async () => {
  const { story } = await storyOf('chain');
  const bodies = await replay({ ...story, omit: [BODIES_MEDIA_TYPE] });
  expect(onlyResult(bodies)).toMatchObject({
    status: 'not-replayable',
    reason: expect.stringContaining('response of call 0'),
  });
  expect(bodies.exitCode).toBe(3);
  expect(bodies.summary).toMatchObject({ ok: false, findings: 0, notReplayable: 1 });
  for (const [mediaType, what] of [
    [JOURNAL_MEDIA_TYPE, 'journal'],
    ['application/wasm', 'module'],
    ['text/plain', 'input'],
    ['application/vnd.portarium.order+json', 'order'],
  ] as const) {
    const { reports, exitCode } = await replay({ ...story, omit: [mediaType] });
    expect(exitCode).toBe(3);
    expect(reports[0]).toMatchObject({
      results: [],
      reason: expect.stringMatching(new RegExp(`${what} .*left out`)),
    });
  }
});

test('a bundle that was changed afterwards is refused, and another action is not in it', async () => {
  const { story } = await storyOf('quiet');
  const bundle = await bundleOf(story);
  const onAttempt = () => expect.unreachable();
  const changed = bundle.slice();
  const at = Buffer.from(changed).indexOf('attempt.finished');
  changed[at] = (changed[at] ?? 0) ^ 1;
  expect(await replayBundle(changed, { engines, onAttempt })).toMatchObject({
    exitCode: 1,
    summary: { ok: false, bundle: 'falsified', reason: expect.stringContaining('.') },
  });
  expect(await replayBundle(bytes('no bundle'), { engines, onAttempt })).toMatchObject({
    exitCode: 2,
    summary: { ok: false, bundle: 'unreadable' },
  });
  const action = ids.id('action');
  expect(await replayBundle(bundle, { engines, action, onAttempt })).toMatchObject({
    exitCode: 3,
    summary: { ok: false, attempts: 0, reason: expect.stringContaining(action) },
  });
});
