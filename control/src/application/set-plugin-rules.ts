/** What a workspace asks of plugins from now on; versions that were admitted before stay as they are. */
import type { WorkspaceId } from '@portarium/contracts/ids';
import { PLATFORM_LIMITS } from '@portarium/contracts/limits';
import * as v from 'valibot';
import { actorOf, type Caller, type Context } from './context.ts';
import { type Result, success } from './failure.ts';
import { timeText } from './ports/clock.ts';
import type { PluginRules } from './ports/version-store.ts';
import { type Precondition, unmet } from './precondition.ts';
import { submitAs } from './submit-as.ts';

const { mostCrashesToQuarantine, mostCrashWindowMs } = PLATFORM_LIMITS;

export const PluginRulesSchema = v.strictObject({
  signature: v.picklist(['optional', 'required']),
  quarantineAfter: v.pipe(
    v.number(),
    v.integer(),
    v.minValue(0),
    v.maxValue(mostCrashesToQuarantine),
    v.check((crashes) => crashes !== 1, 'expected 0 for never, or at least 2 crashes'),
  ),
  crashWindowMs: v.pipe(
    v.number(),
    v.integer(),
    v.minValue(1_000, 'expected at least 1 s, in milliseconds'),
    v.maxValue(mostCrashWindowMs, 'expected at most 24 hours, in milliseconds'),
  ),
});

export async function setPluginRules(
  context: Context,
  caller: Caller,
  workspace: WorkspaceId,
  wanted: v.InferOutput<typeof PluginRulesSchema>,
  expected?: Precondition,
): Promise<Result<PluginRules>> {
  return submitAs(context, caller, workspace, async (tx) => {
    const before = await tx.lockPluginRules();
    const refused = unmet(expected, String(before.revision));
    if (refused) return refused;
    const at = timeText(context.clock.nowMs());
    const rules = await tx.putPluginRules(wanted, caller.key.id, at);
    tx.append({
      type: 'plugin-rules.changed',
      actor: actorOf(caller),
      subject: {},
      data: { ...rules },
      trace: caller.trace,
    });
    return success(rules);
  });
}
