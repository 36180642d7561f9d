/** What people are asked about plugin versions that grew; whether it is open stands in the version's state. */
import type { GrowthStatement } from '@portarium/contracts/contract-growth';
import type { Digest } from '@portarium/contracts/digest';
import type { PluginId } from '@portarium/contracts/ids';
import type { DecisionRecord } from './approval-store.ts';
import type { PluginState } from './records.ts';

export interface PluginApprovalRecord {
  readonly plugin: PluginId;
  /** Of the statement: that of the upload, and once it is decided the one that was decided about. */
  readonly digest: Digest;
  readonly statement: GrowthStatement;
  /** Distinct people who must agree. */
  readonly quorum: number;
  /** Roles that may decide. */
  readonly roles: readonly string[];
}

export interface PluginApprovalReads {
  /** @returns undefined for a version that had not grown */
  findPluginApproval(plugin: PluginId): Promise<PluginApprovalRecord | undefined>;
  /** Those about the statement with this digest. */
  listPluginDecisions(plugin: PluginId, digest: Digest): Promise<readonly DecisionRecord[]>;
}

export interface PluginApprovalWrites {
  insertPluginApproval(approval: PluginApprovalRecord): Promise<void>;
  /** @returns false when that person has decided about this statement already */
  insertPluginDecision(plugin: PluginId, decision: DecisionRecord): Promise<boolean>;
  /** Compare-and-set from `pending-approval`, by what people said of this statement. */
  closePluginApproval(
    approval: Pick<PluginApprovalRecord, 'plugin' | 'digest' | 'statement'>,
    to: Extract<PluginState, 'active' | 'denied'>,
  ): Promise<boolean>;
}
