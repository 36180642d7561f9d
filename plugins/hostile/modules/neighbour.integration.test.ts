import { expect, test } from 'bun:test';
import { join } from 'node:path';
import type { NeighbourReport } from './world/neighbour-run.ts';

/** A figure of time: on a machine that does something else meanwhile it says nothing. */
const FULL = process.env.PORTARIUM_TEST_FULL === '1';
/** Below this, a multiple of a quiet value is noise of the kernel's own clock ticks. */
const LEAST_MS = 1;

for (const runtime of ['bun', 'deno'] as const) {
  test.skipIf(!FULL)(
    `a well-behaved neighbour’s p99 beside hostile attempts stays within three times its quiet value, in cells of ${runtime}`,
    async () => {
      const script = join(import.meta.dirname, 'world', 'neighbour-run.ts');
      const host = Bun.spawn([process.execPath, script, runtime], {
        ...{ stdin: 'ignore', stdout: 'pipe', stderr: 'inherit' },
      });
      const text = await new Response(host.stdout).text();
      expect(await host.exited).toBe(0);
      console.log(`a neighbour in cells of ${runtime}: ${text.trim()}`);
      const { quiet, attacked, attacks } = JSON.parse(text) as NeighbourReport;
      expect(attacks).toBeGreaterThan(20);
      expect(attacked.p99Ms).toBeLessThan(3 * Math.max(quiet.p99Ms, LEAST_MS));
    },
    600_000,
  );
}
