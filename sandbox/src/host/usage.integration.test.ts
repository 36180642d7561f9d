import { expect, test } from 'bun:test';
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { DEFAULT_LIMITS } from '@portarium/contracts/limits';
import { denoBinary } from '../replay/deno-binary.ts';
import { CellProcess } from './cell-process.ts';
import { type GuestEgress, runGuest } from './run-guest.ts';

/** Milliseconds of CPU that a guest of these tests burns before anything happens to it. */
const BURNED_MS = 30;
/** The kernel and the process do not count alike to the millisecond. */
const LEAST_MS = 0.8 * BURNED_MS;

/** As a host is started on Deno. */
const DENO_FLAGS = [
  ...['run', '--quiet', '--no-prompt', '--no-remote', '--no-lock', '--node-modules-dir=manual'],
  '--allow-all',
];

const EGRESS: GuestEgress = {
  request: () => new Promise(() => undefined),
  close: async () => undefined,
  ...{ count: 0, bytesOut: 0, bytesIn: 0, unreplayed: 0, refusal: undefined },
};

/** A process that speaks as a cell would whose guest has broken out, burns CPU, and then does `act`. */
function scriptThat(act: string, burnedMs = BURNED_MS): string {
  const wire = fileURLToPath(new URL('../cell/wire.ts', import.meta.url));
  return `
    import { writeSync } from 'node:fs';
    import { encodeFrame } from ${JSON.stringify(wire)};
    let n = 0;
    const say = (head) => writeSync(1, encodeFrame(n++, head));
    process.stdin.resume();
    say({ type: 'ready' });
    process.stdin.once('data', () => {
      say({ type: 'bound' });
      process.stdin.once('data', async () => {
        const from = process.cpuUsage();
        const burned = () => { const { user, system } = process.cpuUsage(from); return user + system; };
        while (burned() < ${burnedMs * 1_000}) {}
        ${act}
      });
    });`;
}

async function cellThat(act: string): Promise<CellProcess> {
  const cell = new CellProcess({ command: process.execPath, args: ['-e', scriptThat(act)] });
  expect(await cell.ready).toBe(true);
  expect(await cell.bind(new Uint8Array(8), 64)).toEqual({ ok: true });
  return cell;
}

function block(ms: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
}

async function usageOf(act: string, limits: Partial<typeof DEFAULT_LIMITS> = {}, busyMs = 0) {
  const cell = await cellThat(act);
  const order = {
    operation: { name: 'run', export: 'run', effect: 'write', encoding: 'text' } as const,
    limits: { ...DEFAULT_LIMITS, ...limits },
    ...{ input: '', config: {}, seed: '0'.repeat(64), startTime: '2026-01-01T00:00:00.000Z' },
  };
  try {
    const running = runGuest(cell, order, EGRESS, new AbortController().signal);
    if (busyMs > 0) setImmediate(() => block(busyMs));
    const { outcome } = await running;
    return { ...outcome.usage, code: outcome.error?.code };
  } finally {
    await cell.kill();
  }
}

const ENDS: Readonly<Record<string, readonly [act: string, code: string, limits?: object]>> = {
  'at its deadline': ['for (;;);', 'limit.deadline', { wallMs: 1_500 }],
  'for its CPU': ['for (;;);', 'limit.cpu', { cpuMs: 100 }],
  'for its memory': [
    'globalThis.kept = []; for (;;) kept.push(Buffer.alloc(64 << 20, 1));',
    'limit.memory',
  ],
  'after a trap that the cell tells of': [
    "say({ type: 'result', hostCalls: 0, error: { code: 'guest.trap', message: 'x' } });",
    'guest.trap',
  ],
  'for breaking the protocol': ["say({ type: 'ready' });", 'guest.trap'],
  'by an exit of its own': ['process.exit(0);', 'host.lost'],
  'by a signal from elsewhere, as the kernel sends it when memory runs out': [
    "globalThis.kept = Buffer.alloc(300 << 20, 1); process.kill(process.pid, 'SIGKILL');",
    'host.lost',
  ],
  'by a crash': ['process.abort();', 'host.lost'],
};

for (const [how, [act, code, limits]] of Object.entries(ENDS)) {
  test(`what an attempt used is known when its process ends ${how}`, async () => {
    const used = await usageOf(act, limits);
    expect(used.code).toBe(code);
    expect(used.cpuMs).toBeGreaterThanOrEqual(LEAST_MS);
    expect(used.cpuMs).toBeLessThan(10_000);
    expect(used.memoryBytes).toBeGreaterThan(10 << 20);
    if (act.includes('300 <<')) expect(used.memoryBytes).toBeGreaterThan(250 << 20);
  }, 30_000);
}

test('what an attempt used is known, also when nobody looked in between', async () => {
  // The host is busy with something else from the guest's first instruction to its end.
  const used = await usageOf('process.exit(0);', {}, 1_000);
  expect(used.cpuMs).toBeGreaterThanOrEqual(LEAST_MS);
});

/** Its runtime does not pass on what the kernel says of a process that has ended. */
for (const [how, busyMs] of [
  ['looks every 50 ms', 0],
  ['is kept from looking', 500],
] as const) {
  test(`a host on Deno that ${how} takes a cell that ended by itself to have used no less than it did`, () => {
    const burnedMs = 200;
    const host = fileURLToPath(new URL('../testing/usage-on-host.ts', import.meta.url));
    const words = [process.execPath, scriptThat('process.exit(3);', burnedMs), String(busyMs)];
    const { stdout, stderr } = spawnSync(denoBinary(), [...DENO_FLAGS, host, ...words], {
      encoding: 'utf8',
    });
    expect(stderr).toBe('');
    const used = JSON.parse(stdout) as { cpuMs: number; wallMs: number; code: string };
    expect(used.code).toBe('host.lost');
    expect(used.cpuMs).toBeGreaterThanOrEqual(0.8 * burnedMs);
    // An estimate from above, and never more than the time that passed.
    expect(used.cpuMs).toBeLessThan(used.wallMs + 50);
  }, 30_000);
}

test('an attempt does not pay for the one before it in the same process', async () => {
  const cell = await cellThat('say({ type: "result", hostCalls: 0 });');
  try {
    expect(cell.usage().cpuMs).toBeLessThan(BURNED_MS);
    const order = {
      operation: { name: 'run', export: 'run', effect: 'write', encoding: 'text' } as const,
      limits: DEFAULT_LIMITS,
      ...{ input: '', config: {}, seed: '0'.repeat(64), startTime: '2026-01-01T00:00:00.000Z' },
    };
    const { outcome } = await runGuest(cell, order, EGRESS, new AbortController().signal);
    expect(outcome.usage.cpuMs).toBeGreaterThanOrEqual(LEAST_MS);
    expect(cell.usage().cpuMs).toBeLessThan(BURNED_MS);
  } finally {
    await cell.kill();
  }
});
