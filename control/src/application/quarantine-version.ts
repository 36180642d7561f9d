/**
 * Quarantine of a plugin version: nothing runs it until a person lifts that. Attempts that run are stopped at
 * the next call that they need leave for, actions that are dispatched fail at the claim, and those that wait
 * for people go on waiting.
 */
import type { KeyId, WorkspaceId } from '@portarium/contracts/ids';
import * as v from 'valibot';
import { RationaleSchema } from './cancel-action.ts';
import { actorOf, type Caller, type Context, SYSTEM_ACTOR } from './context.ts';
import { excludedPeople } from './excluded-people.ts';
import { type Failure, failure, type Result, success } from './failure.ts';
import { timeText } from './ports/clock.ts';
import type { PluginRecord } from './ports/records.ts';
import type { Quarantine } from './ports/version-store.ts';
import type { WriteTransaction } from './ports/workspace-store.ts';
import { drawnWithout, refusesLarger, viewVersions } from './set-current-version.ts';
import { submitAs } from './submit-as.ts';

export const QuarantineSchema = v.strictObject({
  /** False lifts it. */
  quarantined: v.boolean(),
  rationale: RationaleSchema,
});

/** Quarantines a version by hand, or lifts that. */
export async function setQuarantine(
  context: Context,
  caller: Caller,
  workspace: WorkspaceId,
  { name, version }: Pick<PluginRecord, 'name' | 'version'>,
  { quarantined, rationale }: v.InferOutput<typeof QuarantineSchema>,
): Promise<Result<null>> {
  return submitAs(context, caller, workspace, async (tx): Promise<Result<null>> => {
    await tx.lockPluginVersions(name);
    const plugin = await tx.findPlugin(name, version);
    if (!plugin) return failure('not-found', `The workspace has no plugin ${name}@${version}.`);
    if (plugin.state !== (quarantined ? 'active' : 'quarantined')) {
      const which = quarantined ? 'Only an active version can be' : 'Only a quarantined version is';
      return failure(
        'conflict',
        `${name}@${version} is ${plugin.state}. ${which} ${quarantined ? 'quarantined' : 'let go'}.`,
      );
    }
    const at = timeText(context.clock.nowMs());
    const by = caller.key.owner;
    if (quarantined) {
      const moved = await refusesMove(tx, caller, plugin);
      if (moved) return moved;
      await quarantineLocked(tx, plugin, { at, cause: 'hand', by, rationale }, caller);
      return success(null);
    }
    if ((await excludedPeople(tx, plugin.uploadedBy as KeyId)).includes(by)) {
      return failure('approval.excluded', `${by} uploaded it, or made the key that did.`);
    }
    if (!(await tx.liftQuarantine(plugin.id, at))) throw changed(plugin);
    tx.append({
      type: 'plugin.quarantine-lifted',
      actor: actorOf(caller),
      subject: { plugin: plugin.digest },
      data: { name, version, by, rationale },
      trace: caller.trace,
    });
    return success(null);
  });
}

/**
 * What a version leaves goes to those beside it, so whoever may not move actions to one that could do more
 * does not do so by quarantine either. To stop a version, giving it everything comes first: then nothing is left.
 */
async function refusesMove(
  tx: WriteTransaction,
  caller: Caller,
  { name, version }: PluginRecord,
): Promise<Failure | undefined> {
  const before = await viewVersions(tx, name);
  const refused =
    before && (await refusesLarger(tx, caller, before, drawnWithout(before, version)));
  if (!refused) return undefined;
  const way = `Give everything to ${version} first, or have another person quarantine it.`;
  return { ...refused, detail: `${refused.detail} ${way}` };
}

/** To be called under the lock of the plugin's versions, with an active version. @param caller none: the platform */
export async function quarantineLocked(
  tx: WriteTransaction,
  plugin: PluginRecord,
  quarantine: Quarantine,
  caller?: Caller,
): Promise<void> {
  if (!(await tx.quarantinePlugin(plugin.id, quarantine))) throw changed(plugin);
  const { at: _stands, ...why } = quarantine;
  tx.append({
    type: 'plugin.quarantined',
    actor: caller ? actorOf(caller) : SYSTEM_ACTOR,
    subject: { plugin: plugin.digest },
    data: { name: plugin.name, version: plugin.version, ...why },
    trace: caller?.trace ?? null,
  });
}

function changed({ name, version }: PluginRecord): Error {
  return new Error(`${name}@${version} changed under the lock of its versions`);
}
