import { expect, spyOn, test } from 'bun:test';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { DEFAULT_LIMITS } from '@portarium/contracts/limits';
import { CellPool } from './cell-pool.ts';
import { CellProcess, type GuestRun, type RunResult } from './cell-process.ts';
import type { CellProgram } from './cell-program.ts';

/** A process that speaks as a guest would that had broken out of its engine. */
function hostileProgram(script: string): CellProgram {
  const wire = fileURLToPath(new URL('../cell/wire.ts', import.meta.url));
  const source = `
    import { writeSync } from 'node:fs';
    import { encodeFrame } from ${JSON.stringify(wire)};
    let n = 0;
    const say = (head, body) => { const f = encodeFrame(n++, head, body); for (let o = 0; o < f.length;) o += writeSync(1, f, o); };
    /** A message of that type whose last part stands in it again and again, up to a number of bytes. */
    const head = (type, first, again, bytes) => {
      const words = again + (',' + again).repeat(bytes / (again.length + 1));
      const text = new TextEncoder().encode('{"type":"' + type + '",' + first.replace('@', words) + (first.includes('@') ? '' : ',' + words) + '}');
      const f = new Uint8Array(12 + text.length);
      const view = new DataView(f.buffer);
      view.setUint32(0, f.length - 4); view.setUint32(4, n++); view.setUint32(8, text.length);
      f.set(text, 12);
      for (let o = 0; o < f.length;) o += writeSync(1, f, o);
    };
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

/** Threads that do nothing but be there. */
const THREADS = `const { dlopen } = require('bun:ffi');
  const { symbols: c } = dlopen('libc.so.6', {
    pthread_create: { args: ['ptr', 'ptr', 'ptr', 'ptr'], returns: 'i32' },
    pause: { args: [], returns: 'i32' },
  });
  for (let i = 0; i < 300; i++) c.pthread_create(new Uint8Array(8), null, c.pause.ptr, null);
  setInterval(() => undefined, 1_000);`;

const hostile = (script: string) => new CellProcess(hostileProgram(script));

const BOUND =
  "process.stdin.once('data', () => { say({ type: 'bound' }); process.stdin.once('data', act); });";

const RUN: GuestRun = {
  export: 'run',
  input: new Uint8Array(),
  config: {},
  limits: { ...DEFAULT_LIMITS, logLines: 5, outputBytes: 1_000 },
  seed: '0'.repeat(64),
  startTime: '2026-01-01T00:00:00.000Z',
  maxRequestBytes: 1_000,
  onLog: () => undefined,
  onRequest: () => new Promise(() => undefined),
};

async function runHostile(act: string): Promise<RunResult> {
  const cell = hostile(`${BOUND} function act() { ${act} }`);
  expect(await cell.ready).toBe(true);
  expect(await cell.bind(new Uint8Array(8), 64)).toEqual({ ok: true });
  const result = await cell.run(RUN);
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
    'a line of the log in a long head':
      'head(\'log\', \'"level":"info","message":""\', \'"message":""\', 70_000);',
    'error output without an end':
      "const text = 'x'.repeat(1 << 16); for (let i = 0; i < 64; i++) writeSync(2, text);",
  };
  for (const [name, act] of Object.entries(acts)) {
    const result = await runHostile(act);
    expect([name, result]).toEqual([
      name,
      { kind: 'lost', violation: true, reason: expect.stringContaining('broke the protocol') },
    ]);
  }
});

test('a message that is slow to read costs its host a moment, and the cell its life', async () => {
  const request = '"method":"GET","url":"","headers":[@]';
  const acts: Readonly<Record<string, string>> = {
    'four million headers that are none': `head('fetch', '${request}', '0', 4 << 20);`,
    'as many as fit': `head('fetch', '${request}', '0', 500 << 10);`,
    'headers that would do': `head('fetch', '${request}', '["",""]', 500 << 10);`,
  };
  for (const [name, act] of Object.entries(acts)) {
    const before = process.cpuUsage();
    const result = await runHostile(act);
    const { user, system } = process.cpuUsage(before);
    expect([name, result]).toMatchObject([name, { kind: 'lost', violation: true }]);
    expect((user + system) / 1_000).toBeLessThan(400);
  }
}, 60_000);

test('a cell that takes the threads of other cells is ended', async () => {
  const cell = hostile(`${BOUND} function act() { ${THREADS} }`);
  await cell.ready;
  await cell.bind(new Uint8Array(8), 64);
  const watch = setInterval(() => cell.usage(), 20);
  const result = await cell.run(RUN);
  clearInterval(watch);
  expect(result).toMatchObject({ violation: true, reason: expect.stringContaining('threads') });
});

test('page tables count as memory of the cell', async () => {
  // Reads of pages that nobody wrote: all are one page of zeros, each 512 of them with a table of 4 KiB.
  const cell = hostile(`${BOUND} function act() {
    const { dlopen, read } = require('bun:ffi');
    const { symbols: c } = dlopen('libc.so.6', {
      mmap: { args: ['ptr', 'u64', 'i32', 'i32', 'i32', 'i64'], returns: 'ptr' },
    });
    const at = c.mmap(null, 1n << 37n, 1, 0x4022, -1, 0n);
    for (let i = 0; i < 1 << 16; i++) read.u8(at + i * (1 << 21));
    say({ type: 'result', hostCalls: 0 });
    setInterval(() => undefined, 1_000);
  }`);
  try {
    await cell.ready;
    await cell.bind(new Uint8Array(8), 64);
    const before = cell.usage().residentBytes;
    expect(await cell.run(RUN)).toMatchObject({ kind: 'output' });
    expect(cell.usage().residentBytes - before).toBeGreaterThan(200 << 20);
    expect(cell.takeUsage().peakBytes).toBeGreaterThan(200 << 20);
  } finally {
    await cell.kill();
  }
}, 60_000);

test('a cell that ends between a look at it and a signal is no failure of its host', async () => {
  // The kernel answers so when what stands around the cell has just reaped it.
  const kill = spyOn(process, 'kill').mockImplementation(() => {
    throw Object.assign(new Error('kill ESRCH'), { code: 'ESRCH' });
  });
  const { command, args } = hostileProgram('');
  const shell = { command: '/bin/sh', args: ['-c', '"$@"; exit', 'sh', command, ...args] };
  const confirm = (pid: number) => {
    const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'latin1');
    return { ok: true, pid: Number(children.trim()) } as const;
  };
  const cell = new CellProcess({ ...shell, confirm });
  let inner = 0;
  try {
    expect(await cell.ready).toBe(true);
    inner = cell.pid;
    await cell.kill();
    expect(cell.alive).toBe(false);
  } finally {
    kill.mockRestore();
    if (inner > 0) process.kill(inner, 'SIGKILL');
  }
});

const within = (ms: number, end: Promise<unknown>): Promise<boolean> =>
  Promise.race([
    end.then(() => true),
    new Promise<boolean>((resolve) => setTimeout(resolve, ms, false)),
  ]);

for (const [what, act] of [
  ['computes', 'for (;;);'],
  ['takes memory', 'globalThis.kept = Buffer.alloc(700 << 20, 1);'],
] as const) {
  test(`a cell that ${what} between attempts is ended`, async () => {
    const program = hostileProgram(`process.stdin.once('data', () => {
      say({ type: 'bound' });
      process.stdin.once('data', () => {
        say({ type: 'result', hostCalls: 0 });
        setTimeout(() => { ${act} }, 100);
      });
    });`);
    const pool = new CellPool(program, { size: 1, spares: 1, idleCpuMs: 300 });
    try {
      const key = { workspace: 'local', moduleDigest: 'restless', memoryMiB: 64 };
      const acquired = await pool.acquire(key, new Uint8Array(8));
      if (!acquired.ok) throw new Error(acquired.message);
      const { process: cell } = acquired.cell;
      expect(await cell.run(RUN)).toMatchObject({ kind: 'output' });
      await acquired.cell.release(true);
      expect(pool.counts).toMatchObject({ idle: 1, busy: 0 });
      expect(await within(15_000, cell.ended)).toBe(true);
      expect(pool.counts).toMatchObject({ idle: 0, busy: 0 });
    } finally {
      await pool.close();
    }
  }, 30_000);
}

test('a host that stops does not wait for a cell that compiles', async () => {
  const pool = new CellPool(hostileProgram(''), { size: 1, spares: 1 });
  try {
    const entered = await pool.enter('local');
    if (!entered.ok) throw new Error(entered.message);
    const stop = new AbortController();
    setTimeout(() => stop.abort(), 200);
    const started = performance.now();
    const key = { moduleDigest: 'silent', memoryMiB: 64 };
    const acquired = await entered.place.cell(key, new Uint8Array(8), stop.signal);
    expect(acquired).toMatchObject({ ok: false, code: 'host.resource' });
    expect(performance.now() - started).toBeLessThan(5_000);
    expect(pool.counts).toMatchObject({ busy: 0, waiting: 0 });
  } finally {
    await pool.close();
  }
}, 30_000);

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
    const key = { workspace: 'local', moduleDigest: 'balloon', memoryMiB: 64 };
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
    say({ type: 'bound' });
    await new Promise((run) => process.stdin.once('data', run));
    let big = Buffer.alloc(300 << 20, 1);
    big = undefined;
    Bun.gc(true);
    while (process.memoryUsage().rss > 200 << 20) { await Bun.sleep(20); Bun.gc(true); }
    say({ type: 'result', hostCalls: 0 });
    setInterval(() => undefined, 1_000);
  });`);
  try {
    await cell.ready;
    await cell.bind(new Uint8Array(8), 64);
    await cell.run(RUN);
    expect(cell.takeUsage().peakBytes).toBeGreaterThan(300 << 20);
    expect(cell.usage().peakBytes).toBeLessThan(250 << 20);
    expect(cell.usage().peakBytes).toBeGreaterThan(10 << 20);
  } finally {
    await cell.kill();
  }
});
