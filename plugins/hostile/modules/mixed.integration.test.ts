import { expect, test } from 'bun:test';
import { join } from 'node:path';
import { runCount } from '@portarium/contracts/testing/run-count';
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
