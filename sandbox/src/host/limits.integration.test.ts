import { afterAll, beforeAll, expect, test } from 'bun:test';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { admit } from '@portarium/admission/admit';
import { limits as pages, plainModule } from '@portarium/admission/testing/wasm-builder';
import { EgressRuleSchema } from '@portarium/contracts/egress-rule';
import { type AttemptLimits, DEFAULT_LIMITS, MAX_LIMITS } from '@portarium/contracts/limits';
import { ManifestSchema } from '@portarium/contracts/manifest';
import * as v from 'valibot';
import { ownRuntime, type Runtime } from '../isolation/runtime.ts';
import { denoBinary } from '../replay/deno-binary.ts';
import { compileGuest, HTTP_HEAD } from '../testing/assemblyscript.ts';
import { EgressRigs } from '../testing/egress-rig.ts';
import { CellPool } from './cell-pool.ts';
import { CellProcess } from './cell-process.ts';
import { type CellProgram, prepareCellProgram } from './cell-program.ts';
import { runGuest } from './run-guest.ts';

const GUEST = `${HTTP_HEAD}
let count: i32 = 0;
export function spin(): void { while (true) count++; }
export function grow(): void {
  const before = memory.size();
  output(memory.grow(i32(parseInt(input()))) == before ? "grew" : "refused");
}
export function insist(): void { if (memory.grow(i32(parseInt(input()))) < 0) unreachable(); }
export function hoard(): void { while (true) alloc(1 << 20); }
export function flood(): void { const at = alloc(200000); output_set(at, 200000); }
export function chatter(): void {
  for (let i = 0; i < 50; i++) log_info(put("a line of thirty-two characters!"));
  output("done");
}
export function allocate(): void { for (let i = 0; i < 100; i++) alloc(1); output("done"); }
export function ask(): void { const k = put("k"); for (let i = 0; i < 100; i++) config_get(k); output("done"); }
export function call(): void { for (let i = 0; i < 5; i++) request("GET", input()); output("done"); }
export function pour(): void {
  request("POST", input(), '{"content-type":"text/plain"}', "x".repeat(5000));
  output("done");
}
`;

interface Hit {
  readonly export: string;
  /** What the attempt is allowed; with more it ends well. */
  readonly limits: Partial<AttemptLimits>;
  /** `URL` stands for the server that answers. */
  readonly input?: string;
  readonly code?: string;
  readonly output?: string;
  readonly log?: RegExp;
}

const HITS: Readonly<Record<string, Hit>> = {
  wallMs: { export: 'spin', limits: { wallMs: 250 }, code: 'limit.deadline' },
  cpuMs: { export: 'spin', limits: { cpuMs: 60, wallMs: 60_000 }, code: 'limit.cpu' },
  memoryMiB: { export: 'grow', limits: { memoryMiB: 2 }, input: '32', output: 'refused' },
  'memoryMiB, below': { export: 'grow', limits: { memoryMiB: 3 }, input: '32', output: 'grew' },
  'memoryMiB, in blocks': { export: 'hoard', limits: { memoryMiB: 4 }, code: 'limit.memory' },
  outputBytes: { export: 'flood', limits: { outputBytes: 199_999 }, code: 'limit.output' },
  egressCalls: {
    ...{ export: 'call', limits: { egressCalls: 4 }, input: 'URL' },
    code: 'limit.egress',
  },
  egressBytesOut: {
    ...{ export: 'pour', limits: { egressBytesOut: 4_999 }, input: 'URL' },
    code: 'limit.egress',
  },
  egressBytesIn: {
    ...{ export: 'call', limits: { egressBytesIn: 20_000 }, input: 'URL' },
    code: 'limit.egress',
  },
  logLines: {
    export: 'chatter',
    limits: { logLines: 10 },
    output: 'done',
    log: /at most 10 lines/,
  },
  logBytes: { export: 'chatter', limits: { logBytes: 100 }, output: 'done', log: /and 100 bytes/ },
  hostCalls: { export: 'ask', limits: { hostCalls: 99 }, code: 'limit.hostcalls' },
  allocations: { export: 'allocate', limits: { allocations: 99 }, code: 'limit.hostcalls' },
};

const RUNTIMES: readonly Runtime[] = [ownRuntime(), { name: 'deno', executable: denoBinary() }];

let module: Uint8Array;
let server: Server;
let url = '';
const rigs = new EgressRigs();
const programs = new Map<string, CellProgram>();
const pools: CellPool[] = [];

beforeAll(async () => {
  await rigs.start();
  for (const runtime of RUNTIMES) {
    programs.set(runtime.name, await prepareCellProgram(process.env.PATH ?? '', { runtime }));
  }
  const manifest = v.parse(ManifestSchema, {
    ...{ schema: 1, name: 'guest', version: '1.0.0' },
    operations: [{ name: 'run', export: 'spin', effect: 'read' }],
  });
  const admission = await admit(await compileGuest(GUEST), manifest, MAX_LIMITS);
  if (!admission.ok) throw new Error(JSON.stringify(admission.findings));
  module = admission.module;
  server = createServer((request, response) => {
    request.resume().on('end', () => response.end('y'.repeat(5_000)));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  url = `http://a.test:${(server.address() as AddressInfo).port}/`;
}, 60_000);

afterAll(async () => {
  await Promise.all(pools.map((pool) => pool.close()));
  await rigs.stop();
  await Promise.all([...programs.values()].map((program) => program.remove()));
  server.close();
});

function programOf({ name }: Runtime): CellProgram {
  const program = programs.get(name);
  if (!program) throw new Error(`no program for ${name}`);
  return program;
}

/** What a process may have in all, too little for a guest of 512 MiB. */
const DATA_BYTES = { bun: 400_000_000, deno: 650_000_000 };

/** The cell as a bare process that may not have more. */
function poorCell(runtime: Runtime): CellProcess {
  const { name, executable } = runtime;
  const script = programOf(runtime).args.find((arg) => /^\/tmp\/.*\.mjs$/.test(arg)) ?? '';
  const flags =
    name === 'deno' ? ['--no-prompt', '--cached-only', '--no-config', '--ignore-env'] : [];
  return new CellProcess({
    command: 'prlimit',
    args: [`--data=${DATA_BYTES[name]}`, executable, 'run', ...flags, script],
    environment: { PATH: process.env.PATH ?? '', BUN_JSC_useWasmFastMemory: '0' },
  });
}

async function run(cell: CellProcess, hit: Hit) {
  const limits = { ...DEFAULT_LIMITS, ...hit.limits };
  const rule = v.parse(EgressRuleSchema, {
    ...{ id: 'main', methods: ['GET', 'POST'], scheme: 'http', host: 'a.test' },
    ...{ port: Number(new URL(url).port), path: '/**', contentTypes: ['text/plain'] },
  });
  const contract = { plugin: [rule], operator: [rule], networks: ['loopback'], approval: [] };
  const { session } = rigs.attempt({ contract, limits });
  const order = {
    operation: { name: 'run', export: hit.export, effect: 'write', encoding: 'text' } as const,
    input: Buffer.from((hit.input ?? '').replace('URL', url)).toString('base64'),
    ...{ config: {}, limits, seed: '0'.repeat(64), startTime: '2026-01-01T00:00:00.000Z' },
  };
  const { outcome, reusable } = await runGuest(cell, order, session, new AbortController().signal);
  const { output } = outcome;
  const text = output === undefined ? undefined : Buffer.from(output, 'base64').toString();
  return { ...outcome, text, reusable };
}

test('each limit of an attempt but the input’s, which the API holds, is hit here', () => {
  const hit = Object.values(HITS).flatMap(({ limits }) => Object.keys(limits));
  expect(Object.keys(DEFAULT_LIMITS).filter((name) => !hit.includes(name))).toEqual(['inputBytes']);
});

for (const runtime of RUNTIMES) {
  test(`each limit is hit from WebAssembly, and what it cost is known, on ${runtime.name}`, async () => {
    const pool = new CellPool(programOf(runtime), { size: 1, spares: 1 });
    pools.push(pool);
    for (const [name, hit] of Object.entries(HITS)) {
      const { memoryMiB = 64 } = hit.limits;
      const key = { workspace: 'local', moduleDigest: 'limits', memoryMiB };
      const acquired = await pool.acquire(key, module);
      if (!acquired.ok) throw new Error(acquired.message);
      const ended = await run(acquired.cell.process, hit);
      await acquired.cell.release(ended.reusable);
      expect([name, ended.error?.code, ended.text]).toEqual([name, hit.code, hit.output]);
      expect(ended.usage.cpuMs, name).toBeGreaterThan(0);
      expect(ended.usage.memoryBytes, name).toBeGreaterThan(1_000_000);
      if (hit.log) expect(ended.logs?.at(-1)?.message, name).toMatch(hit.log);
    }
  }, 120_000);

  test(`a growth that fails below the limit is the machine’s fault, on ${runtime.name}`, async () => {
    const cell = poorCell(runtime);
    try {
      expect([await cell.ready, cell.lostReason]).toEqual([true, undefined]);
      expect(await cell.bind(module, 512)).toEqual({ ok: true });
      const hit = { export: 'insist', limits: { memoryMiB: 512 }, input: '8000' };
      const ended = await run(cell, hit);
      expect(ended.error).toEqual({
        code: 'host.resource',
        message: expect.stringContaining('memory'),
      });
      expect(ended.reusable).toBe(false);
    } finally {
      await cell.kill();
    }
  }, 30_000);

  test(`a growth that fails at the limit is the guest’s own affair, on ${runtime.name}`, async () => {
    const cell = new CellProcess(programOf(runtime));
    try {
      await cell.ready;
      await cell.bind(module, 16);
      const ended = await run(cell, { export: 'insist', limits: { memoryMiB: 16 }, input: '8000' });
      expect(ended.error?.code).toBe('guest.trap');
    } finally {
      await cell.kill();
    }
  }, 30_000);
}

test('a module that starts with more memory than a workspace allows is refused before it runs', async () => {
  const pool = new CellPool(programOf(ownRuntime()), { size: 1, spares: 1 });
  pools.push(pool);
  const bytes = plainModule({ memories: [pages(32, 64)] });
  const key = { workspace: 'local', moduleDigest: 'large', memoryMiB: 1 };
  expect(await pool.acquire(key, bytes)).toEqual({
    ok: false,
    code: 'limit.memory',
    message: 'the module starts with 2 MiB of memory, at most 1',
  });
});
