/** The other ports: policy, durable execution, signatures, and word of changes. */
import type { Digest } from '@portarium/contracts/digest';
import type { ActionId, PluginId, WorkspaceId } from '@portarium/contracts/ids';
import type { Effect, Tier } from '@portarium/contracts/life-cycle';
import type { Manifest } from '@portarium/contracts/manifest';
import type { Ticket } from '@portarium/contracts/ticket';
import type { PolicyRecord } from './records.ts';

export interface PolicyQuestion {
  readonly workspace: WorkspaceId;
  readonly policy: PolicyRecord;
  readonly principal: { readonly id: string; readonly owner: string; readonly role: string };
  readonly plugin: {
    readonly name: string;
    readonly manifestDigest: Digest;
    readonly manifest: Manifest;
  };
  readonly operation: { readonly name: string; readonly effect: Effect };
  readonly hosts: readonly string[];
  /** Whether no write would leave. */
  readonly dryRun: boolean;
  /** Only the input's `x-policy` attributes. */
  readonly attributes: Readonly<Record<string, unknown>>;
}

export type PolicyDecision =
  | {
      readonly decision: 'allow';
      readonly tier: Tier;
      readonly policies: readonly string[];
      readonly reasons: readonly string[];
    }
  | {
      readonly decision: 'deny';
      readonly policies: readonly string[];
      readonly reasons: readonly string[];
    };

export interface PolicyEngine {
  /** Never throws: whatever goes wrong is a denial with its reason. */
  decide(question: PolicyQuestion): PolicyDecision;
}

export interface Dispatcher {
  /**
   * Starts the action's workflow unless it runs; its id is the action's, so starting twice is starting
   * once. With `waits` it asks the Control Plane what to do before it makes an attempt. Rejects when
   * Temporal is away.
   */
  start(workspace: WorkspaceId, action: ActionId, waits: boolean): Promise<void>;
  /**
   * Tells the workflow, which is started when there is none, to look again. One `wake` reaches it
   * once, however often it is sent. Carries no authority: whoever is woken asks the Control Plane.
   * Rejects when Temporal is away.
   */
  wake(workspace: WorkspaceId, action: ActionId, wake: string): Promise<void>;
  /**
   * Has some sandbox host try the module of an upload, once. Whether one does is seen in the store.
   * Rejects when Temporal is away.
   */
  admit(workspace: WorkspaceId, plugin: PluginId): Promise<void>;
  /** Whether a workflow runs under the action's id. Rejects when Temporal is away. */
  isRunning(action: ActionId): Promise<boolean>;
  /** Ends the workflow under the action's id at once, if one runs. Rejects when Temporal is away. */
  terminate(action: ActionId, reason: string): Promise<void>;
  /**
   * Actions whose workflows run, at most `limit`. It may lag behind by seconds: ask {@link isRunning} before
   * anything is done about one. Rejects when Temporal is away.
   */
  listRunning(limit: number): Promise<ReadonlySet<ActionId>>;
  ping(): Promise<void>;
}

/**
 * `next` is made and not announced yet; `retiring` has handed over and signs on until every log has a
 * checkpoint of both keys; of `retired` ones the private part is destroyed.
 */
export type LogKeyState = 'next' | 'current' | 'retiring' | 'retired';

export interface LogKey {
  /** The 8 hexadecimal digits of its verifier key. */
  readonly id: string;
  readonly verifierKey: string;
  readonly state: LogKeyState;
  /** When it was handed over to; absent of the first. RFC 3339. */
  readonly validFrom?: string;
  /** When it handed over. */
  readonly validUntil?: string;
}

export interface LogSigner {
  /** Origin of the workspace's checkpoints: `<instance>/<workspace>`. */
  origin(workspace: WorkspaceId): string;
  /** Signs a C2SP checkpoint of the workspace's log with every private key there is. @returns the signed note */
  sign(workspace: WorkspaceId, size: number, root: Uint8Array): Promise<string>;
  /** signed-note verifier keys, newest first; without one that is not announced. */
  verifierKeys(workspace: WorkspaceId): readonly string[];
  /** Newest first. */
  keys(): readonly LogKey[];
  /** Makes the next key unless there is one: from then on it signs beside the current one. */
  prepareNext(): Promise<{ readonly from: string; readonly to: string }>;
  /** The note of current and next key over `text`. */
  signHandover(text: string): Promise<string>;
  /** The next key becomes the current one; the one before signs on beside it. Rejects when there is no next key. */
  adoptNext(at: string): Promise<void>;
  /** Destroys the private part of every key that has handed over. */
  retire(): Promise<void>;
}

export interface TicketOffice {
  issue(ticket: Ticket): Promise<string>;
  /** @returns undefined when it is forged, expired or for another host */
  verify(token: string, host: string): Promise<Ticket | undefined>;
}

export interface SecretHasher {
  /** SHA-256 over the instance's pepper and the secret. */
  hash(secret: string): Promise<Uint8Array>;
}

export interface IdempotencyKeys {
  /** First 32 hexadecimal digits of HMAC-SHA-256(instance key, `<action>/<call>`). */
  keyOf(action: ActionId, call: number): Promise<string>;
}

/** Word of commits of any replica. It carries no authority: whoever is woken reads the store again. */
export interface ActionSignals {
  /** Resolves at the next commit that touched the action or the upload, or after `timeoutMs`. */
  changed(workspace: WorkspaceId, id: ActionId | PluginId, timeoutMs: number): Promise<void>;
  /** Calls `listener` after each commit that appended entries. @returns how to stop */
  onCommit(listener: (workspace: WorkspaceId) => void): () => void;
}
