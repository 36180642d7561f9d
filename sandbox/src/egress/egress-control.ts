/** What the broker needs of the Control Plane: leave for a call, and bodies of earlier attempts. */
import type { AttemptErrorCode } from '@portarium/contracts/errors';
import type { Intent } from '@portarium/contracts/internal-api';
import type { Leave } from './credential.ts';

/** An intent without the records before it, which whoever asks adds; with its body as bytes. */
export type CallIntent = Omit<Intent, 'calls' | 'bodies'> & { readonly body: Uint8Array };

/** The attempt can not go on: `host.lost` when it is no longer its turn, `host.resource` otherwise. */
export interface Stopped {
  readonly kind: 'stopped';
  readonly code: 'host.lost' | 'host.resource';
  readonly message: string;
}

export type IntentAnswer =
  /** The record is durable. `askedAt`, on `performance.now()`, is before the host asked for this leave. */
  | { readonly kind: 'send'; readonly askedAt: number; readonly leave: Leave }
  /** Nothing may leave, and the attempt ends with `code`. */
  | {
      readonly kind: 'refused';
      readonly code: AttemptErrorCode;
      readonly message: string;
      /** What refused the call, when it was the call that was refused. */
      readonly layer: string | undefined;
    }
  | Stopped;

export type BodyAnswer = { readonly kind: 'body'; readonly bytes: Uint8Array } | Stopped;

/** How long the guest can wait for leave. */
export interface IntentTimes {
  readonly signal: AbortSignal;
  /** On `performance.now()`: when the guest's time is over. */
  readonly endsBy: number;
}

/** Neither ever rejects; both come back soon after `signal` aborts. */
export interface EgressControl {
  /**
   * Asks until there is an answer or the lease is gone, and again when a rate gives leave before the
   * guest's time is over. Every record before is durable after `send`.
   */
  intend(intent: CallIntent, times: IntentTimes): Promise<IntentAnswer>;
  /** The bytes behind a `responseDigest` of an earlier attempt, as they came. */
  body(digest: string, signal: AbortSignal): Promise<BodyAnswer>;
}
