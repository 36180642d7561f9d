/** The journal of an action: one ordered list of egress calls over all its attempts. */
import type { Digest } from '@portarium/contracts/digest';
import type { ActionId, AttemptId } from '@portarium/contracts/ids';
import type { EgressCall } from '@portarium/contracts/internal-api';

export interface JournalRecord {
  /** The attempt that wrote the record; for a call with an intent, the one that intended it first. */
  readonly attempt: AttemptId;
  readonly record: EgressCall;
  /** Whether it was a call that may change something outside. */
  readonly write: boolean;
  /** How a repeated send is made harmless; null when it can not be. */
  readonly keyed: { readonly header: string; readonly until: string } | null;
  /** When its intent was made durable; null for calls without one. */
  readonly intendedAt: string | null;
  /** The last attempt that was let send it. */
  readonly intendedBy: AttemptId | null;
  /** A person said that it did not happen: it may be sent once more, key or not. */
  readonly released: boolean;
}

export interface JournalReads {
  /** All records of the action in the order of their call numbers, from 0 without gaps. */
  listJournal(action: ActionId): Promise<readonly JournalRecord[]>;
  /** A body that a record of the action names by `responseDigest` or `requestBodyDigest`. */
  findBody(action: ActionId, digest: Digest): Promise<Uint8Array | undefined>;
  /** Which bodies of the action are kept, with their sizes in bytes. */
  listBodies(action: ActionId): Promise<ReadonlyMap<Digest, number>>;
}

export interface JournalWrites {
  /** Adds records; the caller has checked on the locked action that they follow the last one. */
  insertRecords(action: ActionId, records: readonly JournalRecord[]): Promise<void>;
  /** Puts an answer in the place of an open record. @returns false when it is not open */
  answerRecord(action: ActionId, record: EgressCall): Promise<boolean>;
  /** Says that an open record is sent once more, by `attempt`; a release is used up by it. */
  resendRecord(action: ActionId, call: number, attempt: AttemptId): Promise<void>;
  /** Lets every open record of the action be sent once more. */
  releaseRecords(action: ActionId): Promise<void>;
  /** Keeps a body until the action is over; storing the same bytes again changes nothing. */
  putBody(action: ActionId, digest: Digest, bytes: Uint8Array): Promise<void>;
  /** Forgets the bodies of an action that is over; they are in its artifacts by then. */
  dropBodies(action: ActionId): Promise<void>;
}
