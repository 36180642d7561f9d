/** The version that an action gets which names none. */
import { type Draw, drawVersion } from '@portarium/contracts/rollout';
import { runnable, type Weights } from '@portarium/contracts/weights';
import type { PluginRecord } from './ports/records.ts';
import type { ReadTransaction } from './ports/workspace-store.ts';

export interface Drawn {
  /** Undefined when no version may run. */
  readonly plugin: PluginRecord | undefined;
  /** What it was drawn from, as evidence tells it; absent when one version gets everything. */
  readonly rollout?: { readonly weights: Weights; readonly revision: number };
}

export async function drawPlugin(tx: ReadTransaction, draw: Draw): Promise<Drawn> {
  const [current, chosen] = await Promise.all([
    tx.findPlugin(draw.plugin),
    tx.currentVersion(draw.plugin),
  ]);
  if (!current || !chosen?.weights) return { plugin: current };
  const weights = runnable(chosen.weights, await activeOf(tx, draw.plugin, chosen.weights));
  if (Object.keys(weights).length === 0) return { plugin: undefined };
  const version = await drawVersion(weights, draw);
  const plugin = version === current.version ? current : await tx.findPlugin(draw.plugin, version);
  return { plugin, rollout: { weights, revision: chosen.revision } };
}

async function activeOf(
  tx: ReadTransaction,
  name: string,
  weights: Weights,
): Promise<ReadonlySet<string>> {
  const versions = Object.keys(weights);
  const active = await Promise.all(versions.map((version) => tx.isPluginActive(name, version)));
  return new Set(versions.filter((_version, index) => active[index]));
}
