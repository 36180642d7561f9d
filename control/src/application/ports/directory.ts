/** What belongs to the instance and not to one tenant: workspaces, keys, the dispatch queue. */
import type { ActionId, KeyId, WorkspaceId } from '@portarium/contracts/ids';
import type { KeyRole } from '../../domain/permissions.ts';

export interface WorkspaceRecord {
  readonly id: WorkspaceId;
  readonly name: string;
  readonly tenancyTier: 'A' | 'B' | 'C';
  readonly createdAt: string;
}

/** `provisioning`: its schema or database was made, and nobody has created it; `deprovisioned`: its id is used up. */
export type WorkspaceState = 'provisioning' | 'active' | 'deprovisioned';

export interface KeyRecord {
  readonly id: KeyId;
  /** Null for a key that reaches every workspace. */
  readonly workspace: WorkspaceId | null;
  readonly name: string;
  /** The person who answers for what the key does. */
  readonly owner: string;
  /** The person whose key made it; null for keys of the bootstrap. */
  readonly createdBy: string | null;
  readonly role: KeyRole;
  readonly createdAt: string;
  readonly expiresAt: string | null;
  readonly revokedAt: string | null;
  readonly lastUsedAt: string | null;
}

export interface DueDispatch {
  readonly workspace: WorkspaceId;
  readonly action: ActionId;
  /** Id of the wake-up; null when only the workflow has to be started. */
  readonly wake: string | null;
}

export interface Directory {
  /** One that is active. */
  findWorkspace(id: WorkspaceId): Promise<WorkspaceRecord | undefined>;
  /** What stands under an id, whatever its state. */
  lookUpWorkspace(
    id: WorkspaceId,
  ): Promise<
    | { readonly state: WorkspaceState; readonly tenancyTier: WorkspaceRecord['tenancyTier'] }
    | undefined
  >;
  /** Says in which secret of the vault the address of its database is. */
  setDatabaseSecret(id: WorkspaceId, secret: string): Promise<void>;
  /** From `provisioning`; does nothing to one that is active. */
  activateWorkspace(workspace: WorkspaceRecord): Promise<void>;
  /** Active ones, by id; all of them without a page. */
  listWorkspaces(page?: {
    readonly limit: number;
    /** Only ids behind this one. */
    readonly after?: WorkspaceId | undefined;
  }): Promise<readonly WorkspaceRecord[]>;
  findKey(
    id: KeyId,
  ): Promise<{ readonly key: KeyRecord; readonly secretHash: Uint8Array } | undefined>;
  /** Keys of a workspace, or with null those that reach every workspace. */
  listKeys(workspace: WorkspaceId | null): Promise<readonly KeyRecord[]>;
  /** Best effort, at most once a minute a key. */
  touchKey(id: KeyId): Promise<void>;
  /** What was queued more than `olderThanMs` ago and has not been delivered. */
  dueDispatches(olderThanMs: number, workspace?: WorkspaceId): Promise<readonly DueDispatch[]>;
  /** Takes it out of the queue, unless a newer wake stands there by now. */
  dispatched(workspace: WorkspaceId, action: ActionId, wake: string | null): Promise<void>;
  /** Leaves it in the queue for at least `ms` more. */
  postpone(
    workspace: WorkspaceId,
    action: ActionId,
    wake: string | null,
    ms: number,
  ): Promise<void>;
  /** Resolves when the database answers; rejects with `InfraError` otherwise. */
  ping(): Promise<void>;
}
