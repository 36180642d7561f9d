/** Creates a workspace with its starter policy; both are evidence. */

import { digestOf } from '@portarium/contracts/digest';
import { INSTANCE_WORKSPACE, type WorkspaceId, WorkspaceIdSchema } from '@portarium/contracts/ids';
import * as v from 'valibot';
import { STARTER_POLICY } from '../domain/starter-policy.ts';
import { actorOf, type Caller, type Context, SYSTEM_ACTOR } from './context.ts';
import { failure, type Result, success } from './failure.ts';
import { timeText } from './ports/clock.ts';
import type { WorkspaceRecord } from './ports/directory.ts';
import { submitAs, type Unit } from './submit-as.ts';

export const CreateWorkspaceSchema = v.strictObject({
  id: WorkspaceIdSchema,
  name: v.pipe(v.string(), v.minLength(1), v.maxLength(200)),
  tenancyTier: v.optional(v.picklist(['A', 'B', 'C']), 'A'),
});
export type CreateWorkspace = v.InferOutput<typeof CreateWorkspaceSchema>;

/** @param caller who asks; the bootstrap when left out */
export async function createWorkspace(
  context: Pick<Context, 'clock' | 'ids' | 'directory' | 'store'>,
  caller: Caller | undefined,
  wanted: CreateWorkspace,
): Promise<Result<WorkspaceRecord>> {
  if (wanted.tenancyTier !== 'A') {
    return failure(
      'tenancy.unavailable',
      `This instance has tenancy tier A only, not ${wanted.tenancyTier}.`,
    );
  }
  const workspace: WorkspaceRecord = { ...wanted, createdAt: timeText(context.clock.nowMs()) };
  const taken = () => failure('workspace.exists', `There is a workspace ${wanted.id} already.`);
  if (await context.directory.findWorkspace(wanted.id)) return taken();
  const policy = { id: context.ids.next('policy'), version: 1, text: STARTER_POLICY };
  const policyDigest = await digestOf(new TextEncoder().encode(policy.text));
  const { name, tenancyTier } = workspace;
  const actor = caller ? actorOf(caller) : SYSTEM_ACTOR;
  const trace = caller?.trace ?? null;
  // The instance's entry first: a workspace that the instance log does not know must not exist.
  const submit = (of: WorkspaceId, unit: Unit<null>) =>
    caller ? submitAs(context, caller, of, unit) : context.store.submit(of, unit);
  const told = await submit(INSTANCE_WORKSPACE, async (tx) => {
    tx.append({
      type: 'workspace.created',
      actor,
      subject: {},
      data: { workspace: workspace.id, tenancyTier },
      trace,
    });
    return success(null);
  });
  if (!told.ok) return told;
  return context.store.submit(workspace.id, async (tx) => {
    if (!(await tx.insertWorkspace(workspace))) return taken();
    await tx.insertPolicy(policy);
    tx.append({
      type: 'workspace.created',
      actor,
      subject: {},
      data: { name, tenancyTier },
      trace,
    });
    tx.append({
      type: 'policy.activated',
      actor,
      subject: { policy: policy.id },
      data: { policyVersion: 1, policyDigest, source: 'starter' },
      trace,
    });
    return success(workspace);
  });
}
