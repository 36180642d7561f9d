/** Rows of tenant data as the use cases see them. Times are RFC 3339 UTC with milliseconds. */
import type { Digest } from '@portarium/contracts/digest';
import type { EgressContract, OperatorRule } from '@portarium/contracts/egress-rule';
import type {
  ActionId,
  AttemptId,
  CredentialId,
  KeyId,
  PluginId,
  PolicyId,
} from '@portarium/contracts/ids';
import type { Usage } from '@portarium/contracts/internal-api';
import type { ActionState, Effect, Tier } from '@portarium/contracts/life-cycle';
import type { AttemptLimits } from '@portarium/contracts/limits';
import type { Manifest } from '@portarium/contracts/manifest';
import type { RetentionClass } from '@portarium/contracts/retention-class';
import type { Weights } from '@portarium/contracts/weights';
import type { Quarantine } from './version-store.ts';

/** Only an active version runs. One that grew waits for people; who denies it ends it. */
export type PluginState = 'active' | 'pending-approval' | 'denied' | 'quarantined';

export interface PluginRecord {
  readonly id: PluginId;
  readonly name: string;
  readonly version: string;
  /** Of the bytes that the author uploaded: the identity. */
  readonly digest: Digest;
  /** Of the bytes that run. */
  readonly moduleDigest: Digest;
  readonly rewriter: string;
  readonly manifest: Manifest;
  readonly manifestDigest: Digest;
  readonly admission: Readonly<Record<string, unknown>>;
  readonly state: PluginState;
  /** Why, while it is quarantined; null also where somebody set that state by other means. */
  readonly quarantine: Quarantine | null;
  /** When a quarantine of it was lifted last. */
  readonly liftedAt: string | null;
  /** A trusted publisher's, checked at the upload. */
  readonly signature: PluginSignature | null;
  readonly uploadedBy: string;
  readonly createdAt: string;
}

export interface PluginSignature {
  readonly publisher: string;
  /** SHA-256 of the public key. */
  readonly fingerprint: Digest;
  readonly verifierKey: string;
  /** The signed note, byte for byte. */
  readonly note: string;
}

export interface EgressGrantRecord {
  readonly plugin: string;
  readonly rules: readonly OperatorRule[];
  readonly networks: readonly string[];
  readonly revision: number;
  readonly changedBy: string;
  readonly changedAt: string;
  /** Keys by what they granted: `rule ID` or `network NAME`, as it stands. */
  readonly authors: Readonly<Record<string, string>>;
}

export interface PolicyRecord {
  readonly id: PolicyId;
  readonly version: number;
  readonly text: string;
}

export interface AttemptError {
  readonly code: string;
  readonly message: string;
}

export interface ActionRecord {
  readonly id: ActionId;
  readonly state: ActionState;
  readonly tier: Tier | null;
  readonly plugin: string;
  readonly version: string;
  readonly pluginDigest: Digest;
  readonly operation: string;
  readonly effect: Effect;
  readonly inputDigest: Digest;
  readonly contractDigest: Digest;
  readonly contract: EgressContract;
  readonly limits: AttemptLimits;
  /** 64 hexadecimal digits that the action's random stream starts from. */
  readonly seed: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly requestedBy: KeyId;
  readonly policyVersion: number;
  /** Of the artifact that holds everything an attempt is a function of; null in older actions. */
  readonly orderDigest: Digest | null;
  /** The action that this one takes the place of. */
  readonly replaces: ActionId | null;
  /** Its writes are recorded and answered from examples; none of them leaves. */
  readonly dryRun: boolean;
  /** The action that waits for people, and that this one is a dry run of. */
  readonly dryRunOf: ActionId | null;
  /** What the contract's slots stood for when the action was requested. */
  readonly credentials: readonly SlotCredential[];
  /** Of everything that it leaves behind: its operation's, when it was requested. */
  readonly retention: RetentionClass;
  /** The newest attempt's fence; 0 before the first. */
  readonly fence: number;
  readonly outputDigest: Digest | null;
  readonly error: AttemptError | null;
  readonly trace: string | null;
  readonly createdAt: string;
  readonly finishedAt: string | null;
}

export interface AttemptRecord {
  readonly id: AttemptId;
  readonly action: ActionId;
  readonly fence: number;
  readonly host: string;
  readonly isolation: string;
  readonly engine: string;
  readonly leaseUntil: string;
  readonly startedAt: string;
  readonly finishedAt: string | null;
  readonly verdict: 'succeeded' | 'failed' | 'lost' | null;
  readonly error: AttemptError | null;
  readonly usage: Usage | null;
}

/** A credential as an approval names it. */
export interface SlotCredential {
  readonly slot: string;
  readonly id: CredentialId;
  readonly version: number;
}

export interface LogEntryRecord {
  readonly seq: number;
  readonly hash: Digest;
  readonly bytes: Uint8Array;
}

/** The version of a plugin that runs when an action names none, or the versions that share its actions. */
export interface CurrentVersion {
  /** The one with the greatest weight. */
  readonly version: string;
  /** Null: `version` gets everything, until a newer one is uploaded. */
  readonly weights: Weights | null;
  /** When it was chosen; null while nobody has. */
  readonly chosenAt: string | null;
  /** Grows with each choice; 0 while nobody has chosen: then it is the newest. */
  readonly revision: number;
}
