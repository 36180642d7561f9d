/**
 * The workflow of one action. Deterministic and tiny: it carries ids, waits and retries; what is
 * decided is decided at the Control Plane, in PostgreSQL. Nothing that reaches it has authority: an
 * update wakes it, an activity's answer makes it look.
 */
import type { ControlActivities, SandboxActivities } from '@portarium/contracts/activities';
import type { Dispatch } from '@portarium/contracts/internal-api';
import {
  ActivityFailure,
  condition,
  defineUpdate,
  isCancellation,
  proxyActivities,
  setHandler,
  sleep,
} from '@temporalio/workflow';

const { attempt } = proxyActivities<SandboxActivities>({
  taskQueue: 'sandbox.default',
  // An attempt may run for 15 minutes and wait for the lease of the one before.
  startToCloseTimeout: '20 minutes',
  scheduleToCloseTimeout: '24 hours',
  heartbeatTimeout: '5 seconds',
  // The Control Plane counts the attempts and ends the action; this only paces the claims.
  retry: {
    initialInterval: '250 milliseconds',
    backoffCoefficient: 2,
    maximumInterval: '10 seconds',
  },
});

const { look } = proxyActivities<ControlActivities>({
  startToCloseTimeout: '30 seconds',
  retry: { initialInterval: '1 second', backoffCoefficient: 2, maximumInterval: '1 minute' },
});

/** Something about the action was committed. Carries nothing. */
export const wake = defineUpdate('wake');

const FIRST_PAUSE_MS = 1_000;
const LONGEST_PAUSE_MS = 5 * 60_000;

/**
 * @param waits whether to look before the first attempt
 * @returns the action's final state
 */
export async function action(dispatch: Dispatch, waits = false): Promise<string> {
  let wakes = 0;
  setHandler(wake, () => {
    wakes += 1;
  });
  let pauseMs = FIRST_PAUSE_MS;
  for (let looking = waits; ; looking = true) {
    while (looking) {
      const seen = wakes;
      const found = await look(dispatch);
      if (found.next === 'over') return found.state;
      if (found.next === 'run') break;
      const woken = () => wakes > seen;
      await (found.afterMs === undefined ? condition(woken) : condition(woken, found.afterMs));
    }
    try {
      const { state } = await attempt(dispatch);
      if (state !== 'outcome-unknown' && !state.startsWith('waiting-')) return state;
    } catch (error) {
      // What Temporal says of an activity is not believed: the Control Plane ends the action, or not.
      if (isCancellation(error) || !(error instanceof ActivityFailure)) throw error;
      await sleep(pauseMs);
      pauseMs = Math.min(2 * pauseMs, LONGEST_PAUSE_MS);
    }
  }
}
