/**
 * What people are asked about a plugin version: what it could do that the one that runs can not. It is
 * compared anew whenever it is looked at, since another version may run by then.
 */
import { type GrowthStatement, growthDigest, growthOf } from '@portarium/contracts/contract-growth';
import type { KeyId, WorkspaceId } from '@portarium/contracts/ids';
import type { Caller } from './context.ts';
import { excludedPeople } from './excluded-people.ts';
import { type Failure, failure } from './failure.ts';
import type { DecisionRecord } from './ports/approval-store.ts';
import type { PluginApprovalRecord } from './ports/plugin-approval-store.ts';
import type { PluginRecord } from './ports/records.ts';
import type { ReadTransaction } from './ports/workspace-store.ts';

type Asked = Pick<PluginApprovalRecord, 'statement' | 'digest'>;

/**
 * Compares a version with the one that runs; where none may, with the one that was chosen to, else the
 * newest that is quarantined.
 * @returns undefined for the first version of a plugin: there is nothing it could have grown from
 */
export async function compareVersion(
  tx: ReadTransaction,
  workspace: WorkspaceId,
  plugin: PluginRecord,
): Promise<Asked | undefined> {
  const from = (await tx.findPlugin(plugin.name)) ?? (await wouldRun(tx, plugin.name));
  if (!from) return undefined;
  const statement: GrowthStatement = {
    v: 1,
    workspace,
    plugin: plugin.name,
    ...namesOf(plugin),
    from: namesOf(from),
    growth: [...growthOf(from.manifest, plugin.manifest)],
  };
  return { statement, digest: await growthDigest(statement) };
}

/** Of a plugin no version of which runs: the one whose quarantine, once it is lifted, lets it run again. */
export async function wouldRun(
  tx: ReadTransaction,
  name: string,
): Promise<PluginRecord | undefined> {
  const chosen = await tx.currentVersion(name);
  if (chosen) return tx.findPlugin(name, chosen.version);
  return (await tx.listVersions(name)).find(({ state }) => state === 'quarantined');
}

function namesOf({ version, digest, manifestDigest }: PluginRecord) {
  return { version, digest, manifestDigest };
}

/** What evidence says of a statement, whoever asks or decides. */
export function growthData({ statement, digest }: Asked, quorum: number) {
  const { plugin: name, version, from } = statement;
  return { name, version, growthDigest: digest, from, quorum };
}

export interface PluginApprovalView extends PluginApprovalRecord {
  readonly decisions: readonly DecisionRecord[];
  /** People who may not decide. */
  readonly excluded: readonly string[];
  /** Why this caller may not. */
  readonly refusal: Failure | undefined;
}

/** @returns undefined when nobody was ever asked about this version */
export async function viewPluginApproval(
  tx: ReadTransaction,
  caller: Caller,
  workspace: WorkspaceId,
  plugin: PluginRecord,
): Promise<PluginApprovalView | undefined> {
  const stored = await tx.findPluginApproval(plugin.id);
  if (!stored) return undefined;
  const open = plugin.state === 'pending-approval';
  const now = open ? await compareVersion(tx, workspace, plugin) : undefined;
  const approval = { ...stored, ...now };
  const excluded = await excludedPeople(tx, plugin.uploadedBy as KeyId);
  const decisions = await tx.listPluginDecisions(plugin.id, approval.digest);
  const refusal = refusalOf(caller, plugin, approval, excluded);
  return { ...approval, excluded, decisions, refusal };
}

function refusalOf(
  { key }: Caller,
  { name, version, state }: PluginRecord,
  { roles }: PluginApprovalRecord,
  excluded: readonly string[],
): Failure | undefined {
  if (!roles.includes(key.role)) {
    return failure('auth.forbidden', `This approval asks for ${roles.join(' or ')}.`);
  }
  if (excluded.includes(key.owner)) {
    return failure('approval.excluded', `${key.owner} uploaded it, or made the key that did.`);
  }
  if (state !== 'pending-approval') {
    return failure('approval.closed', `${name}@${version} is ${state}.`);
  }
  return undefined;
}
