import { expect, test } from 'bun:test';
import { join } from 'node:path';
import { createPlugin } from '@extism/extism';
import { runCount } from '@portarium/contracts/testing/run-count';
import { moduleOf } from './corpus.ts';
import { CANARY, inputOf, markerOf } from './world/canary.ts';
import { healthProblems } from './world/health-watch.ts';
import type { MixedReport } from './world/mixed-run.ts';

const ATTEMPTS = runCount(100, 10_000);
const TIMEOUT_MS = runCount(120_000, 3_600_000);
/** What a host may keep of thousands of attempts: compiled code, and what a collector leaves lying. */
const GROWTH_MIB = 64;

async function mixedRun(runtime: 'bun' | 'deno'): Promise<MixedReport> {
  const script = join(import.meta.dirname, 'world', 'mixed-run.ts');
  const host = Bun.spawn([process.execPath, script, String(ATTEMPTS), runtime], {
    ...{ stdin: 'ignore', stdout: 'pipe', stderr: 'inherit' },
  });
  const text = await new Response(host.stdout).text();
  expect(await host.exited).toBe(0);
  console.log(`mixed attempts in cells of ${runtime}: ${text.trim()}`);
  return JSON.parse(text) as MixedReport;
}

test('the guest of these attempts sees what was left, where an instance is used again', async () => {
  const whole = CANARY.module as string;
  expect(await twice(whole)).toEqual([markerOf(1), 'trap']);
  // One place at a time: the others are not looked at.
  const taken = '(memory.init $once (i32.const 0) (i32.const 0) (i32.const 1))';
  const places = {
    memory: '(call $inMemory)',
    table: '(call $inTable)',
    globals: '(i64.or (global.get $first) (global.get $second))',
    variables: '(call $var_get (call $key))',
  };
  for (const [place, look] of Object.entries(places)) {
    const others = Object.values(places).filter((other) => other !== look);
    const only = others.reduce((text, other) => text.replace(other, '(i64.const 0)'), whole);
    expect(only).toContain(look);
    expect([place, ...(await twice(only.replace(taken, '')))]).toEqual([
      ...[place, markerOf(1), 'won!'],
    ]);
  }
});

/** What a guest says in two calls of one instance of Extism alone. */
async function twice(text: string): Promise<string[]> {
  const data = await moduleOf({ module: text });
  const plugin = await createPlugin({ wasm: [{ data }] }, { useWasi: false });
  const said: string[] = [];
  for (const attempt of [1, 2]) {
    const output = plugin.call('run', inputOf(attempt, 'o'));
    said.push(await output.then((bytes) => bytes?.string() ?? '').catch(() => 'trap'));
  }
  return said;
}

for (const runtime of ['bun', 'deno'] as const) {
  test(
    `good and hostile attempts, mixed at full concurrency in cells of ${runtime}, leave nothing in the host and nothing to each other`,
    async () => {
      const report = await mixedRun(runtime);
      expect(report.attempts).toBe(ATTEMPTS);
      expect(report.hostile).toBeGreaterThanOrEqual(ATTEMPTS / 5);
      // Verdicts, and markers that one attempt left and another one saw.
      expect(report.problems).toEqual([]);
      // Cells of two workspaces, or of two modules; those that served many attempts prove it.
      expect(report.shared).toEqual([]);
      expect(report.mostOfOneCell).toBeGreaterThan(3);
      expect(report.after.processes).toBe(report.before.processes);
      expect(report.after.descriptors).toBe(report.before.descriptors);
      expect(report.after.residentMiB - report.before.residentMiB).toBeLessThan(GROWTH_MIB);
      // Places, spares, and cells that end while others start.
      expect(report.mostProcesses).toBeLessThan(40);
      expect(healthProblems(report.health)).toEqual([]);
    },
    TIMEOUT_MS,
  );
}
