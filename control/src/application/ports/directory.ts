/** What belongs to the instance and not to one tenant: workspaces, keys, the dispatch queue. */
import type { ActionId, KeyId, WorkspaceId } from '@portarium/contracts/ids';
import type { KeyRole } from '../../domain/permissions.ts';

export interface WorkspaceRecord {
  readonly id: WorkspaceId;
  readonly name: string;
  readonly tenancyTier: 'A' | 'B' | 'C';
  readonly createdAt: string;
}

export interface KeyRecord {
  readonly id: KeyId;
  /** Null for a key that reaches every workspace. */
  readonly workspace: WorkspaceId | null;
  readonly name: string;
  /** The person who answers for what the key does. */
  readonly owner: string;
  readonly role: KeyRole;
  readonly createdAt: string;
  readonly expiresAt: string | null;
  readonly revokedAt: string | null;
  readonly lastUsedAt: string | null;
}

export interface Directory {
  /** @returns false when the id is taken */
  insertWorkspace(workspace: WorkspaceRecord): Promise<boolean>;
  findWorkspace(id: WorkspaceId): Promise<WorkspaceRecord | undefined>;
  listWorkspaces(): Promise<readonly WorkspaceRecord[]>;
  insertKey(key: KeyRecord, secretHash: Uint8Array): Promise<void>;
  findKey(
    id: KeyId,
  ): Promise<{ readonly key: KeyRecord; readonly secretHash: Uint8Array } | undefined>;
  listKeys(workspace: WorkspaceId): Promise<readonly KeyRecord[]>;
  /** @returns false when the workspace has no such live key */
  revokeKey(workspace: WorkspaceId, id: KeyId, at: string): Promise<boolean>;
  /** Best effort, at most once a minute a key. */
  touchKey(id: KeyId): Promise<void>;
  /** Actions that were queued more than `olderThanMs` ago and whose workflow is not known. */
  dueDispatches(
    olderThanMs: number,
  ): Promise<readonly { workspace: WorkspaceId; action: ActionId }[]>;
  dispatched(action: ActionId): Promise<void>;
  /** Resolves when the database answers; rejects with `InfraError` otherwise. */
  ping(): Promise<void>;
}
