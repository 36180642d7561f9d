import { beforeAll, expect, test } from 'bun:test';
import { verifyBundle } from '@portarium/contracts/verify-bundle';
import type { RunningStack } from './start-stack.ts';
import { descendants } from './testing/descendants.ts';
import { startCounterpart } from './testing/http-counterpart.ts';
import { sharedStack } from './testing/shared-services.ts';
import { exportBundle, pushPlugin, requestAction, untilFinal } from './testing/stack-calls.ts';

const SLOW_MS = 2_500;
const KILL_AFTER_MS = 700;
const FINAL_WITHIN_MS = 90_000;

let stack: RunningStack;
beforeAll(async () => {
  stack = await sharedStack();
}, 120_000);

const TARGETS = {
  PostgreSQL: () => [stack.pidOf('postgres')],
  Temporal: () => [stack.pidOf('temporal')],
  NATS: () => [stack.pidOf('nats')],
  'the Control Plane': () => [stack.pidOf('control')],
  'the sandbox host': () => [stack.pidOf('sandbox')],
  'every cell': () => descendants(stack.pidOf('sandbox') ?? -1),
} as const;

for (const [name, pids] of Object.entries(TARGETS)) {
  test(
    `an action during which ${name} is killed reaches its end, and the evidence verifies`,
    async () => {
      await using counterpart = await startCounterpart();
      const plugin = await pushPlugin(stack, 'plugins/hostile/redirect-follower', {
        scheme: 'http',
        host: '127.0.0.1',
        port: counterpart.port,
      });
      const { id } = await requestAction(stack, plugin, 'fetch', {
        url: `http://127.0.0.1:${counterpart.port}/slow/${SLOW_MS}`,
      });
      const asked = Date.now() + 20_000;
      while (counterpart.asked.length === 0 && Date.now() < asked) await Bun.sleep(50);
      expect(counterpart.asked.length).toBeGreaterThan(0);
      await Bun.sleep(KILL_AFTER_MS);
      const victims = pids().filter((pid) => pid !== undefined);
      expect(victims.length).toBeGreaterThan(0);
      for (const pid of victims) process.kill(pid, 'SIGKILL');
      const action = await untilFinal(stack, id, FINAL_WITHIN_MS);
      expect([action.state, action.error]).toEqual(['succeeded', undefined]);
      expect(action.output).toMatchObject({ status: 200 });
      const { bundle, pin } = await exportBundle(stack);
      const report = await verifyBundle(bundle, { pin });
      expect([report.verdict, report.findings]).toEqual(['verified', []]);
      // The Control Plane serves reads a moment before it calls itself ready.
      const unready = () => stack.status().filter((part) => part.state !== 'ready');
      const back = Date.now() + 15_000;
      while (unready().length > 0 && Date.now() < back) await Bun.sleep(50);
      expect(unready()).toEqual([]);
    },
    FINAL_WITHIN_MS + 60_000,
  );
}
