/**
 * What an approver's own machine makes sure of before a plugin version is decided about: that the digest
 * is that of the statement, and that the difference is the one of the two manifests.
 */
import { canonicalText, type JsonValue } from '@portarium/contracts/canonical-json';
import { type GrowthStatement, growthDigest, growthOf } from '@portarium/contracts/contract-growth';
import { type Digest, digestOfJson } from '@portarium/contracts/digest';
import type { PluginVersion } from './answers.ts';
import { differs, mismatch } from './approval-check.ts';
import type { PortariumClient } from './portarium-client.ts';

export interface CheckedGrowth {
  readonly version: PluginVersion;
  readonly approval: NonNullable<PluginVersion['approval']>;
  /** Computed here. */
  readonly digest: Digest;
}

/** @throws Error that names what does not agree, or that nobody is asked about this version */
export async function checkGrowth(
  { plugins, workspace }: PortariumClient,
  version: PluginVersion,
): Promise<CheckedGrowth> {
  const { name, approval } = version;
  if (!approval) {
    throw new Error(`${name}@${version.version} can do no more than the version before it did.`);
  }
  const { statement } = approval;
  const from = await plugins.version(name, statement.from.version);
  const digest = await growthDigest(statement);
  const differing = [
    differs('digest', approval.digest, digest),
    differs('workspace', workspace, statement.workspace),
    differs('plugin', name, statement.plugin),
    ...(await disagreements('version', version, statement)),
    ...(await disagreements('earlier version', from, statement.from)),
    differs('difference', text(growthOf(from.manifest, version.manifest)), text(statement.growth)),
  ].filter((problem) => problem !== undefined);
  if (differing.length > 0) throw mismatch(differing);
  return { version, approval, digest };
}

async function disagreements(
  what: string,
  { version, digest, manifest }: PluginVersion,
  stated: GrowthStatement['from'],
): Promise<readonly (string | undefined)[]> {
  return [
    differs(what, version, stated.version),
    differs(`digest of the ${what}`, digest, stated.digest),
    differs(`manifest of the ${what}`, await digestOfJson(manifest), stated.manifestDigest),
  ];
}

const text = (value: unknown) => canonicalText(value as JsonValue);
