/**
 * Chooses what actions run that name no version of a plugin: one version (back to one that worked), or
 * several by weight. What was requested before keeps its version.
 */
import { growthOf } from '@portarium/contracts/contract-growth';
import type { KeyId, WorkspaceId } from '@portarium/contracts/ids';
import { WeightsSchema } from '@portarium/contracts/rollout';
import { heaviest, runnable, shareOf, type Weights } from '@portarium/contracts/weights';
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

export const SetCurrentVersionSchema = v.pipe(
  v.strictObject({
    /** Gets everything, until a newer one is uploaded. */
    version: v.optional(v.pipe(v.string(), v.minLength(1), v.maxLength(64))),
    /** Share everything, whatever is uploaded. */
    weights: v.optional(WeightsSchema),
    rationale: RationaleSchema,
  }),
  v.forward(
    v.partialCheck(
      [['version'], ['weights']],
      ({ version, weights }) => (version === undefined) !== (weights === undefined),
      'expected either version or weights',
    ),
    ['version'],
  ),
);

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
  // As an action finds it; where nothing runs, what would.
  const { version } = (await tx.findPlugin(name)) ?? chosen ?? newest;
  const { weights = null, chosenAt = null, revision = 0 } = chosen ?? {};
  return { versions, current: { version, weights, chosenAt, revision } };
}

export async function setCurrentVersion(
  context: Context,
  caller: Caller,
  workspace: WorkspaceId,
  name: string,
  { version, weights, rationale }: v.InferOutput<typeof SetCurrentVersionSchema>,
  expected?: Precondition,
): Promise<Result<VersionsView>> {
  return submitAs(context, caller, workspace, async (tx): Promise<Result<VersionsView>> => {
    await tx.lockPluginVersions(name);
    const before = await viewVersions(tx, name);
    if (!before) return failure('not-found', `The workspace has no plugin ${name}.`);
    const refused = unmet(expected, String(before.current.revision));
    if (refused) return refused;
    const wanted: Weights = weights ?? { [version ?? '']: 1 };
    for (const one of Object.keys(wanted)) {
      const pointer = weights ? `/weights/${one}` : '/version';
      const useless = mayNotRun(before, name, one, pointer);
      if (useless) return useless;
    }
    const larger = await refusesLarger(tx, caller, before, wanted);
    if (larger) return larger;
    const most = before.versions.find((one) => one.version === heaviest(wanted));
    if (!most) throw new Error(`${name} lost a version that may run`);
    const current = await tx.putCurrentVersion(
      name,
      { version: most.version, weights: weights ?? null },
      caller.key.id,
      timeText(context.clock.nowMs()),
    );
    tx.append({
      type: 'plugin.current-set',
      actor: actorOf(caller),
      subject: { plugin: most.digest },
      data: {
        ...{ name, version: most.version, before: before.current.version },
        ...(weights ? { weights } : {}),
        ...(before.current.weights ? { weightsBefore: before.current.weights } : {}),
        ...{ revision: current.revision, by: caller.key.owner, rationale },
      },
      trace: caller.trace,
    });
    return success({ ...before, current });
  });
}

function mayNotRun(
  { versions }: VersionsView,
  name: string,
  version: string,
  pointer: string,
): Failure | undefined {
  const wanted = versions.find((one) => one.version === version);
  if (wanted?.state === 'active') return undefined;
  if (wanted?.state === 'pending-approval' || wanted?.state === 'denied') {
    return failure('plugin.not-approved', `${name}@${version} is ${wanted.state}.`);
  }
  const message = wanted ? `this version is ${wanted.state}` : 'this plugin has no such version';
  return failure('input.invalid', `${name} can not run version ${version}: ${message}.`, {
    errors: [{ pointer, message }],
  });
}

/**
 * Actions that go from a version to one that could do more are another person's to move, as to approve it.
 * @param wanted what they are drawn from afterwards
 */
export async function refusesLarger(
  tx: ReadTransaction,
  { key }: Caller,
  before: VersionsView,
  wanted: Weights,
): Promise<Failure | undefined> {
  const now = inEffect(before);
  const shares = (version: string) => [shareOf(now, version), shareOf(wanted, version)] as const;
  const changed = before.versions.map((one) => ({ one, shares: shares(one.version) }));
  const loses = changed.filter(({ shares: [was, is] }) => is < was);
  for (const { one: to } of changed.filter(({ shares: [was, is] }) => is > was)) {
    const from = loses.find(({ one }) => growthOf(one.manifest, to.manifest).length > 0)?.one;
    if (!from) continue;
    const more = `${to.name}@${to.version} could do more than ${from.version}, which runs`;
    if (key.role === 'author') {
      return failure('auth.forbidden', `${more}; a key of role author does not choose it.`);
    }
    const excluded = await excludedPeople(tx, to.uploadedBy as KeyId);
    if (excluded.includes(key.owner)) {
      return failure(
        'approval.excluded',
        `${more}; ${key.owner} uploaded it, or made the key that did.`,
      );
    }
  }
  return undefined;
}

/** What actions are drawn from; where none of the chosen may run, what they would be. */
function inEffect({ versions, current }: VersionsView): Weights {
  const weights = current.weights ?? { [current.version]: 1 };
  const active = versions.filter(({ state }) => state === 'active');
  const running = runnable(weights, new Set(active.map(({ version }) => version)));
  return Object.keys(running).length > 0 ? running : weights;
}

/** What actions are drawn from once that version is quarantined; empty when nothing runs then. */
export function drawnWithout({ versions, current }: VersionsView, quarantined: string): Weights {
  const active = versions.flatMap(({ version, state }) =>
    state === 'active' && version !== quarantined ? [version] : [],
  );
  const chosen =
    current.weights ?? (current.chosenAt === null ? undefined : { [current.version]: 1 });
  if (chosen) return runnable(chosen, new Set(active));
  return active[0] === undefined ? {} : { [active[0]]: 1 };
}
