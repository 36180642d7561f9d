/**
 * The workflow of one upload: has its module tried once by some sandbox host. What came of it the host
 * tells the Control Plane; nothing that passes here is believed.
 */
import type { SandboxActivities } from '@portarium/contracts/activities';
import type { CandidateDispatch } from '@portarium/contracts/internal-api';
import { proxyActivities } from '@temporalio/workflow';

const { admit } = proxyActivities<Pick<SandboxActivities, 'admit'>>({
  taskQueue: 'sandbox.default',
  // The upload waits no longer; a host that is lost is replaced when its heartbeats stop.
  scheduleToCloseTimeout: '30 seconds',
  startToCloseTimeout: '30 seconds',
  heartbeatTimeout: '5 seconds',
  retry: { initialInterval: '250 milliseconds', maximumInterval: '2 seconds' },
});

export async function admission(dispatch: CandidateDispatch): Promise<string> {
  return (await admit(dispatch)).end;
}
