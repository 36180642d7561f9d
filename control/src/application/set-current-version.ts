/** Chooses the version of a plugin that actions run when they name none: back to one that worked. */
import { growthOf } from '@portarium/contracts/contract-growth';
import type { KeyId, WorkspaceId } from '@portarium/contracts/ids';
import * as v from 'valibot';
import { RationaleSchema } from './cancel-action.ts';
import { actorOf, type Caller, type Context } from './context.ts';
import { excludedPeople } from './excluded-people.ts';
import { type Failure, failure, type Result, success } from './failure.ts';
import { timeText } from './ports/clock.ts';
import type { CurrentVersion, PluginRecord } from './ports/records.ts';
import type { ReadTransaction } from './ports/workspace-store.ts';
import { type Precondition, unmet } from './precondition.ts';
import { submitAs } from './submit-as.ts';

export const SetCurrentVersionSchema = v.strictObject({
  version: v.pipe(v.string(), v.minLength(1), v.maxLength(64)),
  rationale: RationaleSchema,
});

export interface VersionsView {
  /** The newest first; never empty. */
  readonly versions: readonly PluginRecord[];
  readonly current: CurrentVersion;
}

/** @returns undefined when the workspace has no such plugin */
export async function viewVersions(
  tx: ReadTransaction,
  name: string,
): Promise<VersionsView | undefined> {
  const versions = await tx.listVersions(name);
  const [newest] = versions;
  if (!newest) return undefined;
  const chosen = await tx.currentVersion(name);
  // As an action finds it: a choice that may no longer run does not count.
  const { version } = (await tx.findPlugin(name)) ?? newest;
  return {
    versions,
    current: { version, chosenAt: chosen?.chosenAt ?? null, revision: chosen?.revision ?? 0 },
  };
}

export async function setCurrentVersion(
  context: Context,
  caller: Caller,
  workspace: WorkspaceId,
  name: string,
  { version, rationale }: v.InferOutput<typeof SetCurrentVersionSchema>,
  expected?: Precondition,
): Promise<Result<VersionsView>> {
  return submitAs(context, caller, workspace, async (tx): Promise<Result<VersionsView>> => {
    await tx.lockPluginVersions(name);
    const before = await viewVersions(tx, name);
    if (!before) return failure('not-found', `The workspace has no plugin ${name}.`);
    const refused = unmet(expected, String(before.current.revision));
    if (refused) return refused;
    const wanted = before.versions.find((one) => one.version === version);
    if (wanted?.state !== 'active') {
      if (wanted?.state === 'pending-approval' || wanted?.state === 'denied') {
        return failure('plugin.not-approved', `${name}@${version} is ${wanted.state}.`);
      }
      const message = wanted
        ? `this version is ${wanted.state}`
        : 'this plugin has no such version';
      return failure('input.invalid', `${name} can not run version ${version}: ${message}.`, {
        errors: [{ pointer: '/version', message }],
      });
    }
    const larger = await refusesLarger(tx, caller, name, version);
    if (larger) return larger;
    const current = await tx.putCurrentVersion(
      name,
      version,
      caller.key.id,
      timeText(context.clock.nowMs()),
    );
    tx.append({
      type: 'plugin.current-set',
      actor: actorOf(caller),
      subject: { plugin: wanted.digest },
      data: {
        ...{ name, version, before: before.current.version, revision: current.revision },
        ...{ by: caller.key.owner, rationale },
      },
      trace: caller.trace,
    });
    return success({ ...before, current });
  });
}

/** A version that could do more than the one that runs is another person's to choose, as it is to approve. */
async function refusesLarger(
  tx: ReadTransaction,
  { key }: Caller,
  name: string,
  version: string,
): Promise<Failure | undefined> {
  const [now, wanted] = await Promise.all([tx.findPlugin(name), tx.findPlugin(name, version)]);
  if (!now || !wanted || growthOf(now.manifest, wanted.manifest).length === 0) return undefined;
  const more = `${name}@${version} could do more than ${now.version}, which runs`;
  if (key.role === 'author') {
    return failure('auth.forbidden', `${more}; a key of role author does not choose it.`);
  }
  const excluded = await excludedPeople(tx, wanted.uploadedBy as KeyId);
  if (!excluded.includes(key.owner)) return undefined;
  return failure(
    'approval.excluded',
    `${more}; ${key.owner} uploaded it, or made the key that did.`,
  );
}
