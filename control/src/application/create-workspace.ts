/** Creates a workspace with its starter policy; both are evidence. */

import { digestOf } from '@portarium/contracts/digest';
import { INSTANCE_WORKSPACE, type WorkspaceId, WorkspaceIdSchema } from '@portarium/contracts/ids';
import * as v from 'valibot';
import { STARTER_POLICY } from '../domain/starter-policy.ts';
import { actorOf, type Caller, type Context, SYSTEM_ACTOR } from './context.ts';
import { keepDatabaseUrl } from './database-secret.ts';
import { type Failure, failure, type Result, success } from './failure.ts';
import { timeText } from './ports/clock.ts';
import type { Directory, WorkspaceRecord } from './ports/directory.ts';
import { submitAs, type Unit } from './submit-as.ts';

export const CreateWorkspaceSchema = v.strictObject({
  id: WorkspaceIdSchema,
  name: v.pipe(v.string(), v.minLength(1), v.maxLength(200)),
  tenancyTier: v.optional(v.picklist(['A', 'B', 'C']), 'A'),
  /** Tier C: the address of its database with its login, as `portarium workspace provision` prints it. */
  databaseUrl: v.optional(
    v.pipe(
      v.string(),
      v.maxLength(2_000),
      v.regex(/^postgres(ql)?:\/\/[^\s]+$/, 'expected postgres://USER:PASSWORD@HOST:PORT/DATABASE'),
    ),
  ),
});
export type CreateWorkspace = v.InferOutput<typeof CreateWorkspaceSchema>;

/** @param caller who asks; the bootstrap when left out */
export async function createWorkspace(
  context: Pick<Context, 'clock' | 'ids' | 'directory' | 'store' | 'vault'>,
  caller: Caller | undefined,
  wanted: CreateWorkspace,
): Promise<Result<WorkspaceRecord>> {
  const { databaseUrl, ...asked } = wanted;
  const workspace: WorkspaceRecord = { ...asked, createdAt: timeText(context.clock.nowMs()) };
  const taken = () => failure('workspace.exists', `There is a workspace ${wanted.id} already.`);
  const known = await context.directory.lookUpWorkspace(wanted.id);
  const problem = unprovisioned(wanted, known);
  if (known && known.state !== 'provisioning') return taken();
  if (problem) return problem;
  if (databaseUrl !== undefined) {
    const secret = await keepDatabaseUrl(context, wanted.id, databaseUrl);
    await context.directory.setDatabaseSecret(wanted.id, secret);
  }
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
  const created = await context.store.submit(workspace.id, async (tx) => {
    // Its row is there where somebody provisioned it; then its policy says whether this was done before.
    const fresh = known ? !(await tx.activePolicy()) : await tx.insertWorkspace(workspace);
    if (!fresh) return known ? success(workspace) : taken();
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
  if (created.ok && known) await context.directory.activateWorkspace(workspace);
  return created;
}

/** Whether the schema or the database that the tier asks for is not there, or nobody said where. */
function unprovisioned(
  { id, tenancyTier, databaseUrl }: CreateWorkspace,
  known: Awaited<ReturnType<Directory['lookUpWorkspace']>>,
): Failure | undefined {
  const about = (pointer: string, message: string) =>
    failure('tenancy.unavailable', `${id} can not be created: ${message}.`, {
      errors: [{ pointer, message }],
    });
  if ((databaseUrl !== undefined) !== (tenancyTier === 'C')) {
    return about('/databaseUrl', 'a workspace of tier C names its database, and no other does');
  }
  if (known && known.tenancyTier !== tenancyTier) {
    return about('/tenancyTier', `it is provisioned for tier ${known.tenancyTier}`);
  }
  if (!known && tenancyTier !== 'A') {
    return about('/tenancyTier', `nobody has provisioned it for tier ${tenancyTier}`);
  }
  return undefined;
}
