/** The activities that the workflow `action` calls; their payloads are ids and short reasons. */
import type { Dispatch } from './internal-api.ts';

export interface SandboxActivities {
  /** One attempt on a sandbox host; retried until the Control Plane says that the action is over. */
  attempt(dispatch: Dispatch): Promise<{ state: string }>;
}

export interface ControlActivities {
  /** Ends an action that Temporal could not bring to an end. */
  giveUp(dispatch: Dispatch, reason: string): Promise<{ state: string }>;
}
