/** An approval as people see it: what was asked, who decided, and exactly what would run. */
import { allowedCalls } from '@portarium/contracts/allowed-calls';
import { placementOf } from '@portarium/contracts/credential-placement';
import type { ApprovalId, WorkspaceId } from '@portarium/contracts/ids';
import type { Operation } from '@portarium/contracts/manifest';
import { decodeValue } from '@portarium/contracts/operation-value';
import { plainText } from '@portarium/contracts/plain-text';
import { currentDigest } from './approval-statement.ts';
import type { Caller, Context } from './context.ts';
import { mayNotDecide } from './decide-approval.ts';
import type { ApprovalRecord, DecisionRecord } from './ports/approval-store.ts';
import type { ActionRecord } from './ports/records.ts';
import { summary } from './view-action.ts';
import { viewWrites } from './view-writes.ts';

type View = Readonly<Record<string, unknown>>;

/** What a list shows of an approval. */
export function approvalSummary(
  approval: ApprovalRecord,
  decisions: readonly DecisionRecord[],
): View & Pick<ApprovalRecord, 'id'> {
  const { decidedAt, consumedAt, ...known } = approval;
  return {
    ...known,
    decisions: decisions.map(({ person, decision, digest, rationale, at }) => ({
      ...{ person, decision, digest, at },
      rationale: plainText(rationale, 2_000),
    })),
    ...(decidedAt === null ? {} : { decidedAt }),
    ...(consumedAt === null ? {} : { consumedAt }),
  };
}

/** @returns undefined when the workspace has no such approval */
export async function viewApproval(
  context: Context,
  caller: Caller,
  workspace: WorkspaceId,
  id: ApprovalId,
): Promise<View | undefined> {
  const found = await context.store.read(workspace, async (tx) => {
    const approval = await tx.findApproval(id);
    const action = approval && (await tx.findAction(approval.action));
    if (!approval || !action) return undefined;
    const credentials = await Promise.all(
      action.credentials.map(async ({ slot, id: credential, version }) => {
        const now = await tx.findCredential(credential);
        const { name, host } = now ?? {};
        return { slot, id: credential, name, host, ...(now && placementOf(now)), version };
      }),
    );
    return {
      approval,
      action,
      credentials,
      decisions: await tx.listDecisions(id),
      plugin: await tx.findPlugin(action.plugin, action.version),
      owner: (await tx.findKeyPeople(action.requestedBy))?.owner,
      before: await tx.lastApproved(action),
      dryRun: await tx.lastDryRun(action),
      refusal: await mayNotDecide(tx, caller, action, approval),
      current: await currentDigest(tx, workspace, action, approval.executeBefore),
      replaces: action.replaces === null ? undefined : await tx.findAction(action.replaces),
    };
  });
  if (!found) return undefined;
  const { approval, action, decisions, plugin, owner, credentials, before, replaces } = found;
  const { dryRun } = found;
  const operation = plugin?.manifest.operations.find(({ name }) => name === action.operation);
  const encoding = operation?.encoding ?? 'json';
  return {
    ...approvalSummary(approval, decisions),
    ...(found.refusal === undefined
      ? {}
      : { refusal: { code: found.refusal.code, detail: found.refusal.detail } }),
    ...(dryRun === undefined ? {} : { dryRun: await dryRunView(context, workspace, dryRun) }),
    stale: isPending(approval) && found.current !== approval.digest,
    request: {
      plugin: {
        name: action.plugin,
        version: action.version,
        digest: action.pluginDigest,
        description: plainText(plugin?.manifest.description ?? '', 2_000),
      },
      operation: action.operation,
      effect: action.effect,
      encoding,
      requestedBy: { key: action.requestedBy, owner },
      input: await inputOf(context, workspace, action, encoding),
      // The digest of this is in the statement: whoever decides can compute the calls from it.
      contract: action.contract,
      calls: allowedCalls(action.contract, action.effect),
      credentials: credentials.map((one) => ({
        ...one,
        slotKind: plugin?.manifest.credentials.find(({ slot }) => slot === one.slot)?.kind,
      })),
      networks: action.contract.networks,
      limits: action.limits,
      ...(replaces === undefined
        ? {}
        : {
            replaces: {
              action: replaces.id,
              state: replaces.state,
              input: await inputOf(context, workspace, replaces, encoding),
            },
          }),
      ...(before === undefined
        ? {}
        : {
            lastApproved: {
              action: before.id,
              input: await inputOf(context, workspace, before, encoding),
            },
          }),
    },
  };
}

/** The newest dry run of exactly this, and what it would have sent. */
async function dryRunView(
  context: Context,
  workspace: WorkspaceId,
  dryRun: ActionRecord,
): Promise<View> {
  const { id, state, error, createdAt, finishedAt } = summary(dryRun);
  const writes = await viewWrites(context, workspace, dryRun);
  return { action: id, state, error, createdAt, finishedAt, writes };
}

/** Whether it could still let something run. */
function isPending({ state, consumedAt }: ApprovalRecord): boolean {
  return state === 'open' || (state === 'granted' && consumedAt === null);
}

async function inputOf(
  context: Context,
  workspace: WorkspaceId,
  { inputDigest }: ActionRecord,
  encoding: Operation['encoding'],
): Promise<unknown> {
  const bytes = await context.objects.get(workspace, inputDigest);
  return bytes === undefined ? undefined : decodeValue(encoding, bytes);
}
