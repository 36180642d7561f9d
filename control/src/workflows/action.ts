/**
 * The workflow of one action. Deterministic and tiny: it carries ids, waits and retries; what is
 * decided is decided at the Control Plane, in PostgreSQL.
 */
import type { ControlActivities, SandboxActivities } from '@portarium/contracts/activities';
import type { Dispatch } from '@portarium/contracts/internal-api';
import { ActivityFailure, proxyActivities, rootCause } from '@temporalio/workflow';

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

const { giveUp } = proxyActivities<ControlActivities>({
  startToCloseTimeout: '30 seconds',
  retry: { initialInterval: '1 second', backoffCoefficient: 2, maximumInterval: '1 minute' },
});

/** @returns the action's final state */
export async function action(dispatch: Dispatch): Promise<string> {
  try {
    return (await attempt(dispatch)).state;
  } catch (error) {
    if (!(error instanceof ActivityFailure)) throw error;
    const reason = rootCause(error) ?? error.message;
    return (await giveUp(dispatch, reason)).state;
  }
}
