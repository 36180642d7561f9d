/** What a bundle says of one attempt: everything that a replay needs, and what it is compared with. */
import type { ActionOrder } from '@portarium/contracts/action-order';
import type { Digest } from '@portarium/contracts/digest';
import type { AttemptErrorCode } from '@portarium/contracts/errors';
import type { JournalArtifactRecord } from '@portarium/contracts/journal-artifact';

export interface AttemptName {
  readonly action: string;
  readonly attempt: string;
  /** 1 for the action's first attempt. */
  readonly number: number;
}

export interface RecordedAttempt extends AttemptName {
  /** `succeeded`, `lost` or the code of the attempt's error. */
  readonly verdict: string;
  readonly outputDigest: Digest | undefined;
  readonly order: ActionOrder;
  /** The rewritten bytes that ran. */
  readonly module: Uint8Array;
  readonly input: Uint8Array;
  /** The records that this attempt made or was answered from, call 0 first. */
  readonly records: readonly JournalArtifactRecord[];
  /** Bodies of responses, by digest; those that an export left out are missing. */
  readonly bodies: ReadonlyMap<string, Uint8Array>;
}

/**
 * Verdicts that a module, its input and the journal decide alone. Of every other only the calls are
 * compared: the machine, the clock on the wall or a person had a part in it.
 */
const DETERMINISTIC: ReadonlySet<string> = new Set([
  'succeeded',
  'guest.trap',
  'guest.error',
  'limit.output',
  'limit.hostcalls',
  'limit.egress',
  'limit.rate',
  'egress.denied',
  'output.invalid',
  'journal.diverged',
] satisfies ('succeeded' | AttemptErrorCode)[]);

export function isDeterministic(verdict: string): boolean {
  return DETERMINISTIC.has(verdict);
}
