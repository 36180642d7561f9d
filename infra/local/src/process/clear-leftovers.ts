/** Ends what a killed supervisor left running. Signals only processes whose start time matches. */
import type { RecordedProcess } from '../stack-file.ts';
import { isAlive, killWithGroup, signalProcess, waitUntilGone } from './process-identity.ts';

/** PostgreSQL gets this long for its fast shutdown before it is killed. */
const GENTLE_MS = 15_000;

/** Resolves with how many processes had to be ended. */
export async function clearLeftovers(recorded: readonly RecordedProcess[]): Promise<number> {
  const alive = recorded.filter((one) => isAlive(one));
  await Promise.all(
    alive.map(async (one) => {
      if (one.part === 'postgres') {
        signalProcess(one, 'SIGINT');
        if (await waitUntilGone(one, GENTLE_MS)) return;
      }
      killWithGroup(one);
      await waitUntilGone(one, GENTLE_MS);
    }),
  );
  return alive.length;
}
