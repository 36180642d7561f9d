import { afterAll, beforeAll, expect, test } from 'bun:test';
import { spawn } from 'node:child_process';
import { closeSync, existsSync, openSync, readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { fileURLToPath } from 'node:url';
import { admit } from '@portarium/admission/admit';
import { EgressRuleSchema } from '@portarium/contracts/egress-rule';
import { OutcomeSchema, type WorkOrder } from '@portarium/contracts/internal-api';
import { type AttemptLimits, DEFAULT_LIMITS } from '@portarium/contracts/limits';
import { ManifestSchema } from '@portarium/contracts/manifest';
import * as v from 'valibot';
import { compileGuest, HTTP_HEAD } from '../testing/assemblyscript.ts';
import { EgressRigs } from '../testing/egress-rig.ts';
import { CellPool } from './cell-pool.ts';
import { type CellProgram, prepareCellProgram } from './cell-program.ts';
import { runGuest } from './run-guest.ts';

const GUEST = `
let count: i32 = 0;
export function counter(): void { count++; output(count.toString()); }
export function echo(): void { output(input()); }
export function spin(): void { while (true) { count++; } }
export function trap(): void { unreachable(); }
export function thrown(): void { error_set(put("no such row (index.ts:9:3)")); unreachable(); }
export function fail(): void { error_set(put("bad \\u001b[31mcharge\\u202e")); }
export function deep(): void { count += 1; deep(); count -= 1; }
export function chatter(): void {
  for (let i = 0; i < 500; i++) log_info(put("line " + i.toString()));
  output("done");
}
export function flood(): void { const at = alloc(200000); output_set(at, 200000); }
export function allocate(): void { for (let i = 0; i < 30000; i++) alloc(1); }
export function hoard(): void { while (true) alloc(10 << 20); }
export function churn(): void { for (let i = 0; i < 200; i++) free(alloc(10 << 20)); output("ok"); }
export function grow(): void { output(memory.grow(2000).toString()); }
export function ask(): void { for (let i = 0; i < 20000; i++) config_get(put("k")); }
export function config(): void {
  const known = config_get(put("mode"));
  const none = config_get(put("constructor"));
  output(get(known) + " " + none.toString());
}
export function remember(): void {
  const before = var_get(put("seen"));
  var_set(put("seen"), put("yes"));
  output((before == 0 ? "new" : get(before)) + " " + get(var_get(put("seen"))));
}
`;

const HTTP_GUEST = `${HTTP_HEAD}
export function one(): void { output(request("GET", input())); }
export function two(): void { output(request("GET", input()) + "|" + request("GET", input())); }
export function post(): void {
  output(request("POST", input(), '{"content-type":"text/plain"}', "payload"));
}
export function pour(): void {
  const at = alloc(i32(parseInt(input())));
  const question = put('{"method":"POST","url":"http://a.test/pour","headers":{}}');
  http_request(question, at);
  output("still fine");
}
export function lengthy(): void { request("GET", "http://a.test/" + "x".repeat(17000)); }
export function crowd(): void {
  let headers = '{"h":"x"';
  for (let i = 0; i < 200; i++) headers += ',"h' + i.toString() + '":"x"';
  request("GET", "http://a.test/", headers + "}");
}
export function headers(): void { request("GET", input()); output(get(http_headers())); }
export function swallow(): void { request("GET", "http://evil.test/"); output("still fine"); }
`;

let program: CellProgram;
let plain: Uint8Array;
let http: Uint8Array;
let server: Server;
let origin = '';
const pools: CellPool[] = [];
const rigs = new EgressRigs();

beforeAll(async () => {
  await rigs.start();
  program = await prepareCellProgram(process.env.PATH ?? '');
  plain = await admitted(await compileGuest(GUEST), 'counter');
  http = await admitted(await compileGuest(HTTP_GUEST), 'one');
  server = createServer((request, response) => {
    response.setHeader('x-from', 'server');
    request.resume().on('end', () => response.end(`${request.method} answer`));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  origin = `http://a.test:${(server.address() as AddressInfo).port}`;
}, 60_000);

afterAll(async () => {
  await Promise.all(pools.map((pool) => pool.close()));
  await rigs.stop();
  await program.remove();
  server.close();
});

async function admitted(bytes: Uint8Array, name: string): Promise<Uint8Array> {
  const manifest = v.parse(ManifestSchema, {
    schema: 1,
    name: 'guest',
    version: '1.0.0',
    operations: [{ name: 'run', export: name, effect: 'read' }],
  });
  const admission = await admit(bytes, manifest, DEFAULT_LIMITS);
  if (!admission.ok) throw new Error(JSON.stringify(admission.findings));
  return admission.module;
}

function newPool(size = 2): CellPool {
  const pool = new CellPool(program, { size, spares: 1 });
  pools.push(pool);
  return pool;
}

interface Attempt {
  readonly module?: Uint8Array;
  readonly input?: string;
  readonly limits?: Partial<AttemptLimits>;
  readonly workspace?: string;
  readonly signal?: AbortSignal;
}

async function attempt(pool: CellPool, name: string, over: Attempt = {}) {
  const module = over.module ?? plain;
  const limits = { ...DEFAULT_LIMITS, ...over.limits };
  const port = Number(new URL(origin).port);
  const rules = [
    v.parse(EgressRuleSchema, {
      id: 'main',
      methods: ['GET', 'POST'],
      scheme: 'http',
      host: 'a.test',
      port,
      path: '/**',
      contentTypes: ['text/plain'],
    }),
  ];
  const contract = { plugin: rules, operator: rules, networks: ['loopback'], approval: [] };
  const { session: egress } = rigs.attempt({ contract, limits });
  const key = {
    workspace: over.workspace ?? 'local',
    moduleDigest: String(module.length),
    memoryMiB: limits.memoryMiB,
  };
  const acquired = await pool.acquire(key, module);
  if (!acquired.ok) throw new Error(acquired.message);
  const operation: WorkOrder['operation'] = {
    name: 'run',
    export: name,
    effect: 'write',
    encoding: 'text',
  };
  const run = await runGuest(
    acquired.cell.process,
    {
      operation,
      input: Buffer.from(over.input ?? '').toString('base64'),
      config: { mode: 'test' },
      limits,
      seed: '00'.repeat(32),
      startTime: '2026-11-23T10:00:00.000Z',
    },
    egress,
    over.signal ?? new AbortController().signal,
  );
  const { pid } = acquired.cell.process;
  await acquired.cell.release(run.reusable);
  v.parse(OutcomeSchema, { ...run.outcome, calls: [...egress.calls] });
  const { output, error, usage, logs = [] } = run.outcome;
  const text = output === undefined ? undefined : Buffer.from(output, 'base64').toString();
  return { text, error, usage, logs, pid, calls: egress.calls, reusable: run.reusable };
}

test('input reaches the guest and its output comes back, with its usage', async () => {
  const run = await attempt(newPool(), 'echo', { input: 'grüß dich' });
  expect(run.text).toBe('grüß dich');
  expect(run.usage.memoryBytes).toBeGreaterThan(1_000_000);
  expect(run.usage.wallMs).toBeGreaterThan(0);
});

test('each attempt gets a fresh instance in the same cell', async () => {
  const pool = newPool();
  const runs = [await attempt(pool, 'counter'), await attempt(pool, 'counter')];
  expect(runs.map(({ text }) => text)).toEqual(['1', '1']);
  expect(runs[0]?.pid).toBe(runs[1]?.pid ?? 0);
  const variables = [await attempt(pool, 'remember'), await attempt(pool, 'remember')];
  expect(variables.map(({ text }) => text)).toEqual(['new yes', 'new yes']);
});

test('a cell is never shared by two workspaces or two modules', async () => {
  const pool = newPool(4);
  const first = await attempt(pool, 'counter');
  const other = await attempt(pool, 'counter', { workspace: 'other' });
  const third = await attempt(pool, 'one', { module: http, input: `${origin}/` });
  expect(new Set([first.pid, other.pid, third.pid]).size).toBe(3);
});

test('an endless loop is killed at its deadline while another cell keeps running', async () => {
  const pool = newPool();
  // Both cells are bound by then: how long one takes to start is another matter.
  await Promise.all([1, 2].map(() => attempt(pool, 'echo', { input: 'alive' })));
  const started = performance.now();
  const spinning = attempt(pool, 'spin', { limits: { wallMs: 600 } });
  const others: (string | undefined)[] = [];
  while (performance.now() - started < 500) {
    others.push((await attempt(pool, 'echo', { input: 'alive' })).text);
  }
  const run = await spinning;
  expect(performance.now() - started).toBeLessThan(3_000);
  expect(run.error?.code).toBe('limit.deadline');
  expect(run.reusable).toBe(false);
  expect(run.usage.cpuMs).toBeGreaterThan(10);
  expect(existsSync(`/proc/${run.pid}`)).toBe(false);
  expect(others.length).toBeGreaterThan(3);
  expect(new Set(others)).toEqual(new Set(['alive']));
});

test('a loop that burns CPU is killed at its CPU limit', async () => {
  const run = await attempt(newPool(), 'spin', { limits: { cpuMs: 200 } });
  expect(run.error?.code).toBe('limit.cpu');
});

test('an aborted attempt is lost, not the guest’s fault', async () => {
  const stop = new AbortController();
  setTimeout(() => stop.abort(), 100);
  const run = await attempt(newPool(), 'spin', { signal: stop.signal });
  expect(run.error?.code).toBe('host.lost');
});

test('a trap and endless recursion end the cell; the plugin’s own error does not', async () => {
  const pool = newPool();
  const trap = await attempt(pool, 'trap');
  expect(trap.error?.message).not.toContain('evaluating');
  expect(trap.error).toMatchObject({
    code: 'guest.trap',
    message: expect.stringMatching(/unreachable/i),
  });
  expect(trap.reusable).toBe(false);
  const thrown = await attempt(pool, 'thrown');
  expect(thrown.error).toMatchObject({
    code: 'guest.trap',
    message: expect.stringMatching(/^no such row \(index\.ts:9:3\): .*unreachable/i),
  });
  const deep = await attempt(pool, 'deep');
  expect(deep.error?.code).toBe('guest.trap');
  const error = await attempt(pool, 'fail');
  expect(error.error).toEqual({ code: 'guest.error', message: 'bad [31mcharge' });
  expect(error.reusable).toBe(true);
  expect((await attempt(pool, 'counter')).text).toBe('1');
});

test('a missing export is the guest’s error and not a crash', async () => {
  expect((await attempt(newPool(), 'absent')).error?.code).toBe('guest.trap');
});

test('log lines are kept up to the limit, then one marker', async () => {
  const run = await attempt(newPool(), 'chatter', { limits: { logLines: 10 } });
  expect(run.text).toBe('done');
  expect(run.logs).toHaveLength(11);
  expect(run.logs[0]).toEqual({ level: 'info', message: 'line 0' });
  expect(run.logs[10]?.message).toContain('truncated');
  expect(run.usage.logLines).toBe(10);
});

test('limits of output, allocations, blocks, host calls and memory hold', async () => {
  const pool = newPool();
  const code = async (name: string, limits: Partial<AttemptLimits>) =>
    (await attempt(pool, name, { limits })).error?.code;
  expect(await code('flood', { outputBytes: 100_000 })).toBe('limit.output');
  expect(await code('allocate', {})).toBe('limit.hostcalls');
  expect(await code('hoard', {})).toBe('limit.memory');
  expect(await code('ask', { allocations: 60_000 })).toBe('limit.hostcalls');
  expect((await attempt(pool, 'churn')).text).toBe('ok');
  expect((await attempt(pool, 'grow')).text).toBe('-1');
});

test('the guest reads only the configuration that it was given', async () => {
  expect((await attempt(newPool(), 'config')).text).toBe('test 0');
});

test('http_request leaves through the broker and comes back with status, headers and body', async () => {
  const pool = newPool();
  const ask = (name: string) => attempt(pool, name, { module: http, input: `${origin}/x` });
  expect((await ask('one')).text).toBe('200 GET answer');
  expect((await ask('two')).calls).toHaveLength(2);
  const posted = await ask('post');
  expect(posted.text).toBe('200 POST answer');
  expect(posted.calls[0]?.bytesOut).toBeGreaterThan('payload'.length);
  expect((await ask('headers')).text).toContain('"x-from":"server"');
});

test('a denied call ends the attempt even if the guest would go on', async () => {
  const run = await attempt(newPool(), 'swallow', { module: http });
  expect(run.error).toEqual({
    code: 'egress.denied',
    message: expect.stringContaining('evil.test'),
  });
  expect(run.calls[0]).toMatchObject({ verdict: 'denied', host: 'evil.test' });
  expect(run.reusable).toBe(false);
});

test('a request too large to leave the cell is denied and recorded, not a trap', async () => {
  const pool = newPool();
  const limits = { egressBytesOut: 1_000, outputBytes: 1_000 };
  const run = async (name: string) => {
    const { error, calls } = await attempt(pool, name, { module: http, input: '6000000', limits });
    return [error?.code, calls.map(({ verdict, layer, host }) => [verdict, layer, host])];
  };
  expect(await run('pour')).toEqual(['limit.egress', [['denied', 'budget', 'a.test']]]);
  expect(await run('lengthy')).toEqual(['egress.denied', [['denied', 'request', 'a.test']]]);
  expect(await run('crowd')).toEqual(['egress.denied', [['denied', 'request', 'a.test']]]);
});

test('a failed connection gives the guest status 0, and the reason is logged', async () => {
  const run = await attempt(newPool(), 'one', { module: http, input: 'http://a.test:1/' });
  expect(run.error?.code).toBe('egress.denied');
  server.closeAllConnections();
  const gone = createServer();
  await new Promise<void>((resolve) => gone.listen(0, '127.0.0.1', resolve));
  const port = (gone.address() as AddressInfo).port;
  await new Promise((resolve) => gone.close(resolve));
  const known = origin;
  origin = `http://a.test:${port}`;
  try {
    const failed = await attempt(newPool(), 'one', { module: http, input: `${origin}/` });
    expect(failed.text).toBe('0 ');
    expect(failed.logs[0]).toMatchObject({
      level: 'error',
      message: expect.stringMatching(/refused/i),
    });
    expect(failed.calls[0]?.verdict).toBe('failed');
  } finally {
    origin = known;
  }
});

test('bytes that the engine refuses are module.invalid, and the pool goes on', async () => {
  const pool = newPool(1);
  const key = { workspace: 'local', moduleDigest: 'broken', memoryMiB: 64 };
  const broken = await pool.acquire(key, Uint8Array.of(0, 1, 2, 3));
  expect(broken).toMatchObject({ ok: false, code: 'module.invalid' });
  expect((await attempt(pool, 'counter')).text).toBe('1');
});

test('attempts beyond the pool’s size wait for a place', async () => {
  const pool = newPool(1);
  const runs = await Promise.all([1, 2, 3].map((n) => attempt(pool, 'echo', { input: String(n) })));
  expect(runs.map(({ text }) => text)).toEqual(['1', '2', '3']);
  expect(pool.counts).toEqual({ spare: 1, idle: 1, busy: 0, waiting: 0 });
});

test('a cell inherits no environment and no descriptor beyond its pipes', async () => {
  const secret = openSync(fileURLToPath(import.meta.url), 'r');
  process.env.PORTARIUM_TEST_SECRET = 'hidden';
  try {
    const pool = newPool(1);
    const { pid } = await attempt(pool, 'counter');
    const variables = readFileSync(`/proc/${pid}/environ`, 'utf8').split('\0');
    const settings = /^(?:BUN_JSC_\w+=\d+|MIMALLOC_\w+=\d+|PWD=\/|)$/;
    expect(variables.filter((variable) => !settings.test(variable))).toEqual([]);
    expect(readlinkSync(`/proc/${pid}/cwd`)).toBe('/');
    const open = readdirSync(`/proc/${pid}/fd`).map((fd) => readlinkSync(`/proc/${pid}/fd/${fd}`));
    expect(open.filter((target) => target.endsWith('.ts'))).toEqual([]);
    const sockets = open.filter((target) => target.startsWith('socket:'));
    expect(new Set(sockets).size).toBeLessThanOrEqual(3);
  } finally {
    closeSync(secret);
    delete process.env.PORTARIUM_TEST_SECRET;
  }
});

test('cells die with a host that is killed, even in an endless loop', async () => {
  const script = fileURLToPath(new URL('../testing/doomed-host.ts', import.meta.url));
  const host = spawn(process.execPath, ['run', script], { stdio: ['pipe', 'pipe', 'inherit'] });
  const said = Promise.withResolvers<string>();
  host.stdout.once('data', (line) => said.resolve(String(line)));
  host.stdin.end(Buffer.from(plain).toString('base64'));
  const pids = JSON.parse(await said.promise) as number[];
  expect(pids.length).toBeGreaterThanOrEqual(2);
  await Bun.sleep(100);
  expect(pids.filter((pid) => existsSync(`/proc/${pid}`))).toEqual(pids);
  host.kill('SIGKILL');
  const until = performance.now() + 3_000;
  while (pids.some((pid) => isRunning(pid)) && performance.now() < until) await Bun.sleep(20);
  expect(pids.filter((pid) => isRunning(pid))).toEqual([]);
});

/** A zombie that nobody has waited for no longer runs. */
function isRunning(pid: number): boolean {
  try {
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'latin1'));
  } catch {
    return false;
  }
}
