/** Quarantine, crashes, publishers, and what a workspace asks of plugins. */
import type { Digest } from '@portarium/contracts/digest';
import type { AttemptId, PluginId } from '@portarium/contracts/ids';
import type { CrashesOf, WorksFor } from '../../domain/plugin-rules.ts';

export interface PluginRules {
  readonly signature: 'optional' | 'required';
  readonly quarantineAfter: number;
  readonly crashWindowMs: number;
  /** Grows with each change; 0 while the workspace has the platform's rules. */
  readonly revision: number;
}

/** What led to a quarantine, as evidence and the API tell it. */
export interface CrashReport {
  readonly count: number;
  readonly windowMs: number;
  readonly people: number;
  readonly codes: Readonly<Record<string, number>>;
  readonly attempts: readonly AttemptId[];
}

export type Quarantine = {
  readonly at: string;
} & (
  | {
      readonly cause: 'hand' | 'publisher-revoked';
      readonly by: string;
      readonly rationale: string;
    }
  | { readonly cause: 'crashes'; readonly crashes: CrashReport }
);

export interface CrashRecord {
  readonly plugin: string;
  readonly version: string;
  readonly attempt: AttemptId;
  /** Who answers for the key that asked for the action. */
  readonly person: string;
  readonly inputDigest: Digest;
  readonly code: string;
  readonly at: string;
}

export interface PublisherRecord {
  /** SHA-256 of the public key. */
  readonly fingerprint: Digest;
  readonly name: string;
  readonly verifierKey: string;
  /** The person. */
  readonly trustedBy: string;
  readonly trustedAt: string;
  readonly revokedBy: string | null;
  readonly revokedAt: string | null;
}

/** A version of a plugin, and from when on something is counted of it. */
export interface Since {
  readonly plugin: string;
  readonly version: string;
  readonly since: string;
}

export interface VersionReads {
  /** The platform's while the workspace has none of its own. */
  pluginRules(): Promise<PluginRules>;
  /** The revoked ones too, in the order in which they were trusted. */
  listPublishers(): Promise<readonly PublisherRecord[]>;
}

export interface VersionWrites {
  /** The rules; nobody else changes them until the commit. */
  lockPluginRules(): Promise<PluginRules>;
  putPluginRules(
    rules: Omit<PluginRules, 'revision'>,
    by: string,
    at: string,
  ): Promise<PluginRules>;
  /** @returns false when that key was trusted before, revoked or not */
  insertPublisher(publisher: PublisherRecord): Promise<boolean>;
  /** The publisher with that key; nobody revokes it until the commit. */
  holdPublisher(fingerprint: Digest): Promise<PublisherRecord | undefined>;
  /** Compare-and-set. @returns what was revoked; undefined when there was no such live key */
  revokePublisher(
    fingerprint: Digest,
    by: string,
    at: string,
  ): Promise<PublisherRecord | undefined>;
  /** Versions that may run and whose signature is by that key: names, each once. */
  signedBy(fingerprint: Digest): Promise<readonly string[]>;
  /** Compare-and-set from `active`. @returns false when it is in another state */
  quarantinePlugin(id: PluginId, quarantine: Quarantine): Promise<boolean>;
  /** Compare-and-set back to `active`; earlier crashes do not count from now on. */
  liftQuarantine(id: PluginId, at: string): Promise<boolean>;
  /** Keeps a crash, and forgets those of the version from before `since`. */
  recordCrash(crash: CrashRecord, since: string): Promise<void>;
  /** Of each person for whom it crashed since then. */
  crashesByPerson(of: Since): Promise<readonly CrashesOf[]>;
  /** Of each person for whom it worked since then, of actions that were requested within a day before. */
  worksByPerson(of: Since): Promise<readonly WorksFor[]>;
  /** The last of the crashes, in sum. */
  crashReport(of: Since): Promise<Omit<CrashReport, 'windowMs'>>;
  /** Whether anybody but this person ever asked for an action of the plugin. */
  othersUse(plugin: string, person: string): Promise<boolean>;
}
