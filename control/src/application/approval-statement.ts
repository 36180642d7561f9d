/**
 * What an approval is about, read from what is true now. An approval holds only while the digest of
 * this is the one that people agreed to: a change of plugin, grant, credential, limits or policy voids it.
 */
import { type ApprovalStatement, approvalDigest } from '@portarium/contracts/approval-statement';
import type { JsonValue } from '@portarium/contracts/canonical-json';
import { type Digest, digestOfJson } from '@portarium/contracts/digest';
import {
  contractStatement,
  type EgressContract,
  type EgressRule,
} from '@portarium/contracts/egress-rule';
import type { WorkspaceId } from '@portarium/contracts/ids';
import { effectiveLimits } from '@portarium/contracts/limits';
import type {
  ActionRecord,
  EgressGrantRecord,
  PluginRecord,
  SlotCredential,
} from './ports/records.ts';
import type { ReadTransaction } from './ports/workspace-store.ts';

/** @param approval what an approver narrowed the action to */
export function contractOf(
  plugin: PluginRecord,
  grant: EgressGrantRecord | undefined,
  approval: readonly EgressRule[] = [],
): EgressContract {
  return {
    plugin: plugin.manifest.egress,
    operator: grant?.rules ?? [],
    networks: grant?.networks ?? [],
    approval,
  };
}

export function contractDigest(contract: EgressContract): Promise<Digest> {
  return digestOfJson(contractStatement(contract) as JsonValue);
}

/** The live credentials that fill the slots which both layers name, in the order of their slots. */
export async function credentialsOf(
  tx: ReadTransaction,
  contract: EgressContract,
): Promise<readonly SlotCredential[]> {
  const granted = new Set(contract.operator.flatMap(({ credential }) => credential ?? []));
  const asked = new Set(contract.plugin.flatMap(({ credential }) => credential ?? []));
  const found: SlotCredential[] = [];
  for (const slot of [...asked].filter((name) => granted.has(name)).sort()) {
    const credential = await tx.findCredentialByName(slot);
    if (credential) found.push({ slot, id: credential.id, version: credential.version });
  }
  return found;
}

/** @param action as it was requested */
export function statementOf(
  workspace: WorkspaceId,
  action: ActionRecord,
  executeBefore: string,
): ApprovalStatement {
  if (action.tier === null) throw new Error(`action ${action.id} has no tier`);
  return {
    v: 1,
    workspace,
    action: action.id,
    plugin: action.pluginDigest,
    operation: action.operation,
    inputDigest: action.inputDigest,
    contractDigest: action.contractDigest,
    effect: action.effect,
    credentials: action.credentials.map((credential) => ({ ...credential })),
    limits: { ...action.limits },
    tier: action.tier,
    policyVersion: action.policyVersion,
    executeBefore,
  };
}

/** The digest of what would run if the action ran now; undefined when it could not run at all. */
export async function currentDigest(
  tx: ReadTransaction,
  workspace: WorkspaceId,
  action: ActionRecord,
  executeBefore: string,
): Promise<Digest | undefined> {
  const plugin = await tx.findPlugin(action.plugin, action.version);
  const policy = await tx.activePolicy();
  if (plugin?.state !== 'active' || !policy) return undefined;
  const grant = await tx.findEgressGrant(action.plugin);
  const { limits } = await tx.workspaceLimits();
  const contract = contractOf(plugin, grant, action.contract.approval);
  const now: ActionRecord = {
    ...action,
    pluginDigest: plugin.digest,
    contractDigest: await contractDigest(contract),
    credentials: await credentialsOf(tx, contract),
    limits: effectiveLimits(plugin.manifest.limits, limits),
    policyVersion: policy.version,
  };
  // What runs is the action's own row: it has to be what was approved as well.
  const fixed = await approvalDigest(statementOf(workspace, action, executeBefore));
  const current = await approvalDigest(statementOf(workspace, now, executeBefore));
  return fixed === current ? current : undefined;
}
