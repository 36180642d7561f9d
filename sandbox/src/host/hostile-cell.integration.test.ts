import { expect, test } from 'bun:test';
import { fileURLToPath } from 'node:url';
import { DEFAULT_LIMITS } from '@portarium/contracts/limits';
import { CellPool } from './cell-pool.ts';
import { CellProcess, type RunResult } from './cell-process.ts';
import type { CellProgram } from './cell-program.ts';

/** A process that speaks as a guest would that had broken out of its engine. */
function hostileProgram(script: string): CellProgram {
  const wire = fileURLToPath(new URL('../cell/wire.ts', import.meta.url));
  const source = `
    import { writeSync } from 'node:fs';
    import { encodeFrame } from ${JSON.stringify(wire)};
    let n = 0;
    const say = (head, body) => { const f = encodeFrame(n++, head, body); for (let o = 0; o < f.length;) o += writeSync(1, f, o); };
    process.stdin.resume();
    say({ type: 'ready' });
    ${script}`;
  return {
    command: process.execPath,
    args: ['-e', source],
    diesWithHost: false,
    isolation: 'process',
    missing: {},
    remove: async () => undefined,
  };
}

const hostile = (script: string) => new CellProcess(hostileProgram(script));

const BOUND =
  "process.stdin.once('data', () => { say({ type: 'bound' }); process.stdin.once('data', act); });";

async function runHostile(act: string): Promise<RunResult> {
  const cell = hostile(`${BOUND} function act() { ${act} }`);
  expect(await cell.ready).toBe(true);
  expect(await cell.bind(new Uint8Array(8))).toEqual({ ok: true });
  const result = await cell.run({
    export: 'run',
    input: new Uint8Array(),
    config: {},
    limits: { ...DEFAULT_LIMITS, logLines: 5, outputBytes: 1_000 },
    seed: '0'.repeat(64),
    startTime: '2026-01-01T00:00:00.000Z',
    maxRequestBytes: 1_000,
    onLog: () => undefined,
    onRequest: () => new Promise(() => undefined),
  });
  await cell.ended;
  return result;
}

test('a cell that breaks the protocol while it runs is killed', async () => {
  const acts: Readonly<Record<string, string>> = {
    garbage: "writeSync(1, 'HTTP/1.1 200 OK\\r\\n\\r\\n');",
    'a skipped number': "n++; say({ type: 'result', hostCalls: 0 });",
    'an unknown message': "say({ type: 'grant' });",
    'an unknown field': "say({ type: 'result', hostCalls: 0, verdict: 'succeeded' });",
    'a code that is not a cell’s to give':
      "say({ type: 'result', hostCalls: 0, error: { code: 'host.lost', message: '' } });",
    'a second ready': "say({ type: 'ready' });",
    'endless log lines':
      "for (let i = 0; i < 100; i++) say({ type: 'log', level: 'info', message: '' });",
    'two requests at once':
      "for (let i = 0; i < 2; i++) say({ type: 'fetch', method: 'GET', url: 'x', headers: [] });",
    'a huge frame': 'writeSync(1, Uint8Array.of(0xff, 0xff, 0xff, 0xff));',
  };
  for (const [name, act] of Object.entries(acts)) {
    const result = await runHostile(act);
    expect([name, result]).toEqual([
      name,
      { kind: 'lost', violation: true, reason: expect.stringContaining('broke the protocol') },
    ]);
  }
});

test('a cell that dies is lost without a violation', async () => {
  expect(await runHostile('process.exit(3);')).toEqual({
    kind: 'lost',
    violation: false,
    reason: expect.stringContaining('code 3'),
  });
});

test('a cell that speaks before it is asked is killed', async () => {
  const cell = hostile("say({ type: 'result', hostCalls: 0 });");
  await cell.ready;
  await cell.ended;
  expect(cell.lostReason).toContain('broke the protocol');
});

test('a program that can not be started says so', async () => {
  const cell = new CellProcess({ command: '/nonexistent', args: [] });
  expect(await cell.ready).toBe(false);
  expect(cell.lostReason).toContain('can not be started');
});

test('a module that takes too much memory to compile is refused, and its cell is killed', async () => {
  const program = hostileProgram(`process.stdin.once('data', () => {
    globalThis.kept = [];
    setInterval(() => kept.push(Buffer.alloc(32 << 20, 1)), 20);
  });`);
  const pool = new CellPool(program, { size: 1, spares: 1, bindBytes: 256 << 20 });
  const started = performance.now();
  try {
    const key = { workspace: 'local', moduleDigest: 'balloon' };
    expect(await pool.acquire(key, new Uint8Array(8))).toEqual({
      ok: false,
      code: 'module.invalid',
      message: expect.stringContaining('of memory'),
    });
    expect(performance.now() - started).toBeLessThan(5_000);
  } finally {
    await pool.close();
  }
});

test('the peak of a cell that is used again counts from the start of the attempt', async () => {
  const cell = hostile(`process.stdin.once('data', async () => {
    let big = Buffer.alloc(300 << 20, 1);
    big = undefined;
    Bun.gc(true);
    while (process.memoryUsage().rss > 200 << 20) { await Bun.sleep(20); Bun.gc(true); }
    say({ type: 'bound' });
    setInterval(() => undefined, 1_000);
  });`);
  try {
    await cell.ready;
    await cell.bind(new Uint8Array(8));
    expect(cell.usage()?.peakBytes).toBeGreaterThan(300 << 20);
    cell.restartPeak();
    expect(cell.usage()?.peakBytes).toBeLessThan(250 << 20);
    expect(cell.usage()?.peakBytes).toBeGreaterThan(10 << 20);
  } finally {
    await cell.kill();
  }
});
