/**
 * Regulated retention: a workspace whose artifacts are taken only while the store in use passes every check of
 * the lock battery. What was taken before goes on, and is kept: evidence of what happened is not thrown away.
 */
import type { WorkspaceId } from '@portarium/contracts/ids';
import * as v from 'valibot';
import { actorOf, type Caller, type Context } from './context.ts';
import { type Failure, failure, type Result, success } from './failure.ts';
import { timeText } from './ports/clock.ts';
import type { Regulation } from './ports/regulation-store.ts';
import { type Precondition, unmet } from './precondition.ts';
import { storeVerdict, withMeaning } from './probe-store.ts';
import { submitAs } from './submit-as.ts';

export const RegulationSchema = v.strictObject({
  regulated: v.boolean(),
  rationale: v.pipe(v.string(), v.trim(), v.minLength(1), v.maxLength(2_000)),
});

export async function setRegulation(
  context: Context,
  caller: Caller,
  workspace: WorkspaceId,
  { regulated, rationale }: v.InferOutput<typeof RegulationSchema>,
  expected?: Precondition,
): Promise<Result<Regulation>> {
  const unfit = regulated ? await unfitStore(context) : undefined;
  if (unfit) return unfit;
  return submitAs(context, caller, workspace, async (tx) => {
    const before = await tx.lockRegulation();
    const refused = unmet(expected, String(before.revision));
    if (refused) return refused;
    const at = timeText(context.clock.nowMs());
    const stored = await tx.putRegulation(regulated, caller.key.id, at);
    tx.append({
      type: 'workspace-regulation.changed',
      actor: actorOf(caller),
      subject: {},
      data: { ...stored, rationale, by: caller.key.owner },
      trace: caller.trace,
    });
    return success(stored);
  });
}

/** Why a workspace with this setting takes nothing at the moment, if so. To be asked before anything is stored. */
export async function refusedBy(
  context: Pick<Context, 'store' | 'objects'>,
  { regulated }: Regulation,
): Promise<Failure | undefined> {
  return regulated ? unfitStore(context) : undefined;
}

async function unfitStore(
  context: Pick<Context, 'store' | 'objects'>,
): Promise<Failure | undefined> {
  const { probed } = await storeVerdict(context);
  const store = `the ${context.objects.kind} store in use`;
  if (!probed) {
    const detail = `Nobody has probed ${store} as it is configured now; a Control Plane does within seconds of its start, and portarium doctor at once.`;
    return failure('store.not-regulated', detail);
  }
  if (probed.failed.length === 0) return undefined;
  const failed = probed.failed.map((name) => {
    const { meaning } = withMeaning({ name, held: false });
    return { name, ...(meaning === undefined ? {} : { meaning }) };
  });
  const said = failed.map(({ name, meaning }) => (meaning ? `${name} (${meaning})` : name));
  const detail = `When ${store} was probed at ${probed.at}, these checks failed: ${said.join('; ')}`;
  return failure('store.not-regulated', detail, { extensions: { failed } });
}
