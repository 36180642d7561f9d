/** Tenant data of one workspace, and the only way to it. */

import type { Digest } from '@portarium/contracts/digest';
import type { Actor, Artifact, EntryType } from '@portarium/contracts/evidence-entry';
import type { ActionId, AttemptId, KeyId, WorkspaceId } from '@portarium/contracts/ids';
import type { Usage } from '@portarium/contracts/internal-api';
import type { ActionState } from '@portarium/contracts/life-cycle';
import type { KeyRole } from '../../domain/permissions.ts';
import type { ApprovalReads, ApprovalWrites } from './approval-store.ts';
import type { CandidateReads, CandidateWrites } from './candidate-store.ts';
import type { CredentialReads, CredentialWrites } from './credential-store.ts';
import type { KeyRecord, WorkspaceRecord } from './directory.ts';
import type { JournalReads, JournalWrites } from './journal-store.ts';
import type { KeepReads, KeepWrites } from './keep-store.ts';
import type { LimitReads, LimitWrites } from './limit-store.ts';
import type { LogReads, LogWrites } from './log-store.ts';
import type { MigrationReads, MigrationWrites } from './migration-journal.ts';
import type { PluginApprovalReads, PluginApprovalWrites } from './plugin-approval-store.ts';
import type { RateWrites } from './rate-store.ts';
import type {
  ActionRecord,
  AttemptError,
  AttemptRecord,
  CurrentVersion,
  EgressGrantRecord,
  LogEntryRecord,
  PluginRecord,
  PolicyRecord,
} from './records.ts';
import type { RegulationReads, RegulationWrites } from './regulation-store.ts';
import type { VersionReads, VersionWrites } from './version-store.ts';
import type { WatchReads, WatchWrites } from './watch-store.ts';

export interface WorkspaceStore {
  /** Runs `query` in a read-only transaction bound to `workspace`. Sees committed state only. */
  read<T>(workspace: WorkspaceId, query: (tx: ReadTransaction) => Promise<T>): Promise<T>;

  /**
   * Runs `unit` and commits its rows, its evidence entries and their events together, or none of
   * them. Resolves after the commit is durable. Entries get gapless sequence numbers in commit order.
   * `unit` may run again after a deadlock or serialisation failure: it touches nothing but `tx`.
   * Rejects with `InfraError` (retryable) when the database is away, with the unit's own error otherwise.
   */
  submit<T>(workspace: WorkspaceId, unit: (tx: WriteTransaction) => Promise<T>): Promise<T>;
}

/** A failure of something below us; says whether trying again may help. */
export class InfraError extends Error {
  override readonly name = 'InfraError';
  readonly retryable: boolean;
  constructor(message: string, options: { retryable: boolean; cause?: unknown }) {
    super(message, { cause: options.cause });
    this.retryable = options.retryable;
  }
}

/**
 * The log of a workspace contradicts its checkpoint in the evidence store and takes no entry: no write that
 * leaves evidence can be made. Trying again does not help; an administrator has to look.
 */
export class LogFrozenError extends Error {
  override readonly name = 'LogFrozenError';
}

export interface Page {
  readonly limit: number;
  /** Only rows below this id, newest first. */
  readonly before?: string;
}

export interface ReadTransaction
  extends JournalReads,
    ApprovalReads,
    LimitReads,
    RegulationReads,
    KeepReads,
    PluginApprovalReads,
    VersionReads,
    CandidateReads,
    CredentialReads,
    LogReads,
    MigrationReads,
    WatchReads {
  /**
   * Without a version the current one that may run: of those with weights the one with the greatest; what
   * was chosen, or none where that may not run; where nobody has chosen, the newest.
   */
  findPlugin(name: string, version?: string): Promise<PluginRecord | undefined>;
  /** The newest first. */
  listVersions(name: string): Promise<readonly PluginRecord[]>;
  /** What was chosen; undefined while nobody has. */
  currentVersion(name: string): Promise<CurrentVersion | undefined>;
  isPluginActive(name: string, version: string): Promise<boolean>;
  listPlugins(): Promise<readonly PluginRecord[]>;
  findEgressGrant(plugin: string): Promise<EgressGrantRecord | undefined>;
  activePolicy(): Promise<PolicyRecord | undefined>;
  findAction(id: ActionId): Promise<ActionRecord | undefined>;
  listActions(
    filter: Page & { readonly state?: ActionState; readonly plugin?: string },
  ): Promise<readonly ActionRecord[]>;
  /** The newest action of the same operation that people approved and that succeeded before it. */
  lastApproved(
    action: Pick<ActionRecord, 'id' | 'plugin' | 'operation'>,
  ): Promise<ActionRecord | undefined>;
  /** The newest dry run of what that action would run: equal in all that its approval binds, but its id. */
  lastDryRun(action: ActionRecord): Promise<ActionRecord | undefined>;
  listAttempts(action: ActionId): Promise<readonly AttemptRecord[]>;
  /** Log lines of an attempt; empty until it has finished. */
  attemptLogs(id: AttemptId): Promise<readonly LogLine[]>;
  findAttempt(id: AttemptId): Promise<AttemptRecord | undefined>;
  /** Actions that should be running, have been for `sinceMs`, and have no attempt with a live lease. */
  stalledActions(at: string, sinceMs: number): Promise<readonly ActionId[]>;
  /** What holds an idempotency key; undefined when it is free. */
  findIdempotencyHolder(
    claim: Pick<IdempotencyClaim, 'principal' | 'route' | 'key'>,
  ): Promise<IdempotencyHolder | undefined>;
  /** Who answers for a key, and who made it; revoked ones too. */
  findKeyPeople(
    id: KeyId,
  ): Promise<
    | { readonly owner: string; readonly createdBy: string | null; readonly role: KeyRole }
    | undefined
  >;
  /** Whether the key may still be used at `at`. */
  isKeyLive(id: KeyId, at: string): Promise<boolean>;
  /** What the newest entry of the action that tells of a decision says; the platform's own included. */
  lastWord(action: ActionId): Promise<Word | undefined>;
  /** First and last sequence number of the action's entries. */
  entryRange(action: ActionId): Promise<{ readonly from: number; readonly to: number } | undefined>;
  /** The newest entry of the action. */
  lastEntry(action: ActionId): Promise<LogEntryRecord | undefined>;
  /** Entries with `seq > after`, in order. */
  listEntries(filter: {
    readonly after: number;
    readonly limit: number;
    readonly action?: ActionId;
  }): Promise<readonly LogEntryRecord[]>;
  /** Events with `seq > after`, in order; whether they are published or not. */
  listEvents(filter: {
    readonly after: number;
    readonly limit: number;
  }): Promise<readonly EventRecord[]>;
  /** Of actions requested in `[fromMs, untilMs)`, by the day in UTC. */
  usageByDay(
    fromMs: number,
    untilMs: number,
  ): Promise<readonly (UsageLine & { readonly day: string })[]>;
  /** The same by operation, the most used first. */
  usageByOperation(
    fromMs: number,
    untilMs: number,
  ): Promise<readonly (UsageLine & { readonly plugin: string; readonly operation: string })[]>;
}

export interface EventRecord {
  /** Of the entry that caused it. */
  readonly seq: number;
  readonly type: string;
  readonly subject: string;
  /** A CloudEvent as JSON. */
  readonly envelope: string;
}

/** Sums over actions and all their attempts. */
export interface UsageLine {
  readonly actions: number;
  readonly succeeded: number;
  readonly failed: number;
  readonly denied: number;
  /** Not counted in any of the above; what their attempts used is counted. */
  readonly dryRuns: number;
  readonly attempts: number;
  readonly cpuMs: number;
  readonly wallMs: number;
  readonly egressCalls: number;
  readonly bytesOut: number;
  readonly bytesIn: number;
}

/** What a use case says of one entry; the store adds sequence, time, chain and hashes. */
export interface EntryDraft {
  readonly type: EntryType;
  readonly actor: Actor;
  readonly subject: {
    readonly action?: string;
    readonly attempt?: string;
    readonly plugin?: string;
    readonly approval?: string;
    readonly policy?: string;
    readonly key?: string;
  };
  readonly data: Readonly<Record<string, unknown>>;
  readonly artifacts?: readonly Artifact[];
  readonly trace: string | null;
  /**
   * The entry may not be of a later time, by the database's clock: the unit then rejects with a
   * retryable {@link InfraError} and leaves nothing. RFC 3339.
   */
  readonly notAfter?: string;
}

export interface WriteTransaction
  extends ReadTransaction,
    JournalWrites,
    ApprovalWrites,
    LimitWrites,
    RegulationWrites,
    KeepWrites,
    PluginApprovalWrites,
    VersionWrites,
    CandidateWrites,
    CredentialWrites,
    LogWrites,
    MigrationWrites,
    WatchWrites,
    RateWrites {
  /** @returns false when the id is taken */
  insertWorkspace(workspace: WorkspaceRecord): Promise<boolean>;
  insertKey(key: KeyRecord, secretHash: Uint8Array): Promise<void>;
  /**
   * Revokes a key of `scope`; null is a key that reaches every workspace.
   * @returns false when the scope has no such live key
   */
  revokeKey(scope: WorkspaceId | null, id: KeyId, at: string): Promise<boolean>;
  /** Queues an entry; all are appended in order just before the commit. */
  append(entry: EntryDraft): void;
  /** Nobody else adds or chooses a version of it until the commit. */
  lockPluginVersions(name: string): Promise<void>;
  putCurrentVersion(
    name: string,
    chosen: Pick<CurrentVersion, 'version' | 'weights'>,
    by: KeyId,
    at: string,
  ): Promise<CurrentVersion>;
  /** @returns false when that name and version exist already */
  insertPlugin(plugin: PluginRecord): Promise<boolean>;
  /** The grant; nobody else changes it, or sets a first one, until the commit. */
  lockEgressGrant(plugin: string): Promise<EgressGrantRecord | undefined>;
  putEgressGrant(grant: Omit<EgressGrantRecord, 'revision'>): Promise<EgressGrantRecord>;
  insertPolicy(policy: PolicyRecord): Promise<void>;
  insertAction(action: ActionRecord): Promise<void>;
  /**
   * Hands the action to the sweeper until {@link Dispatcher} has started its workflow, or with
   * `wake` until it has woken it. A newer wake takes the place of an older one: it says no more.
   */
  queueDispatch(action: ActionId, wake?: string): Promise<void>;
  /** The row under a lock until the commit. */
  lockAction(id: ActionId): Promise<ActionRecord | undefined>;
  /** What changes of an action while it runs, under the same lock; cheaper than the whole row. */
  lockProgress(id: ActionId): Promise<Pick<ActionRecord, 'state' | 'fence'> | undefined>;
  /** Narrows what an action that waits for people may reach; its attempts have not begun. */
  narrowAction(
    id: ActionId,
    narrowed: Pick<ActionRecord, 'contract' | 'contractDigest' | 'orderDigest'>,
  ): Promise<void>;
  /** Changes the state; the caller has checked the transition on the locked row. */
  updateAction(id: ActionId, change: ActionChange): Promise<void>;
  /**
   * Claims an idempotency key; waits for a transaction that holds it.
   * @returns what holds it already, or undefined when the claim is ours
   */
  claimIdempotencyKey(claim: IdempotencyClaim): Promise<IdempotencyHolder | undefined>;
  /** Forgets the idempotency keys that were claimed before `time`. */
  forgetIdempotencyKeys(time: string): Promise<void>;
  insertAttempt(attempt: AttemptRecord): Promise<void>;
  extendLease(id: AttemptId, leaseUntil: string): Promise<void>;
  finishAttempt(id: AttemptId, end: AttemptEnd): Promise<void>;
}

/** What was decided about an action. */
export interface Word {
  /** A person, or the platform. */
  readonly by: string;
  /** `cancelled`, `denied`, `changes-requested`, or what it was resolved as. */
  readonly outcome: string;
  readonly rationale?: string;
}

export interface ActionChange {
  readonly state: ActionState;
  readonly fence?: number;
  readonly outputDigest?: Digest;
  /** Null forgets the one of before. */
  readonly error?: AttemptError | null;
  readonly finishedAt?: string;
}

export interface IdempotencyClaim {
  readonly principal: KeyId;
  readonly route: string;
  readonly key: string;
  readonly requestDigest: Digest;
  readonly action: ActionId;
  readonly at: string;
}

export interface IdempotencyHolder {
  readonly requestDigest: Digest;
  readonly action: ActionId;
}

export interface AttemptEnd {
  readonly verdict: 'succeeded' | 'failed' | 'lost';
  readonly at: string;
  readonly error?: AttemptError;
  readonly usage?: Usage;
  readonly logs?: readonly LogLine[];
}

export interface LogLine {
  readonly level: string;
  readonly message: string;
}
