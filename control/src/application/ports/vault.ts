/** Where secrets are kept. Nothing above this port holds one longer than it takes to hand it on. */
import type { CredentialId, WorkspaceId } from '@portarium/contracts/ids';

export interface SecretName {
  readonly workspace: WorkspaceId;
  readonly credential: CredentialId;
  /** 1 or more; each version is a secret of its own. */
  readonly version: number;
}

export interface Vault {
  /** What keeps them: the sealed file of this instance, or the engine of an outer server. */
  readonly kind: 'sealed' | 'key-value';
  /** Durable when it resolves. A name is written once; writing it again is an error. */
  put(name: SecretName, secret: Uint8Array): Promise<void>;
  /** @returns undefined when there is none. Rejects with `InfraError` when it can not be opened. */
  get(name: SecretName): Promise<Uint8Array | undefined>;
  /** Forgets every version of the credential; doing it twice is doing it once. */
  destroy(workspace: WorkspaceId, credential: CredentialId): Promise<void>;
  ping(): Promise<void>;
}
