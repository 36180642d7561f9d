/** The activities that workflows call; their payloads are ids and short reasons. */
import type { CandidateDispatch, Dispatch } from './internal-api.ts';

export interface SandboxActivities {
  /** One attempt on a sandbox host; retried until the Control Plane says that the action is over. */
  attempt(dispatch: Dispatch): Promise<{ state: string }>;
  /** Tries a module that was uploaded; the Control Plane hears of it by itself. */
  admit(dispatch: CandidateDispatch): Promise<{ end: string }>;
}

/** What the Control Plane tells a workflow to do. */
export type Look =
  /** Make an attempt. */
  | { readonly next: 'run'; readonly state: string }
  /** Nothing is left to do. */
  | { readonly next: 'over'; readonly state: string }
  /** Wait to be woken, and look again after that time at the latest. */
  | { readonly next: 'wait'; readonly state: string; readonly afterMs?: number };

export interface ControlActivities {
  /** Where the action stands; what is out of time is ended by it. */
  look(dispatch: Dispatch): Promise<Look>;
}
