/** What every use case works with: the ports, wired once by the composition root. */
import type { Actor } from '@portarium/contracts/evidence-entry';
import type { FixedActions } from './fixed-actions.ts';
import type { KeepModule } from './keep-module.ts';
import type { Catalogue } from './ports/catalogue.ts';
import type { ReadCertificate } from './ports/certificates.ts';
import type { Clock, Ids } from './ports/clock.ts';
import type { Directory, KeyRecord } from './ports/directory.ts';
import type { LogLock } from './ports/log-lock.ts';
import type { ObjectStore, RetentionOf } from './ports/object-store.ts';
import type {
  ActionSignals,
  Dispatcher,
  IdempotencyKeys,
  LogSigner,
  PolicyEngine,
  SecretHasher,
  TicketOffice,
} from './ports/outside.ts';
import type { RateTokens } from './ports/rate-tokens.ts';
import type { Vault } from './ports/vault.ts';
import type { WatchMetrics } from './ports/watch-metrics.ts';
import type { WorkspaceStore } from './ports/workspace-store.ts';

export interface Context {
  readonly clock: Clock;
  readonly ids: Ids;
  readonly store: WorkspaceStore;
  /** The same without a look at the log first: the sealer's own. */
  readonly sealerStore: WorkspaceStore;
  readonly directory: Directory;
  readonly fixedActions: FixedActions;
  readonly objects: ObjectStore;
  readonly keepModule: KeepModule;
  /** How long the store keeps what is written. */
  readonly retentionOf: RetentionOf;
  /** Which artifacts may go. */
  readonly catalogue: Catalogue;
  /** The store as the database role that disposes: for entries of disposals alone. */
  readonly destroyStore: WorkspaceStore;
  readonly policy: PolicyEngine;
  readonly dispatcher: Dispatcher;
  readonly signer: LogSigner;
  readonly logLock: LogLock;
  /** One verification, and one reconciliation, of a workspace at a time. */
  readonly verificationLock: LogLock;
  readonly reconciliationLock: LogLock;
  readonly watchMetrics: WatchMetrics;
  /** Held by whoever places a hold or disposes. */
  readonly keepLock: LogLock;
  readonly tickets: TicketOffice;
  readonly secrets: SecretHasher;
  readonly idempotencyKeys: IdempotencyKeys;
  readonly vault: Vault;
  readonly readCertificate: ReadCertificate;
  readonly signals: ActionSignals;
  readonly rateTokens: RateTokens;
  /** Aborted when this process is about to stop: whoever waits ends his waiting. */
  readonly stopping: AbortSignal;
  readonly version: string;
}

/** Who asks, and under which trace. */
export interface Caller {
  readonly key: KeyRecord;
  readonly trace: string;
}

/** The actor of evidence entries that `caller` causes. */
export function actorOf(caller: Caller): Actor {
  const kind =
    caller.key.role === 'agent' ? 'agent' : caller.key.role === 'sandbox-host' ? 'sandbox' : 'user';
  return { kind, id: caller.key.id };
}

export const SYSTEM_ACTOR: Actor = { kind: 'system', id: 'control-plane' };
