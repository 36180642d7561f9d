/**
 * A person decides about a plugin version that grew, seeing what it could do more. One transaction under
 * the lock of the plugin's versions: one decision wins a race, and none is about another comparison.
 */
import { DigestSchema } from '@portarium/contracts/digest';
import type { WorkspaceId } from '@portarium/contracts/ids';
import * as v from 'valibot';
import { quorumReached } from '../domain/approval-rules.ts';
import { RationaleSchema } from './cancel-action.ts';
import { holdKey } from './check-signature.ts';
import { actorOf, type Caller, type Context } from './context.ts';
import { failure, type Result, success } from './failure.ts';
import { growthData, viewPluginApproval } from './plugin-approval.ts';
import { timeText } from './ports/clock.ts';
import type { PluginRecord } from './ports/records.ts';
import { submitAs } from './submit-as.ts';
import { takeOver } from './take-over.ts';

export const DecidePluginSchema = v.strictObject({
  decision: v.picklist(['approve', 'deny']),
  rationale: RationaleSchema,
  /** Of what was shown; the decision is about nothing else. */
  digest: DigestSchema,
});

export async function decidePlugin(
  context: Context,
  caller: Caller,
  workspace: WorkspaceId,
  { name, version }: Pick<PluginRecord, 'name' | 'version'>,
  { decision, rationale, digest }: v.InferOutput<typeof DecidePluginSchema>,
): Promise<Result<null>> {
  return submitAs(context, caller, workspace, async (tx): Promise<Result<null>> => {
    await tx.lockPluginVersions(name);
    const plugin = await tx.findPlugin(name, version);
    if (!plugin) return failure('not-found', `The workspace has no plugin ${name}@${version}.`);
    const approval = await viewPluginApproval(tx, caller, workspace, plugin);
    if (!approval) {
      return failure(
        'approval.closed',
        `Nobody has to approve ${name}@${version}: it had not grown.`,
      );
    }
    if (approval.refusal) return approval.refusal;
    if (digest !== approval.digest) {
      const detail = `The decision names another digest than ${approval.digest}: what runs may have changed.`;
      return failure('approval.stale', detail);
    }
    // It waited while its publisher's key was revoked: a revoked key signs nothing any more.
    if (decision === 'approve' && plugin.signature !== null) {
      const held = await holdKey(tx, plugin, plugin.signature);
      if (!held.ok) return held.failure;
    }
    const at = timeText(context.clock.nowMs());
    const person = caller.key.owner;
    const record = { person, key: caller.key.id, decision, rationale, digest, at };
    if (!(await tx.insertPluginDecision(plugin.id, record))) {
      return failure('conflict', `${person} has decided about this already.`);
    }
    const denied = decision === 'deny';
    const closes = denied || quorumReached(approval, [...approval.decisions, record]);
    tx.append({
      type: denied ? 'plugin.denied' : closes ? 'plugin.approved' : 'plugin.endorsed',
      actor: actorOf(caller),
      subject: { plugin: plugin.digest },
      data: { ...growthData(approval, approval.quorum), by: person, rationale },
      trace: caller.trace,
    });
    if (!closes) return success(null);
    const runs = await tx.findPlugin(name);
    if (!(await tx.closePluginApproval(approval, denied ? 'denied' : 'active'))) {
      throw new Error(`${name}@${version} changed under the lock of its versions`);
    }
    if (!denied) await takeOver(tx, plugin, runs, { by: caller.key.id, at });
    return success(null);
  });
}
