/** Credentials of a workspace. The rows know everything about a secret but the secret. */
import type { CredentialPlacement } from '@portarium/contracts/credential-placement';
import type { CredentialId, KeyId } from '@portarium/contracts/ids';

export type CredentialRecord = CredentialPlacement & CredentialFacts;

interface CredentialFacts {
  readonly id: CredentialId;
  /** What plugins call their slot, and operators name in a rule; unique among live credentials. */
  readonly name: string;
  /** The exact host that it may be sent to. */
  readonly host: string;
  /** 1 at first; grows with each rotation. */
  readonly version: number;
  readonly createdBy: KeyId;
  readonly createdAt: string;
  readonly rotatedAt: string | null;
  readonly revokedAt: string | null;
}

export interface CredentialReads {
  findCredential(id: CredentialId): Promise<CredentialRecord | undefined>;
  /** The live credential of that name. */
  findCredentialByName(name: string): Promise<CredentialRecord | undefined>;
  listCredentials(): Promise<readonly CredentialRecord[]>;
}

export interface CredentialWrites {
  /** @returns false when a live credential has that name */
  insertCredential(credential: CredentialRecord): Promise<boolean>;
  /** The row under a lock until the commit. */
  lockCredential(id: CredentialId): Promise<CredentialRecord | undefined>;
  rotateCredential(id: CredentialId, version: number, at: string): Promise<void>;
  revokeCredential(id: CredentialId, at: string): Promise<void>;
}
