/** What the launcher tells while parts start, restart and stop. Types only. */

/** Every process of the stack, in the order of dependence. */
export type PartName = 'postgres' | 'temporal' | 'nats' | 'control' | 'sandbox';

/** Steps that report progress without being a process of their own. */
export type StepName =
  | PartName
  | 'stripe-mock'
  | 'vault-server'
  | 'minio'
  | 'migrate'
  | 'bootstrap';

export type ProgressState =
  | 'resolving'
  | 'building'
  | 'starting'
  | 'ready'
  | 'restarting'
  | 'stopping'
  | 'stopped'
  | 'failed';

export interface ProgressEvent {
  readonly part: StepName;
  readonly state: ProgressState;
  /** What is being waited for, or why something failed; one line, for people. */
  readonly detail?: string;
  /** Milliseconds since the step began. */
  readonly ms?: number;
}

export type OnProgress = (event: ProgressEvent) => void;
